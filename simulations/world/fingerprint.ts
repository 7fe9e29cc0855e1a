const known = new WeakMap<object, bigint>()
const mask = (1n << 64n) - 1n

/**
 * A digest of a plain value: equal values have equal digests, whatever the order of their keys. 64 bits, quick,
 * and good enough where nobody attacks it. Values never change: the digest of an object is taken once.
 */
export function fingerprint(value: unknown): bigint {
  if (typeof value === 'string') return ofText(value)
  if (typeof value === 'number') return ofText(`#${value}`)
  if (value === null || value === undefined) return 3n
  if (typeof value === 'boolean') return value ? 5n : 7n
  if (typeof value !== 'object') throw new TypeError(`${typeof value} has no fingerprint`)
  const held = known.get(value)
  if (held !== undefined) return held
  const made = ofObject(value)
  known.set(value, made)
  return made
}

function ofObject(value: object): bigint {
  if (value instanceof Uint8Array) return ofText(`b${value.join(',')}`)
  let sum = Array.isArray(value) ? 11n : 13n
  if (Array.isArray(value)) {
    for (const item of value) sum = mix(sum, fingerprint(item))
    return sum
  }
  for (const key of Object.keys(value).sort()) {
    const item = (value as Record<string, unknown>)[key]
    if (item !== undefined) sum = mix(mix(sum, ofText(key)), fingerprint(item))
  }
  return sum
}

const texts = new Map<string, bigint>()
const textsMax = 50_000

/** Algorithm: cyrb53 (two lanes of multiply and xor), by its published constants, here 2 x 32 bits. */
function ofText(text: string): bigint {
  const held = texts.get(text)
  if (held !== undefined) return held
  let a = 0xdeadbeef
  let b = 0x41c6ce57
  for (let i = 0; i < text.length; i++) {
    const code = text.charCodeAt(i)
    a = Math.imul(a ^ code, 2_654_435_761)
    b = Math.imul(b ^ code, 1_597_334_677)
  }
  a = Math.imul(a ^ (a >>> 16), 2_246_822_507) ^ Math.imul(b ^ (b >>> 13), 3_266_489_909)
  b = Math.imul(b ^ (b >>> 16), 2_246_822_507) ^ Math.imul(a ^ (a >>> 13), 3_266_489_909)
  const made = (BigInt(b >>> 0) << 32n) | BigInt(a >>> 0)
  if (texts.size >= textsMax) texts.clear()
  texts.set(text, made)
  return made
}

function mix(sum: bigint, next: bigint): bigint {
  const turned = ((sum << 7n) | (sum >> 57n)) & mask
  return ((turned ^ next) * 0x9e3779b97f4a7c15n + 0x632be59bd9b4e019n) & mask
}
