/** The versions whose ways are known. Others are spoken to as documented. */
const KNOWN = /^2\.9\./

let isKnown: boolean | undefined

/** Whether this is a Deno whose objects are made as we know them. */
export function isKnownDeno(): boolean {
  if (isKnown === undefined) {
    const { Deno } = globalThis as { Deno?: { readonly version: { readonly deno: string } } }
    isKnown = Deno !== undefined && KNOWN.test(Deno.version.deno)
  }
  return isKnown
}
