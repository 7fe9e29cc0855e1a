import type { ComponentLogger } from '@libp2p/interface'
import type { PeerAddress } from '../../core/ports.ts'

/** What the network's token gives to this adapter; all derived from the join secret under different labels. */
export interface NetworkKeys {
  /** A DNS label: names the mDNS service, so that networks on one link do not hear each other. */
  readonly discoveryTag: string
  /** Mixed into the Noise handshake: without it the handshake fails. */
  readonly noisePrologue: Uint8Array
  /** Where members look for each other in the private DHT. */
  readonly rendezvous: string
  /** Key of the mutual proof of membership on the first stream. */
  readonly admissionKey: Uint8Array
}

/** What the adapter writes to; pino and the console both fit. */
export interface NetworkLogger {
  debug(fields: object, message: string): void
  info(fields: object, message: string): void
  warn(fields: object, message: string): void
}

/** What the adapter gets from the composition root. */
export interface NetworkComponents {
  readonly logger: NetworkLogger
}

/** Every wait and bound of the adapter. Tests shorten them; nothing else should. */
export interface NetworkLimits {
  /** Connections of all kinds; above it libp2p closes the least useful ones. */
  readonly connectionsMax: number
  /** New connections per second from one address: sites behind one NAT start at the same moment. */
  readonly inboundPerSecondMax: number
  /** Handshakes under way at once: more than one address can begin before the first of its own time out. */
  readonly inboundPendingMax: number
  readonly dialsParallelMax: number
  /** Peers found by discovery are dialled by themselves only below this; beyond it only those that the core wants. */
  readonly discoveredLinksMax: number
  /** Until an address answers at all. */
  readonly connectTimeoutMs: number
  /**
   * For all addresses of a peer, handshakes included; one has half of it. A starved machine needs long for a handshake, and
   * one that is given up makes it do the work again.
   */
  readonly dialTimeoutMs: number
  /** For a handshake that a peer begins, and for each stream's. */
  readonly handshakeTimeoutMs: number
  /** From an open stream to a verdict. */
  readonly admissionTimeoutMs: number
  /**
   * The greater id waits so long before it dials, so that a pair that finds each other makes one connection.
   * With each link a little longer: one more matters less, and machines that make many at once are slow.
   */
  readonly politenessMs: number
  readonly backoffMinMs: number
  readonly backoffMaxMs: number
  /** A silent link is asked for a sign of life after this; multiplied by links / 20 in large networks. */
  readonly linkIdleMs: number
  /** The round trip of a link is measured so often; stretched like the idle time. 300 bytes each. */
  readonly roundTripMs: number
  /** And is given up when the answer takes longer than this. */
  readonly linkAnswerMs: number
  /** First time for which a peer that was cut off is refused; doubled each time up to ten minutes. */
  readonly refusalMinMs: number
  readonly refusalMaxMs: number
  /** The same refusal of the same address is told once in this time. */
  readonly refusalReportMs: number
  /** Steady rates and bursts allowed to one peer: far above what the protocol sends (50 messages a second at birth). */
  readonly messagesPerSecondMax: number
  readonly messagesBurstMax: number
  readonly bytesPerSecondMax: number
  readonly bytesBurstMax: number
  readonly linkScanMs: number
}

export const defaultLimits: NetworkLimits = {
  connectionsMax: 256,
  inboundPerSecondMax: 50,
  inboundPendingMax: 1_500,
  dialsParallelMax: 16,
  discoveredLinksMax: 96,
  connectTimeoutMs: 5_000,
  dialTimeoutMs: 60_000,
  handshakeTimeoutMs: 25_000,
  admissionTimeoutMs: 30_000,
  politenessMs: 400,
  backoffMinMs: 500,
  backoffMaxMs: 30_000,
  linkIdleMs: 15_000,
  roundTripMs: 60_000,
  linkAnswerMs: 10_000,
  refusalMinMs: 30_000,
  refusalMaxMs: 600_000,
  refusalReportMs: 60_000,
  messagesPerSecondMax: 1_000,
  messagesBurstMax: 5_000,
  bytesPerSecondMax: 16 * 1_024 * 1_024,
  bytesBurstMax: 64 * 1_024 * 1_024,
  linkScanMs: 1_000,
}

/** UDP port of the beacon. Not configurable: machines that differ in it would never hear of each other. */
export const beaconPort = 4_710

export interface NetworkInit {
  /** 32-byte Ed25519 seed of the node's identity. */
  readonly identitySeed: Uint8Array
  readonly keys: NetworkKeys
  /** TCP; 0: any free one. Its default is the configuration's. */
  readonly listenPort: number
  /** Multiaddrs, with or without `/p2p`. */
  readonly staticPeers: readonly string[]
  /** Peers of former lives. */
  readonly remembered: readonly PeerAddress[]
  readonly discovery: { readonly mdns: boolean; readonly beacon: boolean; readonly dht: boolean }
  /** Version of the message protocol; peers of another one are refused by name. */
  readonly protocolVersion: number
  /** Devices whose addresses are never announced, dialled or accepted from: the overlay must not carry itself. */
  readonly excludeDevices?: readonly string[]
  readonly limits?: Partial<NetworkLimits>
}

/** A libp2p logger that passes only errors on, at debug level: libp2p reports each failed dial as an error. */
export function libp2pLogger(logger: NetworkLogger): ComponentLogger {
  type Logger = ReturnType<ComponentLogger['forComponent']>
  const make = (name: string): Logger =>
    Object.assign(() => undefined, {
      enabled: false,
      trace: () => undefined,
      error: (format: unknown, ...args: readonly unknown[]) =>
        logger.debug({ component: name, args: args.map(describe) }, String(format)),
      newScope: (scope: string) => make(`${name}:${scope}`),
    }) satisfies Logger
  return { forComponent: make }
}

function describe(value: unknown): string {
  return value instanceof Error ? `${value.name}: ${value.message}` : String(value)
}
