/** The value below which that share of the others lies. */
export function quantile(values: readonly number[], share: number): number {
  const sorted = [...values].sort((a, b) => a - b)
  return sorted[Math.round((sorted.length - 1) * share)]!
}

export function median(values: readonly number[]): number {
  return quantile(values, 0.5)
}

/** The median of what was seen round by round, and an interval that holds the true one in 95 of 100 runs. */
export interface Estimate {
  readonly median: number
  readonly low: number
  readonly high: number
}

const CONFIDENCE = 0.95

/**
 * The order-statistic interval of the median (the sign test turned around; it asks for no distribution): of n sorted
 * values the k-th from below and from above, where k is the greatest for which a binomial(n, 1/2) stays below k with a
 * chance of 2.5% at most. Up to five values have none so sure: theirs is the least and the most, which hold the median in
 * 1 - 2^(1-n) of cases.
 */
export function estimate(values: readonly number[]): Estimate {
  const sorted = [...values].sort((a, b) => a - b)
  const at = outsiders(sorted.length)
  return { median: median(sorted), low: sorted[at]!, high: sorted[sorted.length - 1 - at]! }
}

/** How many of n sorted values lie outside the interval, on each side. */
function outsiders(n: number): number {
  let chance = 0.5 ** n
  let sum = chance
  let k = 0
  while (sum <= (1 - CONFIDENCE) / 2 && k < n / 2) {
    k += 1
    chance *= (n - k + 1) / k
    sum += chance
  }
  return Math.max(0, k - 1)
}

/** Each round's value by the other's in the same round: whatever slowed the machine slowed both. */
export function ratios(values: readonly number[], others: readonly number[]): Estimate {
  return estimate(values.map((value, round) => value / others[round]!))
}

/** What is known for sure, as bytes are. */
export function certain(value: number): Estimate {
  return { median: value, low: value, high: value }
}

export function fixed(value: number): string {
  return value.toFixed(2)
}

/** `0.97 (0.95–0.99)` */
export function shown({ median, low, high }: Estimate): string {
  const most = Math.max(Math.abs(low), Math.abs(high))
  // Small shares need more digits to differ at all, and great ones fewer.
  const digits = low === high && Number.isInteger(low) ? 0 : most < 0.1 ? 3 : most < 20 ? 2 : most < 100 ? 1 : 0
  const [middle, least, greatest] = [median, low, high].map((value) => value.toFixed(digits))
  return low === high ? `${middle}` : `${middle} (${least}–${greatest})`
}

/** `1,200,000`, to three digits: the rest is noise. */
export function rounded(value: number): string {
  return Number(value.toPrecision(3)).toLocaleString('en-US')
}
