import { Random } from '../../src/core/model/random.ts'

/**
 * A stream of random numbers of its own for each purpose (network, disk, one node): to take one fault out of
 * a plan does not reshuffle the rest, so that a failure shrinks.
 */
export function stream(seed: number, purpose: string): Random {
  return new Random(entropy(seed, purpose))
}

/** 32 bytes that depend on seed and purpose only. Algorithm: splitmix32 over an FNV-1a hash of the purpose. */
export function entropy(seed: number, purpose: string): Uint8Array {
  let state = 0x811c9dc5 ^ Math.trunc(seed / 0x1_0000_0000)
  for (let i = 0; i < purpose.length; i++) state = Math.imul(state ^ purpose.charCodeAt(i), 0x01000193)
  state = Math.imul(state ^ (seed >>> 0), 0x01000193) ^ seed
  const bytes = new Uint8Array(32)
  const view = new DataView(bytes.buffer)
  for (let at = 0; at < 32; at += 4) {
    state = (state + 0x9e3779b9) | 0
    let mixed = state ^ (state >>> 16)
    mixed = Math.imul(mixed, 0x21f0aaad)
    mixed ^= mixed >>> 15
    mixed = Math.imul(mixed, 0x735a2d97)
    view.setUint32(at, (mixed ^ (mixed >>> 15)) >>> 0)
  }
  return bytes
}
