import type { NetworkEvent } from '../../core/ports.ts'

/**
 * Hands events to their one consumer in order and never from within a call of the port: what a call causes
 * is told after that call has returned.
 */
export class EventQueue {
  #waiting: NetworkEvent[] = []
  #scheduled = false
  #consumer: ((event: NetworkEvent) => void) | undefined
  readonly #onFault: (error: unknown) => void

  /** @param onFault told of what the consumer throws; the following events are delivered all the same */
  constructor(onFault: (error: unknown) => void) {
    this.#onFault = onFault
  }

  open(consumer: (event: NetworkEvent) => void): void {
    this.#consumer = consumer
  }

  /** Drops what has not been delivered. */
  close(): void {
    this.#consumer = undefined
    this.#waiting = []
  }

  push(event: NetworkEvent): void {
    if (this.#consumer === undefined) return
    this.#waiting.push(event)
    if (this.#scheduled) return
    this.#scheduled = true
    queueMicrotask(() => this.#deliver())
  }

  #deliver(): void {
    // What a consumer causes while it handles an event joins this same round, behind what was there before.
    for (let next = 0; next < this.#waiting.length; next++) {
      try {
        this.#consumer?.(this.#waiting[next] as NetworkEvent)
      } catch (error) {
        this.#onFault(error)
      }
    }
    this.#waiting = []
    this.#scheduled = false
  }
}
