/** Allows a steady rate and a burst. Times are passed in, so that it is tested without waiting. */
export class TokenBucket {
  readonly #perSecond: number
  readonly #burst: number
  #level: number
  #filledAt: number

  constructor(perSecond: number, burst: number, nowMs: number) {
    this.#perSecond = perSecond
    this.#burst = burst
    this.#level = burst
    this.#filledAt = nowMs
  }

  /** Takes `amount`; false when that is more than is allowed now. */
  take(amount: number, nowMs: number): boolean {
    this.#level = Math.min(this.#burst, this.#level + ((nowMs - this.#filledAt) / 1_000) * this.#perSecond)
    this.#filledAt = nowMs
    if (amount > this.#level) return false
    this.#level -= amount
    return true
  }
}
