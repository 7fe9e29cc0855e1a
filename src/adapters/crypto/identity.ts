import type { KeyObject } from 'node:crypto'
import { createPrivateKey, createPublicKey, randomBytes } from 'node:crypto'
import { nodeIdOf } from '../../core/identity/peer-id.ts'
import { invariant } from '../../core/model/invariant.ts'
import type { NodeId } from '../../core/model/ids.ts'

/** Bytes of an Ed25519 seed (RFC 8032's private key). */
export const seedBytes = 32

// The fixed DER heads of RFC 8410: everything before the 32 bytes of key.
const pkcs8Head = Buffer.from('302e020100300506032b657004220420', 'hex')
const spkiHead = Buffer.from('302a300506032b6570032100', 'hex')

/** The key that is a node's name for life. */
export interface NodeIdentity {
  readonly nodeId: NodeId
  readonly seed: Uint8Array
  /** Seed and public key, 64 bytes: what libp2p's `privateKeyFromRaw` reads. */
  readonly privateKeyRaw: Uint8Array
  /** Raw Ed25519 public key, 32 bytes. */
  readonly publicKeyRaw: Uint8Array
  readonly privateKey: KeyObject
}

/** A new random seed, for a machine that has no identity yet. */
export function generateSeed(): Uint8Array {
  return new Uint8Array(randomBytes(seedBytes))
}

/** The identity of a seed; libp2p derives the same peer id from it. */
export function identityFromSeed(seed: Uint8Array): NodeIdentity {
  const privateKey = privateKeyFromSeed(seed)
  const publicKeyRaw = rawPublicKey(privateKey)
  return {
    nodeId: nodeIdOf(publicKeyRaw),
    seed,
    privateKeyRaw: new Uint8Array(Buffer.concat([seed, publicKeyRaw])),
    publicKeyRaw,
    privateKey,
  }
}

/** The private key object of an Ed25519 seed. */
export function privateKeyFromSeed(seed: Uint8Array): KeyObject {
  invariant(seed.length === seedBytes, `an Ed25519 seed has ${seedBytes} bytes, this one ${seed.length}`)
  return createPrivateKey({ key: Buffer.concat([pkcs8Head, seed]), format: 'der', type: 'pkcs8' })
}

/** The public key object of 32 raw bytes. */
export function publicKeyFromRaw(raw: Uint8Array): KeyObject {
  return createPublicKey({ key: Buffer.concat([spkiHead, raw]), format: 'der', type: 'spki' })
}

/** The 32 raw bytes of a key's public half. */
export function rawPublicKey(key: KeyObject): Uint8Array {
  const der = createPublicKey(key).export({ format: 'der', type: 'spki' })
  return new Uint8Array(der.subarray(spkiHead.length))
}
