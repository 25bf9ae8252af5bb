/** One process: whole requests, with ever more keys configured, quotas asked and clients known. Prints one line of JSON. */
import { type AtomicStore, type Charge, digestApiKey, makeApiKey, memoryStore } from 'hinoban'
import type { Hono } from 'hono'
import { bare, layers, quota } from '../requests/apps.ts'
import { GET } from '../requests/ask.ts'
import { environmentOf, ownHost } from '../requests/host.ts'
import { inRounds, type Measure } from '../rounds.ts'
import { ADDRESSES, CLIENTS, EFFORT, KEYS, QUOTAS } from './sizes.ts'

const host = await ownHost()

interface Asking {
  /** Which one asks; the first unless told. Its text is made anew, as a server's is. */
  readonly address?: () => string
  readonly keys?: readonly string[]
}

/** What is asked, of one address or of many, with one key or with many. */
function measure(name: string, app: Hono, { address = () => addressOf(0), keys }: Asking = {}): Measure {
  const { url } = GET
  const inits = keys ? keys.map(withKey) : [GET.init]
  return {
    name,
    floor: null,
    concurrency: 1,
    async run(calls) {
      const start = performance.now()
      for (let i = 0; i < calls; i++) {
        const env = environmentOf(address())
        const init = inits[Math.floor(Math.random() * inits.length)]!
        const answer = await app.fetch(new Request(url, init), env)
        if (answer.status !== 200) throw new Error(`${name} answered ${answer.status}: ${await answer.text()}`)
      }
      return { ms: performance.now() - start }
    },
  }
}

/** Another IPv4 address for each number, in no order: an odd factor permutes 32 bits. */
function addressOf(i: number): string {
  const bits = Math.imul(i, 0x9e3779b1) >>> 0
  return `${bits >>> 24}.${(bits >>> 16) & 255}.${(bits >>> 8) & 255}.${bits & 255}`
}

function withKey(key: string): RequestInit {
  return { headers: { ...(GET.init.headers as Record<string, string>), authorization: `Bearer ${key}` } }
}

/** Each of them is sent as often as any other: one alone would stay where it was found last. */
function withKeys(count: number): readonly Measure[] {
  const keys = Array.from({ length: count }, makeApiKey)
  return [
    measure(`keys ${count}`, layers(host, { defaults: true, keys: keys.map(digestApiKey) }), { keys }),
    // What so many texts cost whoever asks.
    measure(`bare, keys ${count}`, bare(), { keys }),
  ]
}

function withQuotas(count: number): Hono {
  return layers(host, {
    defaults: true,
    quotas: Array.from({ length: count }, (_, i) => quota(1_000_000 + i, `q${i}`)),
  })
}

/** A store that already limits so many clients, none of whose buckets falls idle while this runs. */
async function withClients(count: number): Promise<Hono> {
  const store = memoryStore({ maxEntries: 2_000_000, maxBytes: 2 ** 28 })
  const app = layers(host, { defaults: true, store, quotas: [{ quota: 5_000_000, periodSeconds: 30 * 86_400 }] })
  const charged = await chargeOf(store, () => app.fetch(new Request(GET.url, GET.init), environmentOf(addressOf(0))))
  for (let i = 0; i < count; i++) {
    store.consume(
      charged.partition.replace(addressOf(0), addressOf(i)),
      charged.charges.map((charge) => ({ ...charge, cost: 10_000 })),
    )
  }
  return app
}

interface Charged {
  readonly partition: string
  readonly charges: readonly Charge[]
}

/** What a request takes from the store: the layer alone knows how it names its buckets. */
async function chargeOf(store: AtomicStore, ask: () => unknown): Promise<Charged> {
  const consume = store.consume.bind(store)
  const seen: Charged[] = []
  Object.assign(store, {
    consume(partition: string, charges: readonly Charge[]) {
      seen.push({ partition, charges })
      return consume(partition, charges)
    },
  })
  await ask()
  Reflect.deleteProperty(store, 'consume')
  if (seen.length !== 1) throw new Error(`A request took ${seen.length} times from the store, not once.`)
  return seen[0]!
}

const measures: Measure[] = [
  ...KEYS.flatMap(withKeys),
  ...QUOTAS.map((count) => measure(`quotas ${count}`, withQuotas(count))),
]
for (const count of CLIENTS) {
  const address = () => addressOf(Math.floor(Math.random() * count))
  measures.push(measure(`clients ${count}`, await withClients(count), { address }))
}
for (const [kind, text] of Object.entries(ADDRESSES)) {
  const [head, last] = [text.slice(0, -1), text.slice(-1)]
  measures.push(measure(`address ${kind}`, layers(host, { defaults: true }), { address: () => [head, last].join('') }))
}
console.log(JSON.stringify(await inRounds(measures, EFFORT)))
process.exit(0)
