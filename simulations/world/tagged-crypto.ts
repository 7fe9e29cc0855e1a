import type { Crypto, SigningLabel } from '../../src/core/model/crypto.ts'

// Signatures that nobody can forge and that cost nothing: a signature is an object that only the holder of a key mints,
// and that is recognised by its identity. Digests are 64 bits of the value's content, kept by object identity: the
// values of the core never change. A share of the seeds runs with real keys and real bytes, where a mistake in this
// would show.

// The state is in an array of integers: a variable of the module would be a new object at each step.
const state = new Int32Array(2)

function word(value: number): void {
  let high = Math.imul((state[0] as number) ^ value, 0x85ebca6b)
  high = (high << 13) | (high >>> 19)
  const low = (Math.imul(state[1] as number, 5) + high + 0xe6546b64) | 0
  state[0] = high
  state[1] = low ^ (low >>> 15)
}

function textWords(text: string): void {
  word(text.length)
  let high = state[0] as number
  let low = state[1] as number
  for (let index = 0; index < text.length; index++) {
    high = Math.imul(high ^ text.charCodeAt(index), 0x85ebca6b)
    high = (high << 13) | (high >>> 19)
    low = (Math.imul(low, 5) + high + 0xe6546b64) | 0
    low ^= low >>> 15
  }
  state[0] = high
  state[1] = low
}

function begin(high: number, low: number): void {
  state[0] = high
  state[1] = low
}

const float = new Float64Array(1)
const floatWords = new Uint32Array(float.buffer)

/** Names of keys that are remembered: those of the core's own types are fewer, and ids may be keys as well. */
const keysMax = 1_000

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
      return value === null ? word(7) : objectContent(value, true)
    default:
      return word(8)
  }
}

/** States after the names of keys, of which there are few. */
const afterKey = new Map<string, readonly [number, number]>()

/** A fresh state that has taken in the name of a key. */
function beginAfter(key: string): void {
  const before = afterKey.get(key)
  if (before !== undefined) return begin(before[0], before[1])
  begin(0x2545f491, 0x4f6cdd1d)
  textWords(key)
  if (afterKey.size < keysMax) afterKey.set(key, [state[0] as number, state[1] as number])
}

function objectContent(value: object, keep: boolean): void {
  const before = known.get(value)
  if (before !== undefined) {
    word(before[0])
    return word(before[1])
  }
  const outerHigh = state[0] as number
  const outerLow = state[1] as number
  let sumHigh = 0
  let sumLow = 0
  begin(0x2545f491, 0x4f6cdd1d)
  if (value instanceof Uint8Array) {
    word(9)
    for (const byte of value) word(byte)
    sumHigh = state[0] as number
    sumLow = state[1] as number
  } else if (Array.isArray(value)) {
    word(10)
    for (const item of value) content(item)
    word(value.length)
    sumHigh = state[0] as number
    sumLow = state[1] as number
  } else {
    // A sum over the entries: their order does not matter.
    for (const key in value) {
      beginAfter(key)
      content((value as Record<string, unknown>)[key])
      sumHigh = (sumHigh + (state[0] as number)) | 0
      sumLow = (sumLow + (state[1] as number)) | 0
    }
  }
  if (keep) known.set(value, [sumHigh, sumLow])
  begin(outerHigh, outerLow)
  word(sumHigh)
  word(sumLow)
}

/** The last digest that was made of a value: headers and records are asked for the same one again and again. */
const digests = new WeakMap<object, { readonly label: string; readonly text: string }>()

/** Digest of a value: 64 hexadecimal digits, as the real one has. */
export function taggedDigest(label: string, value: object): string {
  const before = digests.get(value)
  if (before?.label === label) return before.text
  begin(0x1234567, 0x89abcde)
  textWords(label)
  // The digest is kept instead of the content: only what is a part of other values is digested as such again.
  objectContent(value, false)
  const first = hex(state[0] as number)
  const second = hex(state[1] as number)
  word(0)
  const part = first + second + hex(state[0] as number)
  const text = part + part + first + second
  digests.set(value, { label, text })
  return text
}

const digits = Array.from({ length: 0x1_00_00 }, (_, half) => half.toString(16).padStart(4, '0'))

function hex(bits: number): string {
  return (digits[bits >>> 16] as string) + (digits[bits & 0xff_ff] as string)
}

interface Mint {
  readonly signer: string
  readonly label: string
  readonly value: object
  readonly digest: string
}

const minted = new WeakMap<Uint8Array, Mint>()

function check(signer: string, label: string, value: object, signature: Uint8Array): boolean {
  const mint = minted.get(signature)
  return (
    mint !== undefined &&
    mint.signer === signer &&
    mint.label === label &&
    (mint.value === value || mint.digest === taggedDigest(label, value))
  )
}

/** Digits of a digest that a signature shows. */
const signatureLength = 24

/** Makes signatures in this name: whoever holds the function holds the key. */
export function taggedSigner(signer: string): (label: SigningLabel, value: object) => Uint8Array {
  return (label, value) => {
    const digest = taggedDigest(label, value)
    const signature = new Uint8Array(signatureLength)
    for (let index = 0; index < signatureLength; index++) signature[index] = digest.charCodeAt(index)
    minted.set(signature, { signer, label, value, digest })
    return signature
  }
}

/** The crypto of one machine. */
export function taggedCrypto(self: string): Crypto {
  return { digest: taggedDigest, sign: taggedSigner(self), verify: check, verifyOperator: check }
}
