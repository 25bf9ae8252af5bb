import { type Estimate, shown } from './statistics.ts'

/** One figure that was promised, and what was seen of it. */
export interface Goal {
  readonly what: string
  /** The runtime, or whatever else it was seen on. */
  readonly on: string
  readonly wants: 'at most' | 'at least'
  /** The least that may be called done: (A). */
  readonly least: number
  /** What is chased: (L). Null where there is but one. */
  readonly wished: number | null
  /** Null where this run could not tell. */
  readonly seen: Estimate | null
}

/**
 * `met` where the whole interval reaches the goal, `met, near` where only its near end does (noise could be why it is not
 * met), `missed` where not even that.
 */
type Verdict = 'met' | 'met, near' | 'missed' | 'not measured'

function verdict({ wants, seen }: Goal, goal: number): Verdict {
  if (seen === null) return 'not measured'
  const [near, far] = wants === 'at most' ? [seen.low, seen.high] : [seen.high, seen.low]
  const reaches = (end: number): boolean => (wants === 'at most' ? end <= goal : end >= goal)
  if (reaches(far)) return 'met'
  return reaches(near) ? 'met, near' : 'missed'
}

export function goalsTable(goals: readonly Goal[]): string {
  const rows = goals.map((goal) => {
    const { what, on, wants, least, wished, seen } = goal
    const sign = wants === 'at most' ? '≤' : '≥'
    const wish = wished === null ? ['–', ''] : [`${sign} ${wished}`, verdict(goal, wished)]
    const cells = [what, on, seen === null ? '–' : shown(seen), `${sign} ${least}`, verdict(goal, least), ...wish]
    return `| ${cells.join(' | ')} |`
  })
  const count = (bound: (goal: Goal) => number | null): string => {
    const verdicts = goals.flatMap((goal) => {
      const value = bound(goal)
      return goal.seen === null || value === null ? [] : [verdict(goal, value)]
    })
    const times = (which: Verdict): number => verdicts.filter((one) => one === which).length
    return `${times('met')} met, ${times('met, near')} met by the near end, ${times('missed')} missed`
  }
  return `## Goals

(A) is the least that may be called done, (L) is what is chased: near the limit of physics. Each is judged by the near end of the
95% interval: \`met\` where the whole interval reaches it, \`met, near\` where only its near end does, \`missed\` where not even that.
A noisy run has wide intervals, and reaches more by their near end. (A): ${count(({ least }) => least)}. (L): ${count(({ wished }) => wished)}.

| goal | on | seen (95%) | (A) | | (L) | |
|---|---|---|---|---|---|---|
${rows.join('\n')}
`
}
