import type { Instant, NodeId } from '../model/ids.ts'
import type { RefusalCode } from '../model/peer.ts'

/** Refused peers that are remembered, newest first out: enough to name them, too few to be flooded. */
const refusalsMax = 64

/** Somebody who was turned away, cut off, or is no longer listened to. */
export interface Refusal {
  readonly peer: NodeId | undefined
  readonly address: string
  readonly code: RefusalCode | 'Clone' | 'Equivocation'
  readonly detail: string
  /** How often. */
  readonly count: number
  readonly lastAt: Instant
}

/** Who was refused and why, for status: one line for each peer (or address) and reason. */
export class Refusals {
  readonly #entries = new Map<string, Refusal>()

  add(event: Omit<Refusal, 'count' | 'lastAt'>, now: Instant): void {
    this.note({ peer: event.peer, address: event.address, code: event.code, detail: event.detail }, now)
  }

  note(refusal: Omit<Refusal, 'count' | 'lastAt'>, now: Instant): void {
    const key = `${refusal.code} ${refusal.peer ?? refusal.address}`
    const count = (this.#entries.get(key)?.count ?? 0) + 1
    this.#entries.delete(key)
    this.#entries.set(key, { ...refusal, count, lastAt: now })
    if (this.#entries.size > refusalsMax) this.#entries.delete(this.#entries.keys().next().value as string)
  }

  /** Oldest first. */
  all(): readonly Refusal[] {
    return [...this.#entries.values()]
  }
}
