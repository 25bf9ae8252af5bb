import { makeRate, type Rate } from '../store/gcra.ts'

/** How much, in how long. */
export interface QuotaOptions {
  /** Requests per period, a whole number of at least 1. */
  readonly quota: number
  /** Length of the period, in seconds. */
  readonly periodSeconds: number
  /** Requests that may come at once. The quota unless told. In t seconds at most burst + quota · t / period pass. */
  readonly burst?: number
  /**
   * The policy's name, in headers and in the store. `<quota>-per-<period>s` unless told. Limiters of the
   * same name and numbers share their buckets, so give names where two equal quotas shall count apart.
   */
  readonly name?: string
}

/** A quota, checked and ready. */
export interface Policy {
  readonly name: string
  readonly rate: Rate
  readonly quota: number
  readonly periodSeconds: number
}

/** @throws {RangeError} or TypeError naming the setting that is wrong. */
export function makePolicy(options: QuotaOptions): Policy {
  const { quota, periodSeconds, burst = quota, name = defaultName(quota, periodSeconds, burst) } = options
  if (!/^[\x20\x21\x23-\x5b\x5d-\x7e]{1,64}$/.test(name)) {
    throw new TypeError('rateLimit(): name must be 1 to 64 printable ASCII characters without quotes or backslashes.')
  }
  return { name, rate: makeRate(quota, periodSeconds, burst), quota, periodSeconds }
}

function defaultName(quota: number, periodSeconds: number, burst: number): string {
  return `${quota}-per-${periodSeconds}s${burst === quota ? '' : `-burst-${burst}`}`
}
