import { quantile } from './statistics.ts'

/** One operation to time. */
export interface Candidate {
  readonly name: string
  /** The candidate that it is held against; none for a floor. */
  readonly floor?: string
  /** Does it once; `i` grows from call to call. */
  call(i: number): unknown
  /** Whether an answer is the expected one: a wrong answer that comes fast is no result. */
  ok?(answer: unknown): boolean
}

/** One candidate at one concurrency. */
export interface Measure {
  readonly name: string
  readonly floor: string | null
  readonly concurrency: number
  /** Calls that are timed together before anything counts, where a few tell nothing of their number; 128 unless told. */
  readonly sample?: number
  run(calls: number): Promise<{ readonly ms: number; readonly p50Us?: number }>
}

/** What came of a {@link Measure}, round by round. */
export interface Row {
  readonly name: string
  readonly floor: string | null
  readonly concurrency: number
  readonly perSecond: readonly number[]
  /** Half of the calls took no longer; empty where single calls were not timed. */
  readonly p50Us: readonly number[]
}

/** How long to measure. */
export interface Effort {
  readonly rounds: number
  /** What one measure of one round should take, ms. */
  readonly roundMs: number
  /** Calls of each candidate that are made before anything counts, but no longer than `warmUpMs`. */
  readonly warmUp: number
  readonly warmUpMs: number
}

export const MANY = 64
const MIN_CALLS = 20
const WARM_ROUNDS = 15

/** Candidates that answer at once: one by one alone, timed as a whole. */
export function immediate(candidates: readonly Candidate[]): readonly Measure[] {
  return candidates.map(({ name, floor = null, call, ok }) => {
    let i = 0
    return {
      name,
      floor,
      concurrency: 1,
      async run(calls) {
        const start = performance.now()
        for (const end = i + calls; i < end; i++) {
          const answer = call(i)
          if (ok?.(answer) === false) throw new Error(`${name}: unexpected answer ${JSON.stringify(answer)}`)
        }
        return { ms: performance.now() - start }
      },
    }
  })
}

/** Candidates that give promises: one by one, each call timed, and 64 at once. */
export function pending(candidates: readonly Candidate[]): readonly Measure[] {
  return candidates.flatMap(({ name, floor = null, call, ok }) => {
    let i = 0
    const once = async (): Promise<void> => {
      const answer = await call(i++)
      if (ok?.(answer) === false) throw new Error(`${name}: unexpected answer ${JSON.stringify(answer)}`)
    }
    const one: Measure = {
      name,
      floor,
      concurrency: 1,
      async run(calls) {
        const took = new Array<number>(calls)
        const start = performance.now()
        for (let n = 0; n < calls; n++) {
          const begin = performance.now()
          await once()
          took[n] = performance.now() - begin
        }
        return { ms: performance.now() - start, p50Us: quantile(took, 0.5) * 1000 }
      },
    }
    const many: Measure = {
      name,
      floor,
      concurrency: MANY,
      async run(calls) {
        let left = calls
        const caller = async (): Promise<void> => {
          while (left-- > 0) await once()
        }
        const start = performance.now()
        await Promise.all(Array.from({ length: MANY }, caller))
        return { ms: performance.now() - start }
      },
    }
    return [one, many]
  })
}

/**
 * Candidates that give promises, alone: after each call of one comes a call of another, in another order each time. What slows the
 * machine for longer than a call then slows all alike, so that a few percent can be told apart.
 */
export async function inTurns(candidates: readonly Candidate[], rounds: number, calls: number): Promise<Row[]> {
  const took = candidates.map(() => new Array<number>(calls))
  const rows = candidates.map(({ name, floor = null }) => {
    return { name, floor, concurrency: 1, perSecond: [] as number[], p50Us: [] as number[] }
  })
  let i = 0
  // The first rounds warm up.
  for (let round = -WARM_ROUNDS; round < rounds; round++) {
    for (let n = 0; n < calls; n++, i++) {
      for (const at of shuffled(candidates.length)) {
        const { name, call, ok } = candidates[at]!
        const begin = performance.now()
        const answer = await call(i)
        took[at]![n] = performance.now() - begin
        if (ok?.(answer) === false) throw new Error(`${name}: unexpected answer ${JSON.stringify(answer)}`)
      }
    }
    if (round < 0) continue
    for (const [at, { perSecond, p50Us }] of rows.entries()) {
      const sum = took[at]!.reduce((ms, one) => ms + one, 0)
      perSecond.push(Math.round((calls * 1e6) / sum) / 1e3)
      p50Us.push(Math.round(quantile(took[at]!, 0.5) * 1e5) / 100)
    }
  }
  return rows
}

/** Runs the measures in rounds that take turns, each round in another order: none always follows the same one. */
export async function inRounds(measures: readonly Measure[], effort: Effort): Promise<Row[]> {
  const rows: (Row & { readonly perSecond: number[]; readonly p50Us: number[] })[] = []
  const calls: number[] = []
  for (const measure of measures) {
    const { name, floor, concurrency } = measure
    rows.push({ name, floor, concurrency, perSecond: [], p50Us: [] })
    calls.push(await warmUp(measure, effort))
  }
  for (let round = 0; round < effort.rounds; round++) {
    for (const at of shuffled(measures.length)) {
      const { ms, p50Us } = await measures[at]!.run(calls[at]!)
      rows[at]!.perSecond.push(Math.round((calls[at]! * 1e6) / ms) / 1e3)
      if (p50Us !== undefined) rows[at]!.p50Us.push(Math.round(p50Us * 100) / 100)
    }
  }
  return rows
}

/** How many calls fill one measure of one round. */
async function warmUp({ run, concurrency, sample = 2 * MANY }: Measure, effort: Effort): Promise<number> {
  const start = performance.now()
  let last = 0
  for (let made = 0; made < effort.warmUp && performance.now() - start < effort.warmUpMs; made += sample) {
    last = (await run(sample)).ms
  }
  const calls = Math.round((sample * effort.roundMs) / Math.max(last, 0.001))
  return Math.max(concurrency > 1 ? 2 * MANY : MIN_CALLS, calls)
}

/** 0 to `length` - 1 in some order. */
function shuffled(length: number): readonly number[] {
  return Array.from({ length }, (_, at) => ({ at, by: Math.random() }))
    .sort((a, b) => a.by - b.by)
    .map(({ at }) => at)
}

/** What one call cost in each round, µs. */
export function costs({ perSecond }: Row): readonly number[] {
  return perSecond.map((rate) => 1e6 / rate)
}
