import type { ICryptoInterface } from '@chainsafe/libp2p-noise'
import {
  createCipheriv,
  createDecipheriv,
  createHash,
  createPrivateKey,
  createPublicKey,
  createSecretKey,
  diffieHellman,
  generateKeyPairSync,
  hkdfSync,
  type KeyObject,
} from 'node:crypto'

// Noise by Node's own crypto alone. The package's default takes WebAssembly for small messages, which is a
// little faster and keeps 10 MB resident; the bundle leaves that code out (scripts/build.ts).

const cipher = 'chacha20-poly1305'
const tagBytes = 16
const keyBytes = 32

// The fixed DER heads of RFC 8410 for X25519: everything before the 32 bytes of key.
const pkcs8Head = Buffer.from('302e020100300506032b656e04220420', 'hex')
const spkiHead = Buffer.from('302a300506032b656e032100', 'hex')

/** All that Noise_XX_25519_ChaChaPoly_SHA256 needs. Opening a forged message throws. */
export const noiseCrypto: ICryptoInterface = {
  hashSHA256: (data) => createHash('sha256').update(data.subarray()).digest(),

  getHKDF: (chainingKey, input) => {
    const bytes = new Uint8Array(hkdfSync('sha256', input, chainingKey, '', 3 * keyBytes))
    return [bytes.subarray(0, keyBytes), bytes.subarray(keyBytes, 2 * keyBytes), bytes.subarray(2 * keyBytes)]
  },

  generateX25519KeyPair: () => {
    const { privateKey, publicKey } = generateKeyPairSync('x25519', {
      privateKeyEncoding: { format: 'der', type: 'pkcs8' },
      publicKeyEncoding: { format: 'der', type: 'spki' },
    })
    return {
      privateKey: privateKey.subarray(pkcs8Head.length),
      publicKey: publicKey.subarray(spkiHead.length),
    }
  },

  generateX25519KeyPairFromSeed: (seed) => {
    const der = createPublicKey(privateKeyOf(seed)).export({ format: 'der', type: 'spki' })
    return { privateKey: seed, publicKey: der.subarray(spkiHead.length) }
  },

  generateX25519SharedKey: (privateKey, publicKey) =>
    diffieHellman({
      privateKey: privateKeyOf(privateKey.subarray()),
      publicKey: createPublicKey({
        key: Buffer.concat([spkiHead, publicKey.subarray()]),
        format: 'der',
        type: 'spki',
      }),
    }),

  chaCha20Poly1305Encrypt: (plaintext, nonce, additional, key) => {
    const sealer = createCipheriv(cipher, secretOf(key), nonce, { authTagLength: tagBytes })
    sealer.setAAD(additional, { plaintextLength: plaintext.byteLength })
    const sealed = sealer.update(plaintext.subarray())
    sealer.final()
    return Buffer.concat([sealed, sealer.getAuthTag()])
  },

  chaCha20Poly1305Decrypt: (ciphertext, nonce, additional, key) => {
    const bytes = ciphertext.subarray()
    const end = bytes.length - tagBytes
    const opener = createDecipheriv(cipher, secretOf(key), nonce, { authTagLength: tagBytes })
    opener.setAAD(additional, { plaintextLength: end })
    opener.setAuthTag(bytes.subarray(end))
    const opened = opener.update(bytes.subarray(0, end))
    opener.final()
    return opened
  },
}

/** Keys as Node wants them: it throws and catches two errors before it makes a cipher of bytes. Noise hands over the same bytes each time. */
const secrets = new WeakMap<Uint8Array, KeyObject>()

function secretOf(key: Uint8Array): KeyObject {
  const known = secrets.get(key)
  if (known !== undefined) return known
  const secret = createSecretKey(key)
  secrets.set(key, secret)
  return secret
}

function privateKeyOf(raw: Uint8Array): ReturnType<typeof createPrivateKey> {
  return createPrivateKey({ key: Buffer.concat([pkcs8Head, raw]), format: 'der', type: 'pkcs8' })
}
