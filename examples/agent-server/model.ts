import type { Vault } from 'hinoban/credentials'
import * as z from 'zod/mini'

const Completion = z.object({
  choices: z.array(z.object({ message: z.object({ content: z.string() }) })).check(z.minLength(1)),
})

/** Asks an OpenAI-compatible endpoint with the credential from the vault; without one, echoes and says so. Null when it failed. */
export async function askModel(model: { url: unknown; credential: string }, vault: Vault, message: string) {
  const credential = await vault.open(model.credential)
  if (typeof model.url !== 'string' || model.url === '' || credential === null) {
    return {
      reply: message,
      note: `Echo: no model was asked. Set MODEL_URL and store a credential named "${model.credential}".`,
    }
  }
  try {
    const response = await fetch(
      model.url.endsWith('/chat/completions') ? model.url : `${model.url.replace(/\/$/, '')}/chat/completions`,
      {
        method: 'POST',
        // A redirect must not carry the credential to another server.
        redirect: 'manual',
        headers: { authorization: `Bearer ${credential}`, 'content-type': 'application/json' },
        body: JSON.stringify({ model: 'default', messages: [{ role: 'user', content: message }] }),
        signal: AbortSignal.timeout(30_000),
      },
    )
    const { choices } = Completion.parse(response.ok ? await response.json() : null)
    // Whatever the provider says, the credential stays here.
    return { reply: choices[0]!.message.content.replaceAll(credential, '[redacted]'), note: null }
  } catch {
    return null
  }
}
