import type { KeyObject } from 'node:crypto'
import {
  createCipheriv,
  createDecipheriv,
  createSecretKey,
  createPrivateKey,
  createPublicKey,
  diffieHellman,
  generateKeyPairSync,
  hkdfSync,
} from 'node:crypto'
import {
  frameHeaderBytes,
  frameOverheadBytes,
  frameTagBytes,
  keyIdBytes,
  keyIdOf,
  writeFrameHeader,
} from '../../core/overlay/frame.ts'
import type { SessionEnd } from '../../core/overlay/session-key.ts'
import { sessionKeyInfo } from '../../core/overlay/session-key.ts'

const algorithm = 'aes-256-gcm'
const keyBytes = 32
const nonceBytes = 12
const counterOffset = 8
/** SubjectPublicKeyInfo of an X25519 key up to the 32 bytes of the key itself (RFC 8410). */
const x25519Prefix = Buffer.from('302a300506032b656e032100', 'hex')

/** The key of one direction, ready for use. */
export interface DirectionKey {
  readonly id: number
  /** Not the bytes of the key: Node throws and catches two errors before it makes a cipher of those. */
  readonly secret: KeyObject
}

/** The keys of a pair, as one end has them. */
export interface SessionKeys {
  readonly send: DirectionKey
  readonly receive: DirectionKey
}

/** How frames are sealed. An engine with a faster cipher, or none for a test, implements this. */
export interface Sealer {
  /** X25519 public key (hex) of this start. */
  readonly publicKey: string
  /** Keys shared with a peer; undefined where its key is not one (a point of small order). */
  agree(self: string, peer: SessionEnd): SessionKeys | undefined
  /** A whole frame with the packet in it. A counter is used once per key. */
  seal(key: DirectionKey, counter: number, packet: Uint8Array): Uint8Array
  /** The packet in a frame, or undefined where the frame is not what the holder of the key sealed. */
  open(key: DirectionKey, frame: Uint8Array): Uint8Array | undefined
}

/**
 * Sealing by node:crypto: X25519 with a key that lives as long as this object, HKDF-SHA-256 salted with the
 * network's secret, AES-256-GCM. Counters may begin at 0 because no key outlives the start that made it.
 */
export function createSealer(psk: Uint8Array): Sealer {
  return new NodeSealer(psk)
}

class NodeSealer implements Sealer {
  readonly publicKey: string
  readonly #privateKey: KeyObject
  readonly #psk: Uint8Array
  readonly #nonce = Buffer.alloc(nonceBytes)

  constructor(psk: Uint8Array) {
    const pair = generateKeyPairSync('x25519', {
      publicKeyEncoding: { type: 'spki', format: 'der' },
      privateKeyEncoding: { type: 'pkcs8', format: 'der' },
    })
    this.publicKey = pair.publicKey.subarray(x25519Prefix.length).toString('hex')
    this.#privateKey = createPrivateKey({ key: pair.privateKey, format: 'der', type: 'pkcs8' })
    this.#psk = psk
  }

  agree(self: string, peer: SessionEnd): SessionKeys | undefined {
    const own: SessionEnd = { id: self, key: this.publicKey }
    let shared: Buffer
    try {
      const der = Buffer.concat([x25519Prefix, Buffer.from(peer.key, 'hex')])
      const publicKey = createPublicKey({ key: der, format: 'der', type: 'spki' })
      shared = diffieHellman({ privateKey: this.#privateKey, publicKey })
    } catch {
      // OpenSSL refuses malformed keys and an all-zero result (RFC 7748, 6.1).
      return undefined
    }
    return {
      send: this.#derive(shared, sessionKeyInfo(own, peer)),
      receive: this.#derive(shared, sessionKeyInfo(peer, own)),
    }
  }

  seal(key: DirectionKey, counter: number, packet: Uint8Array): Uint8Array {
    const frame = Buffer.allocUnsafe(packet.length + frameOverheadBytes)
    writeFrameHeader(frame, { keyId: key.id, counter })
    const cipher = createCipheriv(algorithm, key.secret, this.#nonceOf(frame))
    cipher.setAAD(frame.subarray(0, frameHeaderBytes))
    frame.set(cipher.update(packet), frameHeaderBytes)
    cipher.final()
    frame.set(cipher.getAuthTag(), frame.length - frameTagBytes)
    return frame
  }

  open(key: DirectionKey, frame: Uint8Array): Uint8Array | undefined {
    const end = frame.length - frameTagBytes
    if (end < frameHeaderBytes) return undefined
    const decipher = createDecipheriv(algorithm, key.secret, this.#nonceOf(frame))
    decipher.setAAD(frame.subarray(0, frameHeaderBytes))
    decipher.setAuthTag(frame.subarray(end))
    const packet = decipher.update(frame.subarray(frameHeaderBytes, end))
    try {
      decipher.final()
    } catch {
      return undefined
    }
    return packet
  }

  /** Four zero bytes and the counter; OpenSSL copies it at once. */
  #nonceOf(frame: Uint8Array): Uint8Array {
    this.#nonce.set(frame.subarray(counterOffset, frameHeaderBytes), nonceBytes - 8)
    return this.#nonce
  }

  #derive(shared: Uint8Array, info: string): DirectionKey {
    const derived = new Uint8Array(hkdfSync('sha256', shared, this.#psk, info, keyBytes + keyIdBytes))
    return { id: keyIdOf(derived.subarray(keyBytes)), secret: createSecretKey(derived.subarray(0, keyBytes)) }
  }
}
