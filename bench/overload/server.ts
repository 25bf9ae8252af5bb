/**
 * `server.ts <compute|wait> <guarded|bare>`: a server of known capacity. `compute` takes one core for some milliseconds a
 * request, without a pause; `wait` asks something that does so many at once, as a pool of database connections. Prints
 * its port.
 */
import { apiKeys, digestApiKey, identify, memoryStore, type Platform, security, shedLoad } from 'hinoban'
import { Hono } from 'hono'
import { KEY } from '../key.ts'
import { listen } from '../serve.ts'

const COMPUTE_MS = 3
const WORKERS = 10
const WAIT_MS = 20

const runtime = 'Bun' in globalThis ? 'bun' : 'Deno' in globalThis ? 'deno' : 'node'
const { platform } = (await import(`hinoban/${runtime}`)) as { platform: Platform }
const [kind, guard] = process.argv.slice(2)

let free = WORKERS
const line: (() => void)[] = []

async function wait(): Promise<void> {
  if (free > 0) free -= 1
  else await new Promise<void>((resolve) => line.push(resolve))
  await new Promise((resolve) => setTimeout(resolve, WAIT_MS))
  const next = line.shift()
  if (next) next()
  else free += 1
}

/** Holds the event loop. By the clock: a core that others share would do less work in the time, not take longer for it. */
function compute(): void {
  const end = performance.now() + COMPUTE_MS
  while (performance.now() < end);
}

const app = new Hono()
  .use(security({ platform, store: memoryStore() }))
  .get('/health', (c) => c.text('ok'))
  .use(identify(apiKeys({ keys: [{ id: 'ops', digest: digestApiKey(KEY), scopes: ['ops'] }] })))
if (guard === 'guarded') app.use(shedLoad({ privileged: (c) => c.var.principal?.scopes.includes('ops') === true }))
app.get('/work', async (c) => {
  if (kind === 'compute') compute()
  else await wait()
  return c.text('done')
})

await listen(app)
