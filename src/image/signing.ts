import { createPrivateKey, createPublicKey, generateKeyPairSync, type KeyObject, sign } from 'node:crypto'
import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { dirname } from 'node:path'
import { MusterError } from '../errors.ts'

/** The key that signs images, and the one that stands in them. */
export interface SigningKey {
  readonly privateKey: KeyObject
  /** PEM of the public key. */
  readonly publicPem: string
}

/**
 * Reads an Ed25519 key in PEM. Where `mayMake` is set and the file is not there, makes one with mode 0600. Throws
 * ERR_IMAGE_KEY.
 */
export function signingKey(path: string, mayMake: boolean): SigningKey {
  if (mayMake && !existsSync(path)) {
    mkdirSync(dirname(path), { recursive: true })
    const { privateKey } = generateKeyPairSync('ed25519')
    writeFileSync(path, privateKey.export({ type: 'pkcs8', format: 'pem' }), { mode: 0o600, flag: 'wx' })
  }
  try {
    const privateKey = createPrivateKey(readFileSync(path))
    if (privateKey.asymmetricKeyType !== 'ed25519')
      throw new Error(`it is of type ${privateKey.asymmetricKeyType}`)
    const publicPem = String(createPublicKey(privateKey).export({ type: 'spki', format: 'pem' }))
    return { privateKey, publicPem }
  } catch (error) {
    const detail = error instanceof Error ? error.message : String(error)
    throw new MusterError('ERR_IMAGE_KEY', { path, detail })
  }
}

/** Ed25519 signature of 64 bytes: the same for the same bytes and key. */
export function signBytes(bytes: Uint8Array, key: SigningKey): Buffer {
  return sign(null, bytes, key.privateKey)
}
