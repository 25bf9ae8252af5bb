/** Welch's t of two samples: how many standard errors of their difference lie between their means. */
export function welch(a: readonly number[], b: readonly number[]): number {
  const [left, right] = [moments(a), moments(b)]
  return (left.mean - right.mean) / Math.sqrt(left.variance / a.length + right.variance / b.length)
}

function moments(values: readonly number[]): { readonly mean: number; readonly variance: number } {
  const mean = values.reduce((sum, value) => sum + value, 0) / values.length
  const squares = values.reduce((sum, value) => sum + (value - mean) ** 2, 0)
  return { mean, variance: squares / (values.length - 1) }
}
