import type { Instant } from './ids.ts'

/**
 * Something that follows from the present state of other parts, and is drawn again only when one of them is
 * another than it was. This is the one way in which the core saves work; no part tells another to look.
 *
 * It rests on one rule: what a part shows to others is immutable, and the same object as long as it has not
 * changed. So `from` names everything that the conclusion is drawn from, the time apart, and is compared by
 * identity. What the passing of time alone may change is named by `until`: the next such moment.
 *
 * A conclusion that is drawn too often costs a little; one that leaves something out of `from` is wrong.
 */
export class Conclusion<T> {
  #from: readonly unknown[] | undefined
  #until: Instant = Number.NEGATIVE_INFINITY
  #value: T | undefined

  /**
   * The conclusion of now.
   * @param from all values that `draw` reads
   * @param until the next moment at which time alone could lead to another conclusion, asked after `draw`
   */
  of(now: Instant, from: readonly unknown[], draw: () => T, until?: () => Instant | undefined): T {
    if (!this.#isStale(now, from)) return this.#value as T
    // Noted first: what `draw` itself changes makes the conclusion stale again.
    this.#from = from
    this.#value = draw()
    this.#until = until?.() ?? Number.POSITIVE_INFINITY
    return this.#value
  }

  /** What was concluded last, if anything: one that draws the same again may return it. */
  get last(): T | undefined {
    return this.#value
  }

  /** The next moment at which time alone could lead to another conclusion. */
  get until(): Instant {
    return this.#from === undefined ? Number.POSITIVE_INFINITY : this.#until
  }

  #isStale(now: Instant, from: readonly unknown[]): boolean {
    const before = this.#from
    if (before === undefined || now >= this.#until) return true
    for (let index = 0; index < from.length; index++) if (from[index] !== before[index]) return true
    return false
  }
}
