import type { Hono } from 'hono'
import { bare, floor, guarded, layers, PARTS, peers, spent } from './apps.ts'
import { type Ask, GET, POST } from './ask.ts'
import type { Host } from './host.ts'

/** A whole app, asked for both. Another one takes one line here: reports and plot follow. */
export const APPS: Record<string, (host: Host) => Hono> = {
  bare: () => bare(),
  peers,
  defaults: (host) => layers(host, { defaults: true }),
  layers: (host) => layers(host),
  guard: (host) => guarded(host),
  floor,
}

/** What the plot shows: by {@link bare}, what guards. */
export function shownOf(rows: readonly { readonly name: string }[]): readonly string[] {
  return appsOf(rows).filter((app) => app !== 'bare' && app !== 'floor')
}

/** The apps that were measured: an older run may know fewer than there are. */
export function appsOf(rows: readonly { readonly name: string }[]): readonly string[] {
  return Object.keys(APPS).filter((app) => rows.some(({ name }) => name === `${app} GET`))
}

/** The goals are judged on what does most in one step, where that was measured. */
export function oursOf(rows: readonly { readonly name: string }[]): string {
  return appsOf(rows).includes('guard') ? 'guard' : 'layers'
}

/** One app and what it is asked. */
export interface RequestCandidate {
  readonly name: string
  readonly app: Hono
  readonly ask: Ask
  readonly status: number
}

export function requestCandidates(host: Host): readonly RequestCandidate[] {
  const of = (name: string, app: Hono, ask: Ask, status = 200): RequestCandidate => ({ name, app, ask, status })
  return [
    ...Object.entries(APPS).flatMap(([name, make]) => {
      const app = make(host)
      return [of(`${name} GET`, app, GET), of(`${name} POST`, app, POST)]
    }),
    of('guard, X-RateLimit GET', guarded(host, 'all'), GET),
    of('bare again GET', bare(), GET),
    of('denied by defaults GET', spent(host, { defaults: true }), GET, 429),
    of('denied by layers GET', spent(host, {}), GET, 429),
    ...Object.entries(PARTS).map(([name, make]) => of(`${name} GET`, make(host), GET)),
  ]
}
