import type { NodeId } from '../model/ids.ts'
import { parseIp } from './ip-bytes.ts'
import type { PacketHeader } from './packet.ts'
import { isMulticast, readPacketHeader } from './packet.ts'

/** The overlay addresses of one node. */
export interface RouteEntry {
  readonly id: NodeId
  readonly address4: string
  readonly address6: string
}

/** Why a packet does not go on its way. */
export type DropReason =
  /** Not one whole IPv4 or IPv6 packet. */
  | 'malformed'
  | 'multicast'
  /** Nobody has the inner destination. */
  | 'no-route'
  /** The inner source is not an address of the node that sent it. */
  | 'wrong-source'
  /** The inner destination is not an address of this node: nobody is a router. */
  | 'wrong-destination'

/** Where a packet goes. */
export type Verdict =
  | { readonly kind: 'peer'; readonly peer: NodeId }
  | { readonly kind: 'deliver' }
  | { readonly kind: 'drop'; readonly reason: DropReason }

interface Route {
  readonly bytes: Uint8Array
  readonly node: NodeId
}

const deliver: Verdict = { kind: 'deliver' }
const drops: { readonly [R in DropReason]: Verdict } = {
  malformed: { kind: 'drop', reason: 'malformed' },
  multicast: { kind: 'drop', reason: 'multicast' },
  'no-route': { kind: 'drop', reason: 'no-route' },
  'wrong-source': { kind: 'drop', reason: 'wrong-source' },
  'wrong-destination': { kind: 'drop', reason: 'wrong-destination' },
}

/**
 * Who owns which overlay address; immutable. An address belongs to one node in a certified plan, and a
 * packet is believed only where its inner source belongs to the node whose key sealed it.
 */
export class RouteTable {
  readonly #self: NodeId
  /** Keyed by the last four bytes of the address; a bucket rarely holds more than one. */
  readonly #buckets = new Map<number, Route[]>()
  readonly #peerVerdicts = new Map<NodeId, Verdict>()

  /** @param entries this node's own addresses and its peers'; unreadable addresses are left out */
  constructor(self: NodeId, entries: Iterable<RouteEntry>) {
    this.#self = self
    for (const entry of entries) {
      this.#peerVerdicts.set(entry.id, { kind: 'peer', peer: entry.id })
      for (const address of [entry.address4, entry.address6]) {
        const bytes = parseIp(address)
        if (bytes === undefined) continue
        const key = bucketKey(bytes, 0, bytes.length)
        const bucket = this.#buckets.get(key)
        if (bucket === undefined) this.#buckets.set(key, [{ bytes, node: entry.id }])
        else bucket.push({ bytes, node: entry.id })
      }
    }
  }

  /** What becomes of a packet that this machine sends. */
  outgoing(packet: Uint8Array): Verdict {
    const header = readPacketHeader(packet)
    if (header === undefined) return drops.malformed
    if (isMulticast(packet, header)) return drops.multicast
    if (this.#owner(packet, header.sourceOffset, header) !== this.#self) return drops['wrong-source']
    const owner = this.#owner(packet, header.destinationOffset, header)
    if (owner === undefined || owner === this.#self) return drops['no-route']
    return this.#peerVerdicts.get(owner)!
  }

  /** What becomes of a packet that `sender`'s key sealed. */
  incoming(sender: NodeId, packet: Uint8Array): Verdict {
    const header = readPacketHeader(packet)
    if (header === undefined) return drops.malformed
    if (isMulticast(packet, header)) return drops.multicast
    if (this.#owner(packet, header.sourceOffset, header) !== sender) return drops['wrong-source']
    if (this.#owner(packet, header.destinationOffset, header) !== this.#self)
      return drops['wrong-destination']
    return deliver
  }

  #owner(packet: Uint8Array, offset: number, header: PacketHeader): NodeId | undefined {
    const bucket = this.#buckets.get(bucketKey(packet, offset, header.addressBytes))
    if (bucket === undefined) return undefined
    for (const route of bucket) {
      if (route.bytes.length === header.addressBytes && equalAt(packet, offset, route.bytes))
        return route.node
    }
    return undefined
  }
}

function bucketKey(bytes: Uint8Array, offset: number, length: number): number {
  const end = offset + length
  return (bytes[end - 4]! << 24) | (bytes[end - 3]! << 16) | (bytes[end - 2]! << 8) | bytes[end - 1]!
}

function equalAt(packet: Uint8Array, offset: number, bytes: Uint8Array): boolean {
  for (let i = 0; i < bytes.length; i++) if (packet[offset + i] !== bytes[i]) return false
  return true
}
