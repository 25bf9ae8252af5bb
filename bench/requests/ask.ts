import { KEY } from '../key.ts'

/** What is asked of an app. */
export interface Ask {
  readonly url: string
  readonly init: RequestInit
}

const headers = {
  authorization: `Bearer ${KEY}`,
  accept: 'application/json',
  'user-agent': 'bench',
  'accept-encoding': 'gzip',
  'content-type': 'application/json',
  // Where Workers find the client's address; elsewhere nobody looks.
  'cf-connecting-ip': '203.0.113.7',
}
export const BODY = '{"message":"Hello over there!"}\n'

export const GET: Ask = { url: 'http://localhost/api/me', init: { headers } }
export const POST: Ask = {
  url: 'http://localhost/api/chat',
  init: { method: 'POST', headers: { ...headers, 'content-length': `${BODY.length}` }, body: BODY },
}
