import { chmodSync, existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { digestApiKey, type Environment, makeApiKey } from 'hinoban'

/** What a launcher needs to serve the app on this machine. */
export interface Start {
  /** The environment, with the settings of `secrets.json` where it has none of its own. */
  readonly env: Environment
  readonly port: number
  readonly dataFolder: string
  /** Says where the app is; at the first start also the key, and lines to try it with. */
  announce(options: { readonly localOnlyWorks: boolean }): void
}

/** Reads the settings, or makes them at the first start: the key is shown once and only its digest kept. */
export function firstStart(environment: Environment): Start {
  const port = Number(environment.PORT ?? 8787)
  if (!Number.isInteger(port) || port < 1 || port > 65_535)
    throw new TypeError('PORT must be a whole number from 1 to 65535.')
  const dataFolder = String(environment.HINOBAN_DATA ?? './.hinoban')
  mkdirSync(dataFolder, { recursive: true, mode: 0o700 })
  const file = join(dataFolder, 'secrets.json')
  const key = existsSync(file) ? null : makeApiKey()
  if (key !== null) {
    const secrets = {
      HINOBAN_API_KEY_DIGEST: digestApiKey(key),
      HINOBAN_CREDENTIAL_SECRET: randomHex(32),
      HINOBAN_CREDENTIAL_SALT: randomHex(16),
    }
    writeFileSync(file, `${JSON.stringify(secrets, null, 2)}\n`, { mode: 0o600, flag: 'wx' })
  }
  chmodSync(file, 0o600)
  return {
    env: { ...JSON.parse(readFileSync(file, 'utf8')), ...environment },
    port,
    dataFolder,
    announce({ localOnlyWorks }) {
      const url = `http://127.0.0.1:${port}`
      console.log(`Serving on ${url}`)
      if (key === null) return
      const authorization = `-H 'Authorization: Bearer ${key}'`
      const json = `-H 'Content-Type: application/json'`
      console.log(`API key: ${key}`)
      console.log('It is shown this once. Try:')
      console.log(`  curl ${url}/health`)
      console.log(`  curl ${authorization} ${json} -d '{"message":"Hello"}' ${url}/api/chat`)
      if (localOnlyWorks)
        console.log(
          `  curl ${authorization} ${json} -d '{"name":"example","value":"a-secret-of-another-service"}' ${url}/api/credentials`,
        )
      else console.log(`  curl -H 'X-API-Key: ${key}' ${json} -d '{"message":"Hello again"}' ${url}/api/chat`)
      console.log(`  curl ${authorization} ${url}/api/audit/recent`)
    },
  }
}

function randomHex(bytes: number): string {
  return Buffer.from(crypto.getRandomValues(new Uint8Array(bytes))).toString('hex')
}
