// Proves that Noise by Node's own crypto says what libp2p's says, byte for byte, and that a host keeps the peer id
// that libp2p derives from its seed.
import { pureJsCrypto } from '@chainsafe/libp2p-noise'
import { generateKeyPairFromSeed } from '@libp2p/crypto/keys'
import { randomBytes } from 'node:crypto'
import { describe, expect, it } from 'vitest'
import { hostKey } from '../../../src/adapters/libp2p/host-key.ts'
import { noiseCrypto } from '../../../src/adapters/libp2p/noise-crypto.ts'

/** Buffers and plain arrays with the same bytes are the same. */
function hex(bytes: { subarray(): Uint8Array }): string {
  return Buffer.from(bytes.subarray()).toString('hex')
}

function random(size: number): Uint8Array {
  return new Uint8Array(randomBytes(size))
}

describe('the crypto of Noise', () => {
  it('hashes as the reference', () => {
    const data = random(77)
    expect(hex(noiseCrypto.hashSHA256(data))).toBe(hex(pureJsCrypto.hashSHA256(data)))
  })

  it.each([0, 32])('derives the same keys from %i bytes', (size) => {
    const [chainingKey, input] = [random(32), random(size)]
    const ours = noiseCrypto.getHKDF(chainingKey, input).map(hex)
    expect(ours).toEqual(pureJsCrypto.getHKDF(chainingKey, input).map(hex))
  })

  it('agrees on a secret with the reference', () => {
    const seed = random(32)
    const ours = noiseCrypto.generateX25519KeyPairFromSeed(seed)
    expect(hex(ours.publicKey)).toBe(hex(pureJsCrypto.generateX25519KeyPairFromSeed(seed).publicKey))
    const theirs = noiseCrypto.generateX25519KeyPair()
    const secret = noiseCrypto.generateX25519SharedKey(ours.privateKey, theirs.publicKey)
    expect(hex(secret)).toBe(hex(pureJsCrypto.generateX25519SharedKey(theirs.privateKey, ours.publicKey)))
  })

  it.each([0, 1, 100, 1_199, 1_200, 65_519])('seals %i bytes as the reference', (size) => {
    const [plaintext, nonce, additional, key] = [random(size), random(12), random(32), random(32)]
    const sealed = noiseCrypto.chaCha20Poly1305Encrypt(plaintext, nonce, additional, key).subarray()
    expect(hex(sealed)).toBe(hex(pureJsCrypto.chaCha20Poly1305Encrypt(plaintext, nonce, additional, key)))
    const opened = noiseCrypto.chaCha20Poly1305Decrypt(sealed, nonce, additional, key)
    expect(hex(opened)).toBe(hex(plaintext))
  })

  it('opens nothing that was changed, cut or meant for somebody else', () => {
    const [nonce, additional, key] = [random(12), random(32), random(32)]
    const sealed = noiseCrypto.chaCha20Poly1305Encrypt(random(50), nonce, additional, key).subarray()
    for (const at of [0, 49, 50, 65]) {
      const changed = Uint8Array.from(sealed, (byte, index) => (index === at ? byte ^ 1 : byte))
      expect(() => noiseCrypto.chaCha20Poly1305Decrypt(changed, nonce, additional, key)).toThrow()
    }
    expect(() => noiseCrypto.chaCha20Poly1305Decrypt(sealed, nonce, random(32), key)).toThrow()
    for (const size of [0, 15, 16, 65]) {
      const cut = sealed.subarray(0, size)
      expect(() => noiseCrypto.chaCha20Poly1305Decrypt(cut, nonce, additional, key)).toThrow()
    }
  })
})

describe('the key of a host', () => {
  it('is the one that libp2p derives', async () => {
    const seed = random(32)
    expect(hostKey(seed).equals(await generateKeyPairFromSeed('Ed25519', seed))).toBe(true)
  })
})
