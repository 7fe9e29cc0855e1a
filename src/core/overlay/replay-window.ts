/** Frames that may arrive out of order and still be accepted. A power of two; WireGuard uses 8192. */
export const replayWindowFrames = 2_048

const wordBits = 32
const words = replayWindowFrames / wordBits
/** One word is always being cleared, so that the usable window is a word shorter (RFC 6479, 3). */
const usableFrames = replayWindowFrames - wordBits

/**
 * Sliding window over the counters of one session: each counter passes once (RFC 6479).
 *
 * ```
 *   refused: too old │ remembered: each once │ accepted: the window moves here
 *  ──────────────────┼───────────────────────┼───────────────────────────────▶ counter
 *        newest − 2016                     newest
 * ```
 * `isFresh` is asked before the costly authentication, `accept` is told after it: a forged frame with a
 * huge counter must not move the window.
 */
export class ReplayWindow {
  readonly #bitmap = new Uint32Array(words)
  #newest = -1

  /** The highest counter accepted so far; -1 before any. */
  get newest(): number {
    return this.#newest
  }

  /** Whether a frame with this counter would be accepted. */
  isFresh(counter: number): boolean {
    if (!Number.isSafeInteger(counter) || counter < 0) return false
    if (counter > this.#newest) return true
    if (this.#newest - counter >= usableFrames) return false
    return (this.#bitmap[wordOf(counter)]! & bitOf(counter)) === 0
  }

  /** Marks an authenticated counter as used. False, and nothing changes, where it is not fresh. */
  accept(counter: number): boolean {
    if (!this.isFresh(counter)) return false
    if (counter > this.#newest) this.#advance(counter)
    this.#bitmap[wordOf(counter)]! |= bitOf(counter)
    return true
  }

  #advance(counter: number): void {
    // The word of the old newest keeps its bits; those passed over on the way to the new one are cleared.
    const from = Math.floor(this.#newest / wordBits)
    const to = Math.floor(counter / wordBits)
    const steps = Math.min(to - from, words)
    for (let step = 0; step < steps; step++) this.#bitmap[(to - step) % words] = 0
    this.#newest = counter
  }
}

function wordOf(counter: number): number {
  return Math.floor(counter / wordBits) % words
}

function bitOf(counter: number): number {
  return 1 << (counter % wordBits)
}
