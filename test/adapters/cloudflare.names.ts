import type { StoreHarness } from '../../src/store/conformance.ts'
import { casesFor } from '../../src/store/conformance.ts'
import { limiterCasesOf } from '../limit/every-store.ts'

const open = (): never => {
  throw new Error('Only the Worker opens stores.')
}
const ofContract = (subject: string, harness: StoreHarness) =>
  casesFor(harness).map(({ name }) => ({ name: `${subject} > ${name}` }))

/** The names of `cloudflareBodiesCases` and `cloudflareCases`, for the launcher: it cannot import what only workerd can run. */
export const cloudflareNames: readonly { readonly name: string }[] = [
  {
    name: 'bodies on Workers > of each kind one as long as declared arrives whole, a longer one is 413, a shorter one 400',
  },
  { name: 'bodies on Workers > an empty one is one, and none at all is none' },
  { name: 'bodies on Workers > at once is read what fills the room of others and is small' },
  { name: 'bodies on Workers > what sends more than it declares is told to stop' },
  { name: 'bodies on Workers > one of the most that is read at once, and of a byte more, arrive whole' },
  { name: 'bodies on Workers > one that breaks off is 400' },
  { name: 'bodies on Workers > one that never comes is given up after its time, and told to stop' },
  { name: 'bodies on Workers > the handler reads it by c.req and by c.req.raw' },
  ...ofContract('durable object', { consistency: 'atomic', open, another: open, reopen: open }),
  ...limiterCasesOf('durable object', { consistency: 'atomic', open }),
  ...ofContract('kv', { consistency: 'eventual', open }),
  { name: 'durable object > HinobanObject sweeps by alarm, and deletes itself when nothing is left' },
  { name: 'durable object > HinobanObject stays asleep while only records without an end are left' },
  { name: 'durable object > HinobanObject writes nothing when it is only asked' },
  {
    name: 'durable object > durableObjectStore() checks arguments before any call, and turns every other error into StoreOutage',
  },
  {
    name: 'durable object > hibernatingSockets() throws for a setting that is wrong, naming it, for nobody, and for a tag that counts for others',
  },
  {
    name: 'durable object > hibernatingSockets() admits nothing of a socket that is being closed, also when it slept meanwhile',
  },
  { name: 'durable object > of 200 calls at once to one object exactly 100 are admitted, in each of 5 rounds' },
  { name: 'durable object > one order explains every answer of 1,000 mixed calls by 8 callers' },
  { name: 'kv > kvStore() keeps the instant in the value and lets KV collect an hour late' },
  { name: 'kv > kvStore() turns errors of KV, and a foreign value, into StoreOutage' },
  { name: 'kv > a reader elsewhere sees a revoked record for up to 60 s' },
  { name: 'kv > a reader elsewhere who asked too early misses a new record for up to 60 s' },
  { name: 'kv > two writers overwrite each other and neither is told' },
  { name: 'kv > a second write to one key within a second is a StoreOutage' },
  {
    name: 'kv > rateLimit() and security() refuse it at start, and name themselves, the store and what to use instead',
  },
  {
    name: 'rate-limit binding > rateLimitBinding() admits 5 of a key and refuses the sixth, whatever another key does',
  },
  {
    name: 'rate-limit binding > rateLimitBinding() in front of rateLimit() refuses what the exact limit would still let pass, and nobody else',
  },
  {
    name: 'rate-limit binding > rateLimitBinding() admits only where success is true itself, and tells a failure as one',
  },
  {
    name: 'rate-limit binding > rateLimitBinding() throws at start where the binding is missing, or for a period that Cloudflare has not',
  },
]
