/** Settings from an environment, read strictly. Pure: pass `process.env`, `Bun.env`, a Worker's bindings, or a plain object. */
import type { Mode } from './kit-base.ts'

/** An environment: names and texts. Entries that are no text are treated as absent. */
export type Environment = Readonly<Record<string, unknown>>

/**
 * `development` only when `NODE_ENV` says exactly that; everything else, unset included, is production.
 */
export function readMode(env: Environment): Mode {
  return readText(env, 'NODE_ENV') === 'development' ? 'development' : 'production'
}

/**
 * Reads settings that must be there.
 *
 * @param settings each name with how to make a value, for the message
 * @throws {TypeError} naming every missing setting at once and how to make it; no value is in it.
 *
 * @example
 * const { VAULT_SECRET } = requireSettings(env, { VAULT_SECRET: 'openssl rand -hex 32' })
 */
export function requireSettings<Name extends string>(
  env: Environment,
  settings: Readonly<Record<Name, string>>,
): Record<Name, string> {
  const names = Object.keys(settings) as Name[]
  const missing = names.filter((name) => readText(env, name) === null)
  if (missing.length > 0) {
    throw new TypeError(
      `Missing settings:\n${missing.map((name) => `  ${name}  (make one: ${settings[name]})`).join('\n')}`,
    )
  }
  return Object.fromEntries(names.map((name) => [name, readText(env, name)!])) as Record<Name, string>
}

/**
 * A limit such as `API_RATE_LIMIT=100`.
 *
 * @throws {TypeError} naming the setting, for anything but a whole number from 1 to 1,000,000,000.
 */
export function readLimit(env: Environment, name: string, otherwise: number): number {
  const text = readText(env, name)
  if (text === null) return otherwise
  if (/^[1-9]\d{0,9}$/.test(text) && Number(text) <= 1e9) return Number(text)
  throw new TypeError(`${name} must be a whole number from 1 to 1000000000, written in digits alone.`)
}

/**
 * The origins of a setting such as `CORS_ORIGIN=https://a.example,https://b.example`, with those that are always let in.
 * Unset, it is `http://localhost:5173` in development and nothing in production.
 */
export function readOrigins(
  env: Environment,
  name: string,
  mode: Mode,
  always: readonly string[] = [],
): readonly string[] {
  const text = readText(env, name)
  const configured =
    text?.split(',').map((origin) => origin.trim()) ?? (mode === 'development' ? ['http://localhost:5173'] : [])
  return [...new Set([...configured, ...always])]
}

function readText(env: Environment, name: string): string | null {
  const value = Object.hasOwn(env, name) ? env[name] : undefined
  return typeof value === 'string' && value !== '' ? value : null
}
