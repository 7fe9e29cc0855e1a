import type { Crypto, SigningLabel } from '../../src/core/model/crypto.ts'

// Signatures that nobody can forge and that cost nothing: a signature is an object that only the holder of a key mints,
// and that is recognised by its identity. Digests are 64 bits of the value's content, kept by object identity: the
// values of the core never change. A share of the seeds runs with real keys and real bytes, where a mistake in this
// would show.

let high = 0
let low = 0

function word(value: number): void {
  high = Math.imul(high ^ value, 0x85ebca6b)
  high = (high << 13) | (high >>> 19)
  low = (Math.imul(low, 5) + high + 0xe6546b64) | 0
  low ^= low >>> 15
}

function textWords(text: string): void {
  word(text.length)
  for (let index = 0; index < text.length; index++) word(text.charCodeAt(index))
}

const float = new Float64Array(1)
const floatWords = new Uint32Array(float.buffer)

const known = new WeakMap<object, readonly [number, number]>()

/** Content of a value; two values with equal content agree, whatever the order of their keys. */
function content(value: unknown): void {
  switch (typeof value) {
    case 'string':
      word(1)
      return textWords(value)
    case 'number':
      if (Number.isInteger(value) && value === (value | 0)) {
        word(2)
        return word(value)
      }
      float[0] = value
      word(3)
      word(floatWords[0] as number)
      return word(floatWords[1] as number)
    case 'boolean':
      return word(value ? 5 : 6)
    case 'object':
      return value === null ? word(7) : objectContent(value)
    default:
      return word(8)
  }
}

function objectContent(value: object): void {
  const before = known.get(value)
  if (before !== undefined) {
    word(before[0])
    return word(before[1])
  }
  const [outerHigh, outerLow] = [high, low]
  let sumHigh = 0
  let sumLow = 0
  high = 0x2545f491
  low = 0x4f6cdd1d
  if (value instanceof Uint8Array) {
    word(9)
    for (const byte of value) word(byte)
    ;[sumHigh, sumLow] = [high, low]
  } else if (Array.isArray(value)) {
    word(10)
    for (const item of value) content(item)
    word(value.length)
    ;[sumHigh, sumLow] = [high, low]
  } else {
    // A sum over the entries: their order does not matter.
    for (const key in value) {
      high = 0x2545f491
      low = 0x4f6cdd1d
      textWords(key)
      content((value as Record<string, unknown>)[key])
      sumHigh = (sumHigh + high) | 0
      sumLow = (sumLow + low) | 0
    }
  }
  known.set(value, [sumHigh, sumLow])
  high = outerHigh
  low = outerLow
  word(sumHigh)
  word(sumLow)
}

/** Digest of a value: 64 hexadecimal digits, as the real one has. */
export function taggedDigest(label: string, value: object): string {
  high = 0x1234567
  low = 0x89abcde
  textWords(label)
  objectContent(value)
  const first = (high >>> 0).toString(16).padStart(8, '0')
  const second = (low >>> 0).toString(16).padStart(8, '0')
  word(0)
  const third = (high >>> 0).toString(16).padStart(8, '0')
  return `${first}${second}${third}${first}${second}${third}${first}${second}`
}

interface Mint {
  readonly signer: string
  readonly label: string
  readonly digest: string
}

const minted = new WeakMap<Uint8Array, Mint>()

function check(signer: string, label: string, value: object, signature: Uint8Array): boolean {
  const mint = minted.get(signature)
  return (
    mint !== undefined &&
    mint.signer === signer &&
    mint.label === label &&
    mint.digest === taggedDigest(label, value)
  )
}

/** Makes signatures in this name: whoever holds the function holds the key. */
export function taggedSigner(signer: string): (label: SigningLabel, value: object) => Uint8Array {
  return (label, value) => {
    const digest = taggedDigest(label, value)
    const signature = new TextEncoder().encode(digest.slice(0, 24))
    minted.set(signature, { signer, label, digest })
    return signature
  }
}

/** The crypto of one machine. */
export function taggedCrypto(self: string): Crypto {
  return { digest: taggedDigest, sign: taggedSigner(self), verify: check, verifyOperator: check }
}
