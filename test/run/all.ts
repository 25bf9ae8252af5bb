import type { Case } from '../cases.ts'
import { conformanceCases } from '../store/conformance.cases.ts'
import { contractCases } from '../store/contract.cases.ts'
import { dueHeapCases } from '../store/due-heap.cases.ts'
import { gcraCases } from '../store/gcra.cases.ts'
import { memoryCases } from '../store/memory.cases.ts'

/** Every case that runs on Node, Bun, Deno and workerd alike. A new `*.cases.ts` joins the list here. */
export const portableCases: readonly Case[] = [
  ...contractCases,
  ...gcraCases,
  ...dueHeapCases,
  ...memoryCases,
  ...conformanceCases,
]
