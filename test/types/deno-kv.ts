/** Checked by Deno against its own types, never run: what Deno opens is what the store takes. */
import { denoKvStore } from '../../adapters/deno/index.ts'

export const store = denoKvStore(await Deno.openKv())
