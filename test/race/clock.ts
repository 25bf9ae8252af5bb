/** What of bun:ffi and Deno.dlopen is used here. */
interface Library {
  readonly symbols: { clock_gettime(clock: number, out: BigInt64Array): number }
}

const CLOCK_MONOTONIC = 1

/**
 * The machine's monotonic clock in whole nanoseconds: one for all processes, so that an instant of one can be compared
 * with an instant of another.
 *
 * On Node `process.hrtime` is it. Bun and Deno count from the start of the process there, so they ask the C library
 * (glibc on Linux; elsewhere this throws on those two).
 */
export async function sharedClock(): Promise<() => number> {
  const library = await libc()
  if (library === null) return () => Number(process.hrtime.bigint())
  const out = new BigInt64Array(2)
  return () => {
    if (library.symbols.clock_gettime(CLOCK_MONOTONIC, out) !== 0) throw new Error('The clock did not answer.')
    return Number(out[0]! * 1_000_000_000n + out[1]!)
  }
}

async function libc(): Promise<Library | null> {
  const { Bun, Deno } = globalThis as { Bun?: unknown; Deno?: { dlopen(path: string, symbols: object): Library } }
  if (Deno !== undefined) {
    return Deno.dlopen('libc.so.6', { clock_gettime: { parameters: ['i32', 'buffer'], result: 'i32' } })
  }
  if (Bun === undefined) return null
  const ffi: string = 'bun:ffi'
  const { dlopen } = (await import(ffi)) as { dlopen(path: string, symbols: object): Library }
  return dlopen('libc.so.6', { clock_gettime: { args: ['i32', 'ptr'], returns: 'i32' } })
}
