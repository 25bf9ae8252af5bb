import { memoryStore } from '../../src/store/memory.ts'
import { localCases } from '../access/local.cases.ts'
import { accessMiddlewareCases } from '../access/middleware.cases.ts'
import { addressCases } from '../address.cases.ts'
import { trailCases } from '../audit/trail.cases.ts'
import { apiKeysCases } from '../auth/api-keys.cases.ts'
import { keyFormatCases } from '../auth/key-format.cases.ts'
import { authMiddlewareCases } from '../auth/middleware.cases.ts'
import { publicPathsCases } from '../auth/public-paths.cases.ts'
import { bytesCases } from '../bytes.cases.ts'
import type { Case } from '../cases.ts'
import { envelopeCases } from '../credentials/envelope.cases.ts'
import { vaultCases } from '../credentials/vault.cases.ts'
import { aeadCases } from '../crypto/aead.cases.ts'
import { hashCases } from '../crypto/hash.cases.ts'
import { kdfCases } from '../crypto/kdf.cases.ts'
import { keyringCases } from '../crypto/keyring.cases.ts'
import { endingCases } from '../ending.cases.ts'
import { eventCases } from '../event.cases.ts'
import { fieldsCases } from '../fields.cases.ts'
import { guardCases } from '../guard.cases.ts'
import { headerRulesCases } from '../header-rules.cases.ts'
import { bodyCases } from '../http/body.cases.ts'
import { corsCases } from '../http/cors.cases.ts'
import { headersCases } from '../http/headers.cases.ts'
import { hostsCases } from '../http/hosts.cases.ts'
import { pathCases } from '../http/path.cases.ts'
import { kitCases } from '../kit.cases.ts'
import { layerCases } from '../layer.cases.ts'
import { accountCases } from '../limit/account.cases.ts'
import { adaptiveCases } from '../limit/adaptive.cases.ts'
import { concurrencyCases } from '../limit/concurrency.cases.ts'
import { durationsCases } from '../limit/durations.cases.ts'
import { limiterCasesOf } from '../limit/every-store.ts'
import { failureCases } from '../limit/failure.cases.ts'
import { limitFieldsCases } from '../limit/fields.cases.ts'
import { floodCases } from '../limit/flood.cases.ts'
import { leaseCases } from '../limit/lease.cases.ts'
import { lockCases } from '../limit/lock.cases.ts'
import { lockoutCases } from '../limit/lockout.cases.ts'
import { limitMiddlewareCases } from '../limit/middleware.cases.ts'
import { queueCases } from '../limit/queue.cases.ts'
import { queueMiddlewareCases } from '../limit/queue-middleware.cases.ts'
import { quotaCases } from '../limit/quota.cases.ts'
import { reservationCases } from '../limit/reservation.cases.ts'
import { routeCases } from '../limit/route.cases.ts'
import { severalQuotasCases } from '../limit/several.cases.ts'
import { sheddingMiddlewareCases } from '../limit/shedding-middleware.cases.ts'
import { socketsCases } from '../limit/sockets.cases.ts'
import { principalCases } from '../principal.cases.ts'
import { problemCases } from '../problem.cases.ts'
import { readRequestCases } from '../read-request.cases.ts'
import { recentCases } from '../recent.cases.ts'
import { securityCases } from '../security.cases.ts'
import { settingsCases } from '../settings.cases.ts'
import { breakerCases } from '../store/breaker.cases.ts'
import { bucketTableCases } from '../store/bucket-table.cases.ts'
import { conformanceCases } from '../store/conformance.cases.ts'
import { contractCases } from '../store/contract.cases.ts'
import { deadlineCases } from '../store/deadline.cases.ts'
import { denialsCases } from '../store/denials.cases.ts'
import { dueHeapCases } from '../store/due-heap.cases.ts'
import { encryptedCases } from '../store/encrypted.cases.ts'
import { gcraCases } from '../store/gcra.cases.ts'
import { keyHashCases } from '../store/key-hash.cases.ts'
import { keyIndexCases } from '../store/key-index.cases.ts'
import { memoryCases } from '../store/memory.cases.ts'
import { namespaceCases } from '../store/namespace.cases.ts'
import { issuesCases } from '../validate/issues.cases.ts'
import { validateMiddlewareCases } from '../validate/middleware.cases.ts'
import { scanCases } from '../validate/scan.cases.ts'
import { schemasCases } from '../validate/schemas.cases.ts'

/** Every case that runs on Node, Bun, Deno and workerd alike. A new `*.cases.ts` joins the list here. */
export const portableCases: readonly Case[] = [
  ...contractCases,
  ...gcraCases,
  ...dueHeapCases,
  ...keyHashCases,
  ...keyIndexCases,
  ...bucketTableCases,
  ...memoryCases,
  ...conformanceCases,
  ...breakerCases,
  ...deadlineCases,
  ...denialsCases,
  ...namespaceCases,
  ...encryptedCases,
  ...addressCases,
  ...bytesCases,
  ...eventCases,
  ...fieldsCases,
  ...principalCases,
  ...problemCases,
  ...settingsCases,
  ...kitCases,
  ...layerCases,
  ...securityCases,
  ...guardCases,
  ...recentCases,
  ...headerRulesCases,
  ...apiKeysCases,
  ...keyFormatCases,
  ...authMiddlewareCases,
  ...publicPathsCases,
  ...localCases,
  ...accessMiddlewareCases,
  ...bodyCases,
  ...readRequestCases,
  ...corsCases,
  ...headersCases,
  ...hostsCases,
  ...pathCases,
  ...limitFieldsCases,
  ...leaseCases,
  ...concurrencyCases,
  ...socketsCases,
  ...limitMiddlewareCases,
  ...floodCases,
  ...accountCases,
  ...lockCases,
  ...lockoutCases,
  ...quotaCases,
  ...severalQuotasCases,
  ...reservationCases,
  ...limiterCasesOf('memory', { consistency: 'atomic', open: (clock) => memoryStore({ clock }) }),
  ...failureCases,
  ...routeCases,
  ...endingCases,
  ...queueCases,
  ...queueMiddlewareCases,
  ...durationsCases,
  ...adaptiveCases,
  ...sheddingMiddlewareCases,
  ...issuesCases,
  ...validateMiddlewareCases,
  ...scanCases,
  ...schemasCases,
  ...aeadCases,
  ...hashCases,
  ...kdfCases,
  ...keyringCases,
  ...envelopeCases,
  ...vaultCases,
  ...trailCases,
]
