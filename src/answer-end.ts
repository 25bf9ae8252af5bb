import { type Ending, tellingEnd } from './ending.ts'
import type { Kit } from './kit.ts'
import { type Context, replaceResponse, writeHeaders } from './layer.ts'

/** Statuses whose answers have no body, whatever a handler gave them. */
const BODILESS = [204, 205, 304]

const known = new WeakMap<Kit, AnswerEnd>()

/** The end of a request's answer. It is looked for where a layer asks, and costs the others nothing. */
export function answerEnd(kit: Kit, c: Context): AnswerEnd {
  const end = known.get(kit) ?? new AnswerEnd(kit, c)
  known.set(kit, end)
  return end
}

/** How the answer of a request ends. Layers listen, and may break it off. */
class AnswerEnd {
  readonly #kit: Kit
  readonly #c: Context
  #listeners: ((how: Ending) => void)[] = []
  #ending: Ending | null = null
  #broken: Error | null = null
  #breaker: ((reason: Error) => void) | null = null

  constructor(kit: Kit, c: Context) {
    this.#kit = kit
    this.#c = c
    const { lifecycle } = kit
    lifecycle.watchAnswer = () => this.#watch()
    // Nobody watched an answer that has left by now: who comes late is told at once.
    if (lifecycle.hasLeft) lifecycle.onAnswer((failed) => this.#end(failed ? 'failed' : 'complete'))
  }

  /**
   * Has `listener` told once the last byte of the answer was taken, or none will be; at once if that is known. Told of an
   * upgrade (101) never: the socket lives on.
   */
  onEnd(listener: (how: Ending) => void): void {
    const how = this.#ending
    if (how === null) this.#listeners.push(listener)
    else this.#kit.lifecycle.tell(() => listener(how))
  }

  /**
   * Breaks the answer's body off, at once where it is being sent, else when it begins. What was sent whole stays so, and an
   * answer without a body knows nothing of it.
   */
  breakOff(reason: Error): void {
    this.#broken ??= reason
    this.#breaker?.(this.#broken)
  }

  /** The answer leaves. One whose end cannot be seen is none: nobody would be told of it. */
  #watch(): void {
    const kit = this.#kit
    const c = this.#c
    const { status } = c.res
    if (status === 101) return
    const failed = status >= 500
    try {
      // On Node to look at a body that was sent (a time-out stands before) throws, too.
      if (!c.res.body || BODILESS.includes(status)) {
        this.#end(failed ? 'failed' : 'complete')
        return
      }
      const told = tellingEnd(c.res, kit.method === 'HEAD', kit.abortSignal, failed, (how) => this.#end(how))
      if (told.response !== c.res) replaceResponse(c, told.response)
      this.#breaker = told.breakOff
      if (this.#broken) told.breakOff?.(this.#broken)
    } catch (error) {
      this.#end('failed')
      replaceResponse(c, kit.refuse(kit.fault(error).refusal))
      writeHeaders(c, kit)
    }
  }

  #end(how: Ending): void {
    this.#ending = how
    for (const listener of this.#listeners.splice(0)) this.#kit.lifecycle.tell(() => listener(how))
  }
}
