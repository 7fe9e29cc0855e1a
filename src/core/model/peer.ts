import type { NodeId } from './ids.ts'

/** How a peer was found. */
export type DiscoveredVia = 'mdns' | 'beacon' | 'dht' | 'static' | 'remembered' | 'membership' | 'inbound'

/** A peer to keep in touch with, and where it may be dialled. */
export interface PeerAddress {
  readonly id: NodeId
  /** Multiaddrs without the `/p2p` part. */
  readonly endpoints: readonly string[]
}

/** Why somebody was turned away or cut off. */
export type RefusalCode =
  | 'ForeignNetwork'
  | 'ProtocolVersion'
  | 'Garbage'
  | 'Flood'
  | 'Replay'
  | 'NotAdmitted'
