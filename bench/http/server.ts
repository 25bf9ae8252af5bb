/** `server.ts <app>`: one app of candidates.ts, on a port that it prints. */
import { APPS } from '../requests/candidates.ts'
import { ownHost } from '../requests/host.ts'
import { listen } from '../serve.ts'

const host = await ownHost()
await listen(APPS[process.argv[2]!]!(host))
