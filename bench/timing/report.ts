import { join } from 'node:path'
import type { Goal } from '../goals.ts'
import { type Part, RUNTIMES, runScript } from '../part.ts'
import { certain } from '../statistics.ts'
import type { Leak } from './child.ts'

interface Run {
  readonly runtime: string
  readonly subject: string
  readonly leaks: readonly Leak[]
}

const SAMPLES = 100_000
/** The subject, and two that are known to leak. */
const SUBJECTS = { 'platform.equal': 5, '===': 2, 'early exit': 2 }
/** A run that noise made invalid is made again, so often at most. */
const MORE = 3
const OURS = 'platform.equal'
const CARELESS = 'early exit'
/** Below, two classes are alike; a careless comparison lies far above the other. */
const ALIKE = 4.5
const FOUND = 50

/** Whether the one comparison for secrets tells by its time how a guess is wrong. */
export const timingPart: Part<readonly Run[]> = {
  name: 'timing',
  leftOutOfQuick: `a leak is told by ${SAMPLES.toLocaleString('en')} samples, five times over`,
  measure() {
    return RUNTIMES.flatMap((runtime) =>
      Object.entries(SUBJECTS).flatMap(([subject, runs]) => {
        console.error(`bench: timing of ${subject} on ${runtime}`)
        const found: Run[] = []
        for (let more = MORE; found.length < runs; ) {
          const leaks = runScript(runtime, join(import.meta.dirname, 'child.ts'), [subject, `${SAMPLES}`]) as Leak[]
          const run = { runtime, subject, leaks }
          if (nullOf(run) < ALIKE || more-- <= 0) found.push(run)
        }
        return found
      }),
    )
  },
  report(runs) {
    return { section: sectionOf(runs), goals: RUNTIMES.flatMap((runtime) => goalsOf(runtime, runs)) }
  },
}

/** Classes against themselves under another name: what noise alone gives. */
function nullOf({ leaks }: Run): number {
  return Math.max(...leaks.filter(isNull).map(({ t }) => t))
}

function worstOf({ leaks }: Run): Leak {
  return leaks.filter((leak) => !isNull(leak)).reduce((worst, leak) => (leak.t > worst.t ? leak : worst))
}

function isNull({ between: [one, other] }: Leak): boolean {
  return other === `${one} again`
}

function goalsOf(runtime: string, runs: readonly Run[]): readonly Goal[] {
  const of = (subject: string): readonly Run[] =>
    runs.filter((run) => run.runtime === runtime && run.subject === subject)
  // Where noise alone makes a class differ from itself, a run says nothing of the subject.
  const valid = of(OURS).filter((run) => nullOf(run) < ALIKE)
  const worst = valid.length === 0 ? null : certain(Math.max(...valid.map((run) => worstOf(run).t)))
  const found = certain(Math.min(...of(CARELESS).map((run) => worstOf(run).t)))
  const what = `${OURS}: greatest t between two kinds of guess, in ${valid.length} valid runs`
  return [
    { what, on: runtime, wants: 'at most', least: ALIKE, wished: null, seen: worst },
    {
      what: 'control: t of a comparison that stops early',
      on: runtime,
      wants: 'at least',
      least: FOUND,
      wished: null,
      seen: found,
    },
  ]
}

function sectionOf(runs: readonly Run[]): string {
  const rows = runs.map((run) => {
    const { between, t } = worstOf(run)
    const valid = nullOf(run) < ALIKE ? '' : ' (invalid)'
    return `| ${run.runtime} | ${run.subject} | ${nullOf(run).toFixed(1)}${valid} | ${t.toFixed(1)} | ${between.join(', ')} |`
  })
  return `## Timing of the comparison

After the protocol of dudect: ${SAMPLES.toLocaleString('en')} samples of 16 calls a run, a fresh process each, on digests that are equal, wrong in the first or in the
last digit, or random, in random order. Welch's t between each two kinds, of all samples and of the fastest 95%, 80% and 50%; the
greatest counts. The answers of a sample are looked at only after its clock was read: equal or not is what a client is told
anyway. The null controls are equal and random ones against themselves; a run where one reaches ${ALIKE} is made again, ${MORE} times at most. Controls that must be
found are \`===\` and a loop that stops at the first difference. workerd has no clock to time by; there the comparison is
\`crypto.subtle.timingSafeEqual\`. Nothing is claimed of a network beyond this.

| runtime | comparison | null, t | greatest t | between |
|---|---|---|---|---|
${rows.join('\n')}
`
}
