/**
 * `child.ts <subject> <samples>`: times one comparison on guesses of each class, which take turns at random, after the protocol
 * of dudect. A process for each subject, so that no other one shares its compiled code. Prints one line of JSON.
 */
import { ownHost } from '../requests/host.ts'
import { CLASSES, type Class, pair } from './classes.ts'
import { welch } from './welch.ts'

/** Of one run: |t| between two classes. */
export interface Leak {
  readonly between: readonly [Class, Class]
  readonly t: number
}

const CALLS = 16
/** Above these shares of all samples lie interruptions; each crop is a test of its own, and the worst one counts. */
const CROPS = [1, 0.95, 0.8, 0.5]
const LEAST = 1000

/** Stops at the first difference, as a careless comparison does: what must be found. */
function earlyExit(a: string, b: string): boolean {
  if (a.length !== b.length) return false
  for (let i = 0; i < a.length; i++) if (a.charCodeAt(i) !== b.charCodeAt(i)) return false
  return true
}

const { platform } = await ownHost()
const SUBJECTS: Record<string, (a: string, b: string) => boolean> = {
  'platform.equal': (a, b) => platform.equal(a, b),
  '===': (a, b) => a === b,
  'early exit': earlyExit,
}

const [name, samples] = process.argv.slice(2)
const subject = SUBJECTS[name!]!
/** What the calls of a sample answered. Equal or not is no secret: what is made of it is not timed. */
const answers = new Array<boolean>(CALLS).fill(false)
let matches = 0

function sample(secret: string, guess: string): number {
  const both = [secret, guess]
  // Once before, so that the texts are at hand.
  answers[0] = subject(guess, secret)
  const start = performance.now()
  // In turns: what is the same each time, an engine works out once, before the loop.
  for (let i = 0; i < CALLS; i++) answers[i] = subject(both[i & 1]!, both[~i & 1]!)
  const took = (performance.now() - start) * 1e6
  for (const answer of answers) matches += Number(answer)
  return took
}

/**
 * All is chosen and made before anything is timed, each pair for one sample alone: neither where texts lie in memory nor how a
 * class is found may tell it apart.
 */
function run(count: number): number[][] {
  const chosen = Uint8Array.from({ length: count }, () => Math.floor(Math.random() * CLASSES.length))
  const pairs = Array.from(chosen, (of) => pair(CLASSES[of]!))
  const took = new Float64Array(count)
  for (let i = 0; i < count; i++) {
    const [secret, guess] = pairs[i]!
    took[i] = sample(secret, guess)
  }
  const times: number[][] = CLASSES.map(() => [])
  for (const [i, of] of chosen.entries()) times[of]!.push(took[i]!)
  return times
}

run(20_000)
const times = run(Number(samples))
if (matches === 0) throw new Error(`${name} found no two texts equal.`)

const sorted = times.flat().sort((a, b) => a - b)
const cuts = CROPS.map((share) => sorted[Math.ceil((sorted.length - 1) * share)]!)
const leaks = CLASSES.flatMap((one, i) =>
  CLASSES.slice(i + 1).map((other, j): Leak => {
    const ts = cuts.map((cut) => {
      const [a, b] = [times[i]!, times[i + 1 + j]!].map((values) => values.filter((value) => value <= cut))
      // Where classes lie far apart, a crop may leave nothing of one.
      return Math.min(a!.length, b!.length) < LEAST ? 0 : Math.abs(welch(a!, b!))
    })
    return { between: [one, other], t: Math.max(...ts) }
  }),
)
console.log(JSON.stringify(leaks))
process.exit(0)
