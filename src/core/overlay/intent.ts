import type { NodeId } from '../model/ids.ts'

/** One other node of the overlay. */
export interface OverlayPeer {
  readonly id: NodeId
  readonly address4: string
  readonly address6: string
  /** X25519 public key (hex) of its present start. */
  readonly key: string
  /** Where its data plane listens: an IP address (with zone where link-local) and a UDP port. */
  readonly endpoint: { readonly host: string; readonly port: number } | undefined
}

/** What the overlay of this node should be. */
export interface OverlayIntent {
  readonly device: string
  readonly address4: string
  /** Bits of the cluster's IPv4 prefix. */
  readonly prefix4: number
  readonly address6: string
  readonly prefix6: number
  /** Never under 1280, IPv6's minimum. */
  readonly mtu: number
  /** Sorted by id, without this node. */
  readonly peers: readonly OverlayPeer[]
}

/** What the overlay of this node is. */
export interface OverlayState {
  readonly up: boolean
  readonly device: string
  readonly address4: string
  readonly address6: string
  readonly mtu: number
  /** Why it is not up, or the last error. */
  readonly detail: string
  readonly peers: readonly OverlayPeerState[]
}

/** Counters of one pair. */
export interface OverlayPeerState {
  readonly id: NodeId
  readonly sentPackets: number
  readonly receivedPackets: number
  /** Packets dropped because they were forged, replayed, or had another node's inner source. */
  readonly droppedPackets: number
}
