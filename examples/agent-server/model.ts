import type { Vault } from 'hinoban/credentials'
import * as z from 'zod/mini'

/** Where the model is, and the name of its credential in the vault. */
export interface Model {
  readonly endpoint: string | null
  readonly credential: string
}

const MAX_ANSWER_BYTES = 1_048_576
const Completion = z.object({
  choices: z.array(z.object({ message: z.object({ content: z.string() }) })).check(z.minLength(1)),
})

/**
 * The chat endpoint of an OpenAI-compatible base URL such as `https://api.openai.com/v1`; null when none is set.
 *
 * @throws {TypeError} for what is no plain http or https URL.
 */
export function modelEndpoint(url: unknown): string | null {
  if (url === undefined || url === '') return null
  const parsed = parseUrl(String(url))
  if (!parsed || !/^https?:$/.test(parsed.protocol) || parsed.username !== '' || parsed.password !== '') {
    throw new TypeError('MODEL_URL must be an http or https URL without user name, such as https://api.openai.com/v1.')
  }
  const path = parsed.pathname.replace(/\/+$/, '')
  parsed.pathname = path.endsWith('/chat/completions') ? path : `${path}/chat/completions`
  return parsed.href
}

function parseUrl(url: string): URL | null {
  try {
    return new URL(url)
  } catch {
    return null
  }
}

/** Asks the model with the credential from the vault; without one, echoes and says so. Null when it failed. */
export async function askModel(model: Model, vault: Vault, message: string) {
  const credential = await vault.open(model.credential)
  if (model.endpoint === null || credential === null) {
    return {
      reply: message,
      note: `Echo: no model was asked. Set MODEL_URL and store a credential named "${model.credential}".`,
    }
  }
  try {
    const response = await fetch(model.endpoint, {
      method: 'POST',
      // A redirect must not carry the credential to another server.
      redirect: 'manual',
      headers: { authorization: `Bearer ${credential}`, 'content-type': 'application/json' },
      body: JSON.stringify({ model: 'default', messages: [{ role: 'user', content: message }] }),
      signal: AbortSignal.timeout(30_000),
    })
    if (!response.ok) {
      await response.body?.cancel()
      return null
    }
    const { choices } = Completion.parse(JSON.parse(await readText(response)))
    return { reply: withoutCredential(choices[0]!.message.content, credential), note: null }
  } catch {
    return null
  }
}

async function readText(response: Response): Promise<string> {
  const decoder = new TextDecoder()
  let text = ''
  let bytes = 0
  for await (const chunk of response.body ?? []) {
    bytes += chunk.byteLength
    if (bytes > MAX_ANSWER_BYTES) throw new RangeError('The model answered too much.')
    text += decoder.decode(chunk, { stream: true })
  }
  return text
}

/** Whatever the provider repeats, as it is or in a common encoding, the credential stays here. */
function withoutCredential(text: string, credential: string): string {
  const forms = [credential, encodeURIComponent(credential), btoa(credential), btoa(`Bearer ${credential}`)]
  return forms.reduce((clean, form) => clean.replaceAll(form, '[redacted]'), text)
}
