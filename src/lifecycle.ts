/** How an answer ended: sent whole, broken off by the client, or failed on the server's side (5xx, or its body broke). */
export type Ending = 'complete' | 'aborted' | 'failed'

/** Takes what a listener throws, so that the others hear all the same. */
interface Faults {
  fault(error: unknown): unknown
}

/** What becomes of a request behind a layer: it may wait, is answered, and its answer ends. Layers listen. */
export class Lifecycle {
  readonly #outer: Lifecycle | undefined
  readonly #faults: Faults
  #onWait: ((waits: boolean) => void)[] | undefined
  #onAnswer: ((failed: boolean) => void)[] | undefined
  #onEnd: ((how: Ending) => void)[] | undefined
  /** Whether the request failed, null until that is known. */
  #failed: boolean | null = null
  #ending: Ending | null = null
  #broken: Error | null = null
  #breaker: ((reason: Error) => void) | null = null

  constructor(outer: Lifecycle | undefined, faults: Faults) {
    this.#outer = outer
    this.#faults = faults
  }

  /** Has `listener` told when the request begins to wait in a line of its own, and when it waits no longer. */
  onWait(listener: (waits: boolean) => void): void {
    if (this.#onWait) this.#onWait.push(listener)
    else this.#onWait = [listener]
  }

  /** The request waits in a line, or no longer: tells the listeners, of the outer kits as well. */
  waits(waits: boolean): void {
    for (const listener of this.#onWait ?? []) this.#tell(() => listener(waits))
    this.#outer?.waits(waits)
  }

  /** Whether the answer is known, though a layer or handler may still be at work for it (behind a time-out, say). */
  get isAnswered(): boolean {
    return this.#failed !== null
  }

  /** Has `listener` told once it is known whether the request failed (5xx), before the answer leaves; at once if it is. */
  onAnswer(listener: (failed: boolean) => void): void {
    const failed = this.#failed
    if (failed !== null) this.#tell(() => listener(failed))
    else if (this.#onAnswer) this.#onAnswer.push(listener)
    else this.#onAnswer = [listener]
  }

  /**
   * Has `listener` told once the last byte of the answer was taken, or none will be; at once if that is known. Told of an
   * upgrade (101) never: the socket lives on.
   */
  onEnd(listener: (how: Ending) => void): void {
    const how = this.#ending
    if (how !== null) this.#tell(() => listener(how))
    else if (this.#onEnd) this.#onEnd.push(listener)
    else this.#onEnd = [listener]
  }

  /** The answer is known: tells the listeners. */
  answered(failed: boolean): void {
    this.#failed = failed
    if (this.#onAnswer) for (const listener of this.#onAnswer) this.#tell(() => listener(failed))
    // Nobody watches this answer leave: who comes late is told at once.
    if (!this.endIsAwaited) this.#ending = failed ? 'failed' : 'complete'
  }

  /** Whether anybody waits for the answer's end. */
  get endIsAwaited(): boolean {
    return this.#onEnd !== undefined && this.#onEnd.length > 0
  }

  /** The answer has ended: tells the listeners. */
  ended(how: Ending): void {
    this.#ending = how
    for (const listener of this.#onEnd?.splice(0) ?? []) this.#tell(() => listener(how))
  }

  /**
   * Breaks the answer's body off, at once where it is being sent, else when it begins. What was sent whole stays so, and an
   * answer without a body knows nothing of it.
   */
  breakOff(reason: Error): void {
    this.#broken ??= reason
    this.#breaker?.(this.#broken)
  }

  /** The answer's body is being sent, and is broken off so. */
  sending(breaker: (reason: Error) => void): void {
    this.#breaker = breaker
    if (this.#broken) breaker(this.#broken)
  }

  #tell(run: () => void): void {
    try {
      run()
    } catch (error) {
      this.#faults.fault(error)
    }
  }
}
