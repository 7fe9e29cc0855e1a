import { privateKeyFromRaw } from '@libp2p/crypto/keys'
import type { PrivateKey } from '@libp2p/interface'
import { createPrivateKey, createPublicKey } from 'node:crypto'

// The fixed DER heads of RFC 8410 for Ed25519: everything before the 32 bytes of key.
const pkcs8Head = Buffer.from('302e020100300506032b657004220420', 'hex')
const spkiHeadBytes = 12

/** libp2p's private key of a 32 byte Ed25519 seed. libp2p's own way derives it in JavaScript: 30 ms of a start. */
export function hostKey(seed: Uint8Array): PrivateKey {
  const key = createPrivateKey({ key: Buffer.concat([pkcs8Head, seed]), format: 'der', type: 'pkcs8' })
  const publicKey = createPublicKey(key).export({ format: 'der', type: 'spki' }).subarray(spkiHeadBytes)
  return privateKeyFromRaw(Buffer.concat([seed, publicKey]))
}
