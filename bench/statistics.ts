/** The value below which that share of the others lies. */
export function quantile(values: readonly number[], share: number): number {
  const sorted = [...values].sort((a, b) => a - b)
  return sorted[Math.round((sorted.length - 1) * share)]!
}

export function median(values: readonly number[]): number {
  return quantile(values, 0.5)
}

/** The median of what was seen round by round, and its noise: the quarter and three quarter marks. */
export interface Spread {
  readonly median: number
  readonly low: number
  readonly high: number
}

/** Each round's value by the other's in the same round: whatever slowed the machine slowed both. */
export function ratios(values: readonly number[], others: readonly number[]): Spread {
  const each = values.map((value, round) => value / others[round]!)
  return { median: median(each), low: quantile(each, 0.25), high: quantile(each, 0.75) }
}

export function fixed(value: number): string {
  return value.toFixed(2)
}

/** `0.97 (0.95–0.99)` */
export function shown({ median, low, high }: Spread): string {
  // Small shares need more digits to differ at all.
  const digits = high < 0.1 ? 3 : 2
  const [middle, least, most] = [median, low, high].map((value) => value.toFixed(digits))
  return `${middle} (${least}–${most})`
}

/** `1,200,000`, to three digits: the rest is noise. */
export function rounded(value: number): string {
  return Number(value.toPrecision(3)).toLocaleString('en-US')
}
