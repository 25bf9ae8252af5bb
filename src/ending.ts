/** How an answer ended: sent whole, broken off by the client, or failed on the server's side (5xx, or its body broke). */
export type Ending = 'complete' | 'aborted' | 'failed'

/** What {@link tellingEnd} gives. */
export interface Told {
  readonly response: Response
  /** Breaks the body off while it is sent; null where there is none to send. */
  readonly breakOff: ((reason: Error) => void) | null
}

/** A body that nobody began to read after so long is never read: who asked for it looked at its status alone, or gave up. */
const UNREAD_MS = 60_000

/**
 * A response that tells once when the last byte of its body was taken, when the client broke off, or when the body broke.
 * Without a body to send it tells at once. A body that nobody begins to read is broken off after a minute, as if the client
 * had gone.
 *
 * @param isHead whether nobody takes the body
 * @param signal aborts when the client goes away; null where that is seen by the body alone
 * @param failed whether the answer is an error of the server's: then that is how it ends
 * @param unreadMs how long nobody may begin to read
 */
export function tellingEnd(
  response: Response,
  isHead: boolean,
  signal: AbortSignal | null,
  failed: boolean,
  tell: (how: Ending) => void,
  unreadMs: number = UNREAD_MS,
): Told {
  let told = false
  let unread: ReturnType<typeof setTimeout> | undefined
  const end = (how: Ending): void => {
    if (told) return
    told = true
    if (unread !== undefined) clearTimeout(unread)
    signal?.removeEventListener('abort', abort)
    tell(failed ? 'failed' : how)
  }
  const abort = (): void => end('aborted')
  const { body } = response
  if (body === null || isHead) {
    end('complete')
    return { response, breakOff: null }
  }
  if (body.locked) {
    // Somebody reads it already, so it cannot be sent, and nobody would ever tell its end.
    end('failed')
    return { response, breakOff: null }
  }
  signal?.addEventListener('abort', abort)
  if (signal?.aborted) abort()
  const reader = body.getReader()
  let breakOff: ((reason: Error) => void) | null = null
  const watched = new ReadableStream<Uint8Array>(
    {
      start(controller) {
        const stop = (how: Ending, reason: Error): void => {
          if (told) return
          end(how)
          controller.error(reason)
          // What the body's source does about it changes nothing any more.
          reader.cancel(reason).catch(() => undefined)
        }
        breakOff = (reason) => stop('failed', reason)
        if (told) return
        unread = setTimeout(() => stop('aborted', new Error('Nobody began to read this answer.')), unreadMs)
        // No process stays for it.
        const timer = unread as { unref?: () => void }
        timer.unref?.()
      },
      async pull(controller) {
        if (unread !== undefined) clearTimeout(unread)
        try {
          const { done, value } = await reader.read()
          if (!done) return controller.enqueue(value)
          end('complete')
          controller.close()
        } catch (error) {
          end('failed')
          controller.error(error)
        }
      },
      cancel(reason) {
        end('aborted')
        return reader.cancel(reason)
      },
    },
    // Nothing is pulled ahead: a pull means that somebody reads.
    { highWaterMark: 0 },
  )
  return { response: new Response(watched, response), breakOff }
}
