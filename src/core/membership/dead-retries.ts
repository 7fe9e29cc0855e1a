import type { Instant, NodeId } from '../model/ids.ts'
import { sortedIds } from '../model/ids.ts'
import type { Random } from '../model/random.ts'

/** When the dead are knocked at again: waits that double, for ever, so that a healed partition is noticed. */
export class DeadRetries {
  readonly #waiting = new Map<NodeId, { attempts: number; at: Instant }>()
  readonly #random: Random
  /** One batch in each interval, however many wait. */
  #notBefore: Instant = -Infinity

  constructor(random: Random) {
    this.#random = random
  }

  add(id: NodeId, now: Instant, firstWaitMs: number): void {
    this.#waiting.set(id, { attempts: 0, at: now + firstWaitMs })
  }

  remove(id: NodeId): boolean {
    return this.#waiting.delete(id)
  }

  /** One came back from the dead, so others may: each is tried once more, spread over the time given. */
  hasten(now: Instant, withinMs: number): void {
    for (const id of sortedIds(this.#waiting.keys())) {
      this.#waiting.set(id, { attempts: 0, at: now + this.#random.between(0, withinMs) })
    }
  }

  /** Those whose turn it is, at most `max` in an interval; their next wait begins. */
  take(now: Instant, max: number, intervalMs: number, longestMs: number): NodeId[] {
    if (now < this.#notBefore) return []
    const due: NodeId[] = []
    for (const [id, { at }] of this.#waiting) if (at <= now) due.push(id)
    const taken = this.#random.sample(sortedIds(due), max)
    if (taken.length > 0) this.#notBefore = now + intervalMs
    for (const id of taken) {
      const attempts = (this.#waiting.get(id)?.attempts ?? 0) + 1
      const waitMs = Math.min(intervalMs * 2 ** Math.min(attempts, 16), longestMs)
      this.#waiting.set(id, { attempts, at: now + waitMs * this.#random.between(0.75, 1.25) })
    }
    return taken
  }

  /** All of them, sorted. */
  get ids(): NodeId[] {
    return sortedIds(this.#waiting.keys())
  }

  /** Moves all waits by a time in which this node did not run. */
  postpone(byMs: number): void {
    for (const wait of this.#waiting.values()) wait.at += byMs
  }

  nextDeadline(): Instant {
    let next = Infinity
    for (const { at } of this.#waiting.values()) next = Math.min(next, at)
    return Math.max(next, this.#notBefore)
  }
}
