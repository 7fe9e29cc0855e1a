import type { Hash } from '../model/ids.ts'
import type { TokenPrimitives } from './primitives.ts'
import { hex, utf8 } from './primitives.ts'

/**
 * Everything that a network derives from its join secret. Each key has its own HKDF label, so that one that
 * leaks (the discovery tag is shouted on every link) says nothing about another.
 */
export interface NetworkKeys {
  /** The network's name for machines. The charter fixes it: a later change of the secret does not change it. */
  readonly networkId: Hash
  /** mDNS service name: at most 15 letters, digits and hyphens with a letter among them (RFC 6763, 7.2). */
  readonly discoveryTag: string
  /** Noise prologue, 32 bytes: a handshake between two networks fails before anything is said. */
  readonly prologue: Uint8Array
  /** Protocol id of the private DHT. */
  readonly dhtProtocol: string
  /** Key under which members find each other in the DHT, 32 bytes. */
  readonly rendezvous: Uint8Array
  /** Proves membership on the first stream, 32 bytes. */
  readonly admissionKey: Uint8Array
  /** Pre-shared key of the overlay's handshakes, 32 bytes. */
  readonly overlayKey: Uint8Array
  /** Overlay IPv6 prefix, `fdxx:xxxx:xxxx:xxxx::/64` (RFC 4193). The charter fixes it too. */
  readonly prefix6: string
}

const salt = utf8('muster/network/1')

/** Derives all keys of a network from its 32 bytes of join secret. The labels are part of the protocol. */
export function deriveKeys(secret: Uint8Array, { hkdf }: TokenPrimitives): NetworkKeys {
  const derive = (label: string, length: number): Uint8Array => hkdf(secret, salt, utf8(label), length)
  return {
    networkId: hex(derive('network id', 32)),
    discoveryTag: `muster-${hex(derive('discovery tag', 4))}`,
    prologue: derive('noise prologue', 32),
    dhtProtocol: `/muster/${hex(derive('dht protocol', 8))}/kad/1`,
    rendezvous: derive('rendezvous', 32),
    admissionKey: derive('admission', 32),
    overlayKey: derive('overlay', 32),
    prefix6: formatPrefix6(derive('overlay prefix', 7)),
  }
}

/** fd, then 40 bits of global id and 16 bits of subnet id. Groups are written in RFC 5952's short form. */
function formatPrefix6(random: Uint8Array): string {
  const groups = hex(Uint8Array.of(0xfd, ...random)).match(/.{4}/g)!
  const short = groups.map((group) => group.replace(/^0{1,3}/, ''))
  // Zero groups at the end belong to the `::`.
  while (short.at(-1) === '0') short.pop()
  return `${short.join(':')}::/64`
}
