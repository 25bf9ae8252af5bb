import type { Ending } from './kit.ts'

/** What {@link tellingEnd} gives. */
export interface Told {
  readonly response: Response
  /** Breaks the body off while it is sent; null where there is none to send. */
  readonly breakOff: ((reason: Error) => void) | null
}

/**
 * A response that tells once when the last byte of its body was taken, when the client broke off, or when the body broke.
 * Without a body to send it tells at once.
 *
 * @param isHead whether nobody takes the body
 * @param signal aborts when the client goes away; null where that is seen by the body alone
 * @param failed whether the answer is an error of the server's: then that is how it ends
 */
export function tellingEnd(
  response: Response,
  isHead: boolean,
  signal: AbortSignal | null,
  failed: boolean,
  tell: (how: Ending) => void,
): Told {
  let told = false
  const end = (how: Ending): void => {
    if (told) return
    told = true
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
  const watched = new ReadableStream<Uint8Array>({
    start(controller) {
      breakOff = (reason) => {
        if (told) return
        end('failed')
        controller.error(reason)
        // What the body's source does about it changes nothing any more.
        reader.cancel(reason).catch(() => undefined)
      }
    },
    async pull(controller) {
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
  })
  return { response: new Response(watched, response), breakOff }
}
