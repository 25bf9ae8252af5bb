import { spawn } from 'node:child_process'
import { join } from 'node:path'
import type { AtomicStore } from 'hinoban'
import type { Random } from './random.ts'

/** Kills a process that writes and acknowledges numbered records, then looks whether each acknowledged one is there. */
export async function killRounds(path: string, random: Random, open: (path: string) => AtomicStore): Promise<void> {
  const child = spawn('node', [join(import.meta.dirname, 'writer.ts'), path], { stdio: ['ignore', 'pipe', 'inherit'] })
  let acknowledged = ''
  const gone = new Promise((resolve) => child.once('close', resolve))
  await new Promise<void>((resolve) => {
    child.stdout.on('data', (chunk) => {
      acknowledged += chunk
      resolve()
    })
  })
  await new Promise((resolve) => setTimeout(resolve, random.below(80)))
  child.kill('SIGKILL')
  await gone
  const last = Number(
    acknowledged
      .trim()
      .split('\n')
      .slice(0, acknowledged.endsWith('\n') ? undefined : -1)
      .at(-1),
  )
  const store = open(path)
  try {
    for (let i = 0; i <= last; i++) {
      const found = await store.get({ partition: 'written', name: String(i) })
      if (found?.value !== i)
        throw new Error(`record ${i} of ${last} acknowledged ones is ${JSON.stringify(found?.value)}`)
    }
    if (!(last > 0)) throw new Error('the writer acknowledged nothing')
  } finally {
    await store.close()
  }
}
