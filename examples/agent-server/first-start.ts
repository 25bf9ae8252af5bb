import { chmodSync, linkSync, lstatSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { digestApiKey, type Environment, makeApiKey } from 'hinoban'

/** What a launcher needs to serve the app on this machine. */
export interface Start {
  /** The environment, with the settings of `secrets.json` where it has none of its own. */
  readonly env: Environment
  readonly port: number
  readonly dataFolder: string
  /**
   * To be called once the app listens: keeps what was made at a first start, says where the app is, and shows the key and
   * lines to try it with. A start that fails before leaves nothing behind, so that no key is lost unseen.
   */
  announce(options: { readonly localOnlyWorks: boolean }): void
}

const DIGEST = 'HINOBAN_API_KEY_DIGEST'

/** Reads the settings, or makes them at the first start: the key is shown once and only its digest kept. */
export function firstStart(environment: Environment): Start {
  // Compose files and the like set empty values for what they do not set.
  const own: Environment = Object.fromEntries(Object.entries(environment).filter(([, value]) => value !== ''))
  const port = readPort(own.PORT)
  const dataFolder = String(own.HINOBAN_DATA ?? './.hinoban')
  mkdirSync(dataFolder, { recursive: true, mode: 0o700 })
  const file = join(dataFolder, 'secrets.json')
  const kept = readSecrets(file)
  const key = kept === null && own[DIGEST] === undefined ? makeApiKey() : null
  const secrets = kept ?? {
    ...(key !== null && { [DIGEST]: digestApiKey(key) }),
    HINOBAN_CREDENTIAL_SECRET: randomHex(32),
    HINOBAN_CREDENTIAL_SALT: randomHex(16),
  }
  return {
    env: { ...secrets, ...own },
    port,
    dataFolder,
    announce({ localOnlyWorks }) {
      if (kept === null) writeSecrets(file, secrets)
      const url = `http://127.0.0.1:${port}`
      console.log(`Serving on ${url}`)
      if (key !== null) showKey(key, url, localOnlyWorks)
    },
  }
}

function showKey(key: string, url: string, localOnlyWorks: boolean): void {
  const authorization = `-H 'Authorization: Bearer ${key}'`
  const json = `-H 'Content-Type: application/json'`
  console.log(`API key: ${key}`)
  console.log('It is shown this once. Try:')
  console.log(`  curl ${url}/health`)
  console.log(`  curl ${authorization} ${json} -d '{"message":"Hello"}' ${url}/api/chat`)
  if (localOnlyWorks) {
    const credential = '{"name":"example","value":"a-secret-of-another-service"}'
    console.log(`  curl ${authorization} ${json} -d '${credential}' ${url}/api/credentials`)
  } else {
    console.log(`  curl -H 'X-API-Key: ${key}' ${json} -d '{"message":"Hello again"}' ${url}/api/chat`)
  }
  console.log(`  curl ${authorization} ${url}/api/audit/recent`)
}

/** The kept secrets, null before the first start. */
function readSecrets(file: string): Record<string, string> | null {
  const found = lstatSync(file, { throwIfNoEntry: false })
  if (!found) return null
  if (!found.isFile()) throw new TypeError(`${file} is no plain file. Move it away, and start again.`)
  chmodSync(file, 0o600)
  try {
    return JSON.parse(readFileSync(file, 'utf8')) as Record<string, string>
  } catch {
    throw new TypeError(`${file} is no JSON. Restore it, or delete it to have a new key and secrets made.`)
  }
}

/** Whole or not at all, and never over another start's. */
function writeSecrets(file: string, secrets: Record<string, string>): void {
  const draft = `${file}.${randomHex(8)}`
  writeFileSync(draft, `${JSON.stringify(secrets, null, 2)}\n`, { mode: 0o600, flag: 'wx' })
  try {
    linkSync(draft, file)
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'EEXIST') {
      throw new Error(`${file} was made by another start at the same moment. Start again.`, { cause: error })
    }
    // Some file systems know no links.
    writeFileSync(file, readFileSync(draft), { mode: 0o600, flag: 'wx' })
  } finally {
    rmSync(draft)
  }
}

function readPort(text: unknown): number {
  const port = text === undefined ? 8787 : /^\d{1,5}$/.test(String(text)) ? Number(text) : 0
  if (port < 1 || port > 65_535) throw new TypeError('PORT must be a whole number from 1 to 65535.')
  return port
}

function randomHex(bytes: number): string {
  return Buffer.from(crypto.getRandomValues(new Uint8Array(bytes))).toString('hex')
}
