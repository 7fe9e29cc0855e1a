import { Random } from '../../src/core/model/random.ts'

/** 64 bits of a seed and a label, as two 32-bit words (MurmurHash3's mixing). */
function mix(seed: number, label: string): [number, number] {
  let a = (seed >>> 0) ^ 0x9e3779b9
  let b = (Math.floor(seed / 0x1_0000_0000) ^ 0x85ebca6b) | 0
  for (let index = 0; index < label.length; index++) {
    const code = label.charCodeAt(index)
    a = Math.imul(a ^ code, 0xcc9e2d51)
    a = (a << 15) | (a >>> 17)
    b = Math.imul(b ^ a, 0x1b873593) + code
  }
  a ^= b >>> 16
  a = Math.imul(a, 0x85ebca6b)
  a ^= a >>> 13
  b = Math.imul(b ^ a, 0xc2b2ae35)
  b ^= b >>> 16
  return [a >>> 0, b >>> 0]
}

/** Bytes that depend on a seed and a name alone. */
export function seedBytes(seed: number, name: string): Uint8Array {
  const bytes = new Uint8Array(32)
  const view = new DataView(bytes.buffer)
  for (let word = 0; word < 4; word++) {
    const [a, b] = mix(seed, `${name}/${word}`)
    view.setUint32(word * 8, a)
    view.setUint32(word * 8 + 4, b)
  }
  return bytes
}

/**
 * A random stream of its own for each part of the world: removing one fault must not reshuffle what the network or
 * another machine draws, or no failure could be shrunk.
 */
export function stream(seed: number, name: string): Random {
  return new Random(seedBytes(seed, name))
}

/** Exponentially distributed, with this mean. */
export function exponential(random: Random, mean: number): number {
  return -Math.log(1 - random.unit()) * mean
}
