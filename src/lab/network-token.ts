import { createHash, generateKeyPairSync, hkdfSync, randomBytes } from 'node:crypto'
import type { BootstrapSetting } from '../core/model/spec.ts'
import { defaultSpec } from '../core/model/spec.ts'
import type { TokenPrimitives } from '../core/token/primitives.ts'
import { formatToken } from '../core/token/text.ts'
import { type NetworkToken, secretBytes } from '../core/token/token.ts'

/** The hash functions that tokens need, from Node. */
export const tokenPrimitives: TokenPrimitives = {
  sha256: (bytes) => new Uint8Array(createHash('sha256').update(bytes).digest()),
  hkdf: (secret, salt, info, length) => new Uint8Array(hkdfSync('sha256', secret, salt, info, length)),
}

/** What a new token should say beside its secret. */
export interface TokenWishes {
  readonly name: string
  readonly addresses4?: string
  readonly peers?: readonly string[]
  readonly bootstrap?: BootstrapSetting
  readonly controlPlane?: number
}

/** A new network: its token, and the operator's private key (PKCS #8, PEM) that never belongs on a node. */
export interface NewNetwork {
  readonly token: string
  readonly document: NetworkToken
  readonly operatorPrivateKey: string
}

/** Makes a network token with a fresh secret and a fresh operator key pair. */
export function newNetwork(wishes: TokenWishes): NewNetwork {
  const pair = generateKeyPairSync('ed25519')
  const publicKey = pair.publicKey.export({ format: 'jwk' }).x ?? ''
  const document: NetworkToken = {
    version: 1,
    name: wishes.name,
    secret: new Uint8Array(randomBytes(secretBytes)),
    operatorKey: Buffer.from(publicKey, 'base64url').toString('hex'),
    addresses4: wishes.addresses4 ?? defaultSpec.addresses.ipv4,
    bootstrapPeers: wishes.peers ?? [],
    ...(wishes.bootstrap === undefined ? {} : { bootstrap: wishes.bootstrap }),
    ...(wishes.controlPlane === undefined ? {} : { controlPlane: wishes.controlPlane }),
  }
  return {
    token: formatToken(document, tokenPrimitives),
    document,
    operatorPrivateKey: pair.privateKey.export({ type: 'pkcs8', format: 'pem' }).toString(),
  }
}
