import type { KeyObject } from 'node:crypto'
import { createHash, hkdfSync, sign, verify } from 'node:crypto'
import { publicKeyOf } from '../core/identity/peer-id.ts'
import { encodeCanonical } from '../core/model/codec.ts'
import type { Crypto } from '../core/model/crypto.ts'
import type { Hash } from '../core/model/ids.ts'
import { membersMax } from '../core/model/limits.ts'
import type { TokenPrimitives } from '../core/token/primitives.ts'
import type { NodeIdentity } from './crypto/identity.ts'
import { publicKeyFromRaw } from './crypto/identity.ts'

/** SHA-256 and HKDF for the token's key schedule. */
export const tokenPrimitives: TokenPrimitives = {
  sha256: (bytes) => new Uint8Array(createHash('sha256').update(bytes).digest()),
  hkdf: (secret, salt, info, length) => new Uint8Array(hkdfSync('sha256', secret, salt, info, length)),
}

/** Port `Crypto` with this node's Ed25519 key, over canonical CBOR. */
export function createCrypto({ identity }: { readonly identity: NodeIdentity }): Crypto {
  const digests = new DigestCache()
  const nodeKeys = new KeyCache(publicKeyOf)
  const operatorKeys = new KeyCache(operatorKeyBytes)
  const check = (key: KeyObject | undefined, label: string, value: object, signature: Uint8Array): boolean =>
    key !== undefined && signature.length === 64 && verify(null, signedBytes(label, value), key, signature)

  return {
    digest: (label, value) => digests.of(label, value),
    sign: (label, value) => new Uint8Array(sign(null, signedBytes(label, value), identity.privateKey)),
    verify: (signer, label, value, signature) => check(nodeKeys.get(signer), label, value, signature),
    verifyOperator: (operatorKey, label, value, signature) =>
      check(operatorKeys.get(operatorKey), label, value, signature),
  }
}

/** What is signed: the label, a zero byte that no label holds, and the value's canonical bytes. */
export function signedBytes(label: string, value: object): Uint8Array {
  return Buffer.concat([Buffer.from(`${label}\0`), encodeCanonical(value)])
}

function operatorKeyBytes(text: string): Uint8Array | undefined {
  return /^[0-9a-f]{64}$/.test(text) ? Buffer.from(text, 'hex') : undefined
}

/** Key objects by name: making one costs half as much as a verification. The longest unused goes first. */
class KeyCache {
  readonly #keys = new Map<string, KeyObject>()
  readonly #read: (name: string) => Uint8Array | undefined

  constructor(read: (name: string) => Uint8Array | undefined) {
    this.#read = read
  }

  /** Undefined where the name is no key's. Such names are not kept: anybody can make up any number of them. */
  get(name: string): KeyObject | undefined {
    const known = this.#keys.get(name)
    if (known !== undefined) this.#keys.delete(name)
    const key = known ?? this.#make(name)
    if (key === undefined) return undefined
    this.#keys.set(name, key)
    if (this.#keys.size > membersMax) this.#keys.delete(this.#keys.keys().next().value!)
    return key
  }

  #make(name: string): KeyObject | undefined {
    const raw = this.#read(name)
    return raw === undefined ? undefined : publicKeyFromRaw(raw)
  }
}

/**
 * Digests by object identity. Only values that can never change are kept: frozen all the way down, and
 * without byte strings, which cannot be frozen.
 */
class DigestCache {
  readonly #digests = new WeakMap<object, Map<string, Hash>>()

  of(label: string, value: object): Hash {
    const known = this.#digests.get(value)
    const digest = known?.get(label) ?? createHash('sha256').update(signedBytes(label, value)).digest('hex')
    if (known !== undefined) known.set(label, digest)
    else if (isDeeplyFrozen(value)) this.#digests.set(value, new Map([[label, digest]]))
    return digest
  }
}

function isDeeplyFrozen(value: unknown): boolean {
  if (typeof value !== 'object' || value === null) return true
  return Object.isFrozen(value) && !ArrayBuffer.isView(value) && Object.values(value).every(isDeeplyFrozen)
}
