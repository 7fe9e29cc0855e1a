import type { Instant, NodeId } from '../model/ids.ts'
import { sortedIds } from '../model/ids.ts'

/** Strangers asked for their record in one interval. */
const askedPerInterval = 3

/** Connected peers whose record has not come yet: hellos get lost. */
export class Strangers {
  readonly #ids = new Set<NodeId>()
  #askAt: Instant = Infinity

  add(id: NodeId, now: Instant, intervalMs: number): void {
    this.#ids.add(id)
    this.#askAt = Math.min(this.#askAt, now + intervalMs)
  }

  delete(id: NodeId): void {
    this.#ids.delete(id)
  }

  /** Those to ask for their record now; the next ones after an interval. */
  take(now: Instant, intervalMs: number): readonly NodeId[] {
    if (now < this.#askAt) return []
    this.#askAt = this.#ids.size === 0 ? Infinity : now + intervalMs
    return sortedIds(this.#ids).slice(0, askedPerInterval)
  }

  nextDeadline(): Instant {
    return this.#askAt
  }
}
