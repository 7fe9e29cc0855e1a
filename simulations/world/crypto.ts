import type { Crypto } from '../../src/core/model/crypto.ts'
import type { NodeId, Signature } from '../../src/core/model/ids.ts'
import { fingerprint } from './fingerprint.ts'

// Signatures as tagged objects: an array of bytes is a signature because the holder of a key made it and it is
// on record here. Who holds no key cannot make one. Where messages pass through the codec, the object is lost,
// so that the bytes themselves say what was signed.

interface Mark {
  readonly signer: string
  readonly label: string
  readonly print: bigint
}

/** Keys and signatures of one virtual site. */
export class Notary {
  readonly #marks = new WeakMap<Uint8Array, Mark>()
  readonly #byCode = new Map<string, Mark>()
  readonly #byContent: boolean

  /** @param byContent signatures survive a copy: they are told by their bytes */
  constructor(byContent: boolean) {
    this.#byContent = byContent
  }

  /** What the holder of this node's key can do. */
  keyOf(self: NodeId): Crypto {
    return {
      digest: (label, value) => digest(label, value),
      sign: (label, value) => this.#sign(self, label, value),
      verify: (signer, label, value, signature) => this.#verify(signer, label, value, signature),
      verifyOperator: (key, label, value, signature) => this.#verify(key, label, value, signature),
    }
  }

  #sign(signer: string, label: string, value: object): Signature {
    const mark = { signer, label, print: fingerprint(value) }
    if (!this.#byContent) {
      const signature = new Uint8Array(64)
      this.#marks.set(signature, mark)
      return signature
    }
    const code = `${fingerprint(`${signer}/${label}/${mark.print}/a`)}.${fingerprint(`${mark.print}/${signer}`)}`
    const signature = new Uint8Array(64)
    signature.set(new TextEncoder().encode(code).subarray(0, 64))
    this.#byCode.set(signature.join(','), mark)
    return signature
  }

  #verify(signer: string, label: string, value: object, signature: Signature): boolean {
    const mark = this.#byContent ? this.#byCode.get(signature.join(',')) : this.#marks.get(signature)
    return mark?.signer === signer && mark.label === label && mark.print === fingerprint(value)
  }
}

const digests = new WeakMap<object, Map<string, string>>()

/** A digest that looks like SHA-256 in hex. */
function digest(label: string, value: object): string {
  let held = digests.get(value)
  if (held === undefined) digests.set(value, (held = new Map()))
  let made = held.get(label)
  if (made === undefined) {
    const print = fingerprint(value)
    made = [label, '2', '3', '4']
      .map((part) => fingerprint(`${part}:${print}`).toString(16).padStart(16, '0'))
      .join('')
    held.set(label, made)
  }
  return made
}
