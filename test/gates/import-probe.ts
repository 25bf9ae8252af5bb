/**
 * Imports the modules of its arguments and says as one line of JSON what they called while they loaded, then leaves the
 * process alone: it ends by itself unless something keeps it.
 */
import { createRequire, syncBuiltinESMExports } from 'node:module'

const BUILTINS = ['fs', 'net', 'tls', 'dgram', 'dns', 'http', 'https', 'http2', 'child_process', 'worker_threads']
const calls: string[] = []
let watching = false

watch('', globalThis, ['setTimeout', 'setInterval', 'setImmediate', 'queueMicrotask', 'fetch', 'WebSocket'])
watch('crypto.', Object.getPrototypeOf(crypto), ['getRandomValues', 'randomUUID'])
watch('crypto.subtle.', Object.getPrototypeOf(crypto.subtle), ['digest', 'importKey', 'deriveBits', 'encrypt', 'sign'])
watch('Math.', Math, ['random'])
watch('process.', process, ['on', 'nextTick'])
watch('console.', console, ['log', 'info', 'warn', 'error', 'debug'])
for (const name of BUILTINS) {
  const builtin = createRequire(import.meta.url)(`node:${name}`)
  watch(`${name}.`, builtin, Object.keys(builtin))
  if (builtin.promises) watch(`${name}.promises.`, builtin.promises, Object.keys(builtin.promises))
}
syncBuiltinESMExports()

watching = true
for (const url of process.argv.slice(2)) await import(url)
watching = false
process.stdout.write(`${JSON.stringify({ imported: process.argv.length - 2, calls })}\n`)

/** Puts in the place of each function one that notes the call. Node's own loader reads files too: its calls do not count. */
function watch(prefix: string, target: object, names: readonly string[]): void {
  for (const name of names) {
    const original = Reflect.get(target, name)
    if (typeof original !== 'function') continue
    const noted = new Proxy(original, {
      apply(call, self, args) {
        note(prefix + name)
        return Reflect.apply(call, self, args)
      },
      construct(call, args, target) {
        note(prefix + name)
        return Reflect.construct(call, args, target)
      },
    })
    Reflect.defineProperty(target, name, { value: noted, configurable: true, writable: true })
  }
}

function note(name: string): void {
  if (!watching) return
  const caller = new Error().stack?.split('\n').find((line, index) => index > 2 && !line.includes('import-probe.ts'))
  if (caller?.includes('file:')) calls.push(name)
}
