/**
 * Deterministic random numbers for the core: same seed, same sequence. Used for jitter and for the
 * choice of gossip partners, never for secrets.
 *
 * Algorithm: sfc32 (Chris Doty-Humphrey, PractRand), seeded with four 32-bit words.
 */
export class Random {
  #a: number
  #b: number
  #c: number
  #counter: number

  /** @param seed at least 16 bytes */
  constructor(seed: Uint8Array) {
    const view = new DataView(seed.buffer, seed.byteOffset, seed.byteLength)
    this.#a = view.getUint32(0)
    this.#b = view.getUint32(4)
    this.#c = view.getUint32(8)
    this.#counter = view.getUint32(12) | 1
    for (let round = 0; round < 12; round++) this.next()
  }

  /** A 32-bit unsigned integer. */
  next(): number {
    const sum = (this.#a + this.#b + this.#counter++) | 0
    this.#a = this.#b ^ (this.#b >>> 9)
    this.#b = (this.#c + (this.#c << 3)) | 0
    this.#c = (((this.#c << 21) | (this.#c >>> 11)) + sum) | 0
    return sum >>> 0
  }

  /** A number in [0, 1). */
  unit(): number {
    return this.next() / 0x1_0000_0000
  }

  /** An integer in [0, bound). */
  below(bound: number): number {
    return Math.floor(this.unit() * bound)
  }

  /** A duration spread evenly over [low, high). */
  between(low: number, high: number): number {
    return low + this.unit() * (high - low)
  }

  /** Up to `count` different items, in random order; the input is not changed. */
  sample<T>(items: readonly T[], count: number): T[] {
    const pool = [...items]
    const wanted = Math.min(count, pool.length)
    for (let i = 0; i < wanted; i++) {
      const j = i + this.below(pool.length - i)
      const held = pool[i] as T
      pool[i] = pool[j] as T
      pool[j] = held
    }
    return pool.slice(0, wanted)
  }
}
