import { DurableObject } from 'cloudflare:workers'
import { durableObjectStore, HinobanObject, kvStore } from 'hinoban/cloudflare'
import type { Task } from './task.ts'
import { ADDRESSES, AMPLE, isAdmitted, JSON_VALUE, records } from './work.ts'

export { HinobanObject }

/** The floor of a call to an object: one that does nothing. */
export class IdleObject extends DurableObject<unknown> {
  nothing(): void {}
}

interface Env {
  readonly OBJECT: DurableObjectNamespace<HinobanObject>
  readonly IDLE: DurableObjectNamespace<IdleObject>
  readonly KV: KVNamespace
}

const OBJECTS = 64
let made = 0

/** Makes the calls of a task and tells how long they took: the clock of workerd goes on with every answer, in whole ms. */
export default {
  async fetch(request, env) {
    const { name, calls, concurrency } = (await request.json()) as Task
    const call = operations(env)[name]!
    let left = calls
    const caller = async (): Promise<void> => {
      while (left-- > 0) await call(made++)
    }
    await env.IDLE.get(env.IDLE.idFromName('clock')).nothing()
    const start = Date.now()
    await Promise.all(Array.from({ length: concurrency }, caller))
    return Response.json({ ms: Date.now() - start })
  },
} satisfies ExportedHandler<Env>

function operations({ OBJECT, IDLE, KV }: Env): Record<string, (i: number) => unknown> {
  const objects = durableObjectStore(OBJECT)
  const [setObject, getObject] = records(objects, { get: '', set: '' })
  const [setKv, getKv] = records(kvStore(KV), { get: '', set: '' })
  const consume = async (partition: string): Promise<void> => {
    if (!isAdmitted(await objects.consume(partition, AMPLE))) throw new Error('A decision was refused.')
  }
  const nothing = (partition: string): unknown => IDLE.get(IDLE.idFromName(partition)).nothing()
  const among = (i: number): string => ADDRESSES[i % OBJECTS]!
  return {
    'empty call': (i) => nothing(among(i)),
    consume: (i) => consume(among(i)),
    set: (i) => setObject!.call(i % OBJECTS),
    get: (i) => getObject!.call(i % OBJECTS),
    'empty call, one object': () => nothing('one'),
    'consume, one object': () => consume('one'),
    'KV put': (i) => KV.put(`raw/${among(i)}`, JSON_VALUE),
    'KV get': (i) => KV.get(`raw/${among(i)}`),
    'KV store set': (i) => setKv!.call(i % OBJECTS),
    'KV store get': (i) => getKv!.call(i % OBJECTS),
  }
}
