import { spawn } from 'node:child_process'
import { join } from 'node:path'
import { openStore } from '../stores/open.ts'
import type { Random } from './random.ts'
import { type Acknowledged, acknowledgements, HEAD, record, SPENT } from './written.ts'

/**
 * Kills a process that writes to the store of `spec` by every verb, then looks whether all that was acknowledged holds:
 * what was set is there, a claim stands, a ticket stays gone, the last swap is the record, and spent units are spent.
 */
export async function killRound(spec: string, random: Random): Promise<void> {
  const child = spawn('node', [join(import.meta.dirname, 'writer.ts'), spec], { stdio: ['ignore', 'pipe', 'inherit'] })
  let output = ''
  const gone = new Promise((resolve) => child.once('close', resolve))
  await new Promise<void>((resolve, reject) => {
    child.stdout.on('data', (chunk) => {
      output += chunk
      resolve()
    })
    child.once('close', () => reject(new Error('the writer ended by itself')))
  })
  await new Promise((resolve) => setTimeout(resolve, random.below(80)))
  child.kill('SIGKILL')
  await gone
  await expectKept(spec, acknowledgements(output))
}

async function expectKept(spec: string, acknowledged: readonly Acknowledged[]): Promise<void> {
  const last = (verb: Acknowledged['verb']): Acknowledged | undefined =>
    acknowledged.findLast((one) => one.verb === verb)
  const store = await openStore(spec)
  try {
    for (const { verb, i } of acknowledged) {
      if (verb === 'set') expectThat((await store.get(record(verb, i)))?.value === i, `record ${i} is not there`)
      if (verb === 'claim') expectThat((await store.claim(record(verb, i), 9e15)) === false, `claim ${i} was won again`)
      if (verb === 'take') expectThat((await store.take(record(verb, i))) === null, `ticket ${i} was taken again`)
    }
    const swapped = last('swap')
    const head = await store.get(HEAD)
    // The swap and the charge under way when the process was killed may have been made, or not.
    const next = (swapped?.i ?? -1) + 1
    const stands = swapped === undefined ? head === null : head?.value === swapped.i && head.version === swapped.version
    expectThat(stands || head?.value === next, `swap ${swapped?.i} was made, but the record is ${JSON.stringify(head)}`)
    const spent = (last('consume')?.i ?? -1) + 1
    const { states } = await store.consume(SPENT.partition, [{ ...SPENT.charge, cost: 0 }])
    const found = SPENT.charge.rate.burst - states[0]!.remaining
    expectThat(found === spent || found === spent + 1, `${spent} units were spent, ${found} are`)
    expectThat(acknowledged.length > 0, 'the writer acknowledged nothing')
  } finally {
    await store.close()
  }
}

function expectThat(holds: boolean, otherwise: string): void {
  if (!holds) throw new Error(otherwise)
}
