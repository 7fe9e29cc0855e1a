import { sendQueueMax } from '../../core/model/limits.ts'
import type { Message } from '../../core/model/message.ts'

/** Bytes waiting for one peer: 256 of the largest messages would be half a gigabyte. */
export const sendQueueBytesMax: number = 16 * 1_024 * 1_024

/** Of this many messages in a row at least one is an ordinary one, if any waits. */
const urgentInARow = 4

/** Gossip repeats itself every 200 ms; everything else waits for a time-out when it is lost. */
const ordinaryKinds: ReadonlySet<Message['kind']> = new Set<Message['kind']>([
  'hello',
  'gossip',
  'digest',
  'records-request',
])

/** True for messages that overtake gossip: consensus, probes, plans and statements. */
export function isUrgent(message: Message): boolean {
  return !ordinaryKinds.has(message.kind)
}

/**
 * What waits to be sent to one peer, in two lanes. Bounded in number and bytes; the oldest ordinary message
 * is dropped first, since the core repeats everything. Neither lane can starve the other.
 */
export class SendQueue {
  readonly #urgent: Uint8Array[] = []
  readonly #ordinary: Uint8Array[] = []
  #bytes = 0
  #urgentRun = 0
  #dropped = 0

  get length(): number {
    return this.#urgent.length + this.#ordinary.length
  }

  get byteLength(): number {
    return this.#bytes
  }

  /** Messages given up for want of room since the start. */
  get dropped(): number {
    return this.#dropped
  }

  push(encoded: Uint8Array, urgent: boolean): void {
    const lane = urgent ? this.#urgent : this.#ordinary
    lane.push(encoded)
    this.#bytes += encoded.byteLength
    while (this.length > 1 && (this.length > sendQueueMax || this.#bytes > sendQueueBytesMax))
      this.#dropOldest()
  }

  /** The next message, or undefined. */
  shift(): Uint8Array | undefined {
    const ordinaryTurn = this.#urgentRun >= urgentInARow || this.#urgent.length === 0
    const fromOrdinary = ordinaryTurn && this.#ordinary.length > 0
    const next = fromOrdinary ? this.#ordinary.shift() : this.#urgent.shift()
    this.#urgentRun = fromOrdinary || next === undefined ? 0 : this.#urgentRun + 1
    this.#bytes -= next?.byteLength ?? 0
    return next
  }

  /** Gives up all that waits. */
  clear(): void {
    this.#dropped += this.length
    this.#urgent.length = 0
    this.#ordinary.length = 0
    this.#bytes = 0
  }

  #dropOldest(): void {
    const gone = this.#ordinary.length > 0 ? this.#ordinary.shift() : this.#urgent.shift()
    this.#bytes -= gone?.byteLength ?? 0
    this.#dropped++
  }
}
