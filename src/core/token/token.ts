import type { BootstrapSetting } from '../model/spec.ts'
import type { TokenPrimitives } from './primitives.ts'
import { hex, utf8 } from './primitives.ts'

/** The shared secret document that makes strangers one network. */
export interface NetworkToken {
  /** Of the document's layout. */
  readonly version: 1
  /** A word for people; no decision depends on it. */
  readonly name: string
  /** 32 random bytes; every network key comes from them. Lets a node join; administers nothing. */
  readonly secret: Uint8Array
  /** Operator's Ed25519 public key (hex), or `none`. */
  readonly operatorKey: string
  /** Overlay IPv4 prefix, for example `10.144.0.0/16`. */
  readonly addresses4: string
  /** Multiaddrs to dial where multicast does not reach. */
  readonly bootstrapPeers: readonly string[]
  /** How the charter comes to be; where set, machines cannot differ about it. */
  readonly bootstrap?: BootstrapSetting
  /** Wanted number of control-plane nodes. */
  readonly controlPlane?: number
}

/** Bytes of a token's secret. */
export const secretBytes = 32

/** Peers that a token may name: more does not fit a line that people paste. */
export const tokenPeersMax = 16

/** What may be shown of a token: everything but the secret. */
export interface TokenSummary extends Omit<NetworkToken, 'secret'> {
  readonly fingerprint: string
}

/** Six bytes of the secret's own derivation, as `12ab-34cd-56ef`: tells tokens apart and gives nothing away. */
export function fingerprint(token: NetworkToken, primitives: TokenPrimitives): string {
  const digest = hex(primitives.hkdf(token.secret, utf8('muster/token/1'), utf8('fingerprint'), 6))
  return `${digest.slice(0, 4)}-${digest.slice(4, 8)}-${digest.slice(8)}`
}

/** The token without its secret, for `token inspect`. */
export function summarize(token: NetworkToken, primitives: TokenPrimitives): TokenSummary {
  const { secret: _, ...shown } = token
  return { ...shown, fingerprint: fingerprint(token, primitives) }
}

/** A text, for example a log line, in which every token is replaced by its first letters. */
export function redact(text: string): string {
  return text
    .replaceAll(/muster1-[a-z2-7]+/gi, 'muster1-[redacted]')
    .replaceAll(/b3RwO[A-Za-z0-9+/=]{40,}/g, 'b3RwO[redacted]')
}
