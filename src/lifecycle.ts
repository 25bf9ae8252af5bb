/** Takes what a listener throws, so that the others hear all the same. */
interface Faults {
  fault(error: unknown): unknown
}

/** What becomes of a request behind a layer: it may wait, and is answered. Layers listen. */
export class Lifecycle {
  readonly #outer: Lifecycle | undefined
  readonly #faults: Faults
  #onWait: ((waits: boolean) => void)[] | undefined
  #onAnswer: ((failed: boolean) => void)[] | undefined
  /** Whether the request failed, null until that is known. */
  #failed: boolean | null = null
  /** Watches the answer leave; null where nobody asked for its end. */
  watchAnswer: (() => void) | null = null
  /** Whether the answer has left, watched or not. */
  hasLeft = false

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
    for (const listener of this.#onWait ?? []) this.tell(() => listener(waits))
    this.#outer?.waits(waits)
  }

  /** Whether the answer is known, though a layer or handler may still be at work for it (behind a time-out, say). */
  get isAnswered(): boolean {
    return this.#failed !== null
  }

  /** Has `listener` told once it is known whether the request failed (5xx), before the answer leaves; at once if it is. */
  onAnswer(listener: (failed: boolean) => void): void {
    const failed = this.#failed
    if (failed !== null) this.tell(() => listener(failed))
    else if (this.#onAnswer) this.#onAnswer.push(listener)
    else this.#onAnswer = [listener]
  }

  /** The answer is known, and leaves: tells the listeners. */
  answered(failed: boolean): void {
    this.#failed = failed
    if (this.#onAnswer) for (const listener of this.#onAnswer) this.tell(() => listener(failed))
    this.hasLeft = true
    this.watchAnswer?.()
  }

  /** Runs what may throw: that is a fault of its own, and changes nothing for the others. */
  tell(run: () => void): void {
    try {
      run()
    } catch (error) {
      this.#faults.fault(error)
    }
  }
}
