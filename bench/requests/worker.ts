import { platform } from 'hinoban/cloudflare'
import { type RequestCandidate, requestCandidates } from './candidates.ts'
import { askOften } from './measures.ts'

let candidates: readonly RequestCandidate[] | null = null

/** Makes so many requests of one app in one request of its own; without a name it tells the names. Who asks has a clock. */
export default {
  async fetch(request) {
    // Not at start: the peers' limiter sets a timer, which Workers allow in a request alone.
    candidates ??= requestCandidates({
      name: 'workerd',
      platform,
      addressOf: (c) => c.req.header('cf-connecting-ip')!,
    })
    const { name, calls } = (await request.json()) as { readonly name: string; readonly calls: number }
    const candidate = candidates.find((other) => other.name === name)
    if (!candidate) return Response.json(candidates.map((other) => other.name))
    if (calls > 0) await askOften(candidate, calls, {})
    return new Response()
  },
} satisfies ExportedHandler
