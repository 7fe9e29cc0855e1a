import type { Hash, NodeId } from '../model/ids.ts'
import { sortedIds } from '../model/ids.ts'
import { invariant } from '../model/invariant.ts'
import { formatAddress4, parseAddress4 } from './ip.ts'
import { parsePrefix } from './prefix.ts'

/** A node and the IPv4 address that it has. */
export interface AddressHolder {
  readonly nodeId: NodeId
  readonly address: string
}

export interface Allocate4Request {
  /** The cluster's IPv4 prefix. */
  readonly prefix: string
  /** Addresses of the parent plan: they stay with their nodes for life. */
  readonly taken: readonly AddressHolder[]
  /** Addresses that may not be given yet, for example of nodes retired in this very plan. */
  readonly held: readonly string[]
  readonly wanted: readonly NodeId[]
  /** A digest of the node's id, uniform over nodes. */
  readonly hash: (nodeId: NodeId) => Hash
}

export type Allocate4Result =
  /** One line for each wanted node, sorted by node id; `preferred` is false where the hashed slot was taken. */
  | {
      readonly kind: 'assigned'
      readonly assignments: readonly (AddressHolder & { readonly preferred: boolean })[]
    }
  | { readonly kind: 'exhausted'; readonly wanted: number; readonly missing: number; readonly reason: string }

/**
 * Gives every waiting node an address: the one it has, else the slot that its hash prefers, else the lowest
 * free one. Nodes whose preferred slot is free get it before anybody falls back, and of two that prefer one
 * slot the lower id wins, so the result is the same whatever the order of the input.
 */
export function allocate4(request: Allocate4Request): Allocate4Result {
  const { first, size } = range(request.prefix)
  const used = new Set<number | undefined>(
    [...request.taken.map((holder) => holder.address), ...request.held].map(parseAddress4),
  )
  const had = new Map(request.taken.map((holder) => [holder.nodeId, holder.address]))
  const given = new Map<NodeId, { address: string; preferred: boolean }>()
  const waiting: NodeId[] = []

  const ids = sortedIds(request.wanted)
  for (const nodeId of ids) {
    const address = had.get(nodeId)
    const slot = first + (size === 0 ? 0 : slotOf(request.hash(nodeId), size))
    if (address !== undefined) {
      given.set(nodeId, { address, preferred: parseAddress4(address) === slot })
    } else if (size > 0 && usable(slot, first, size) && !used.has(slot)) {
      used.add(slot)
      given.set(nodeId, { address: formatAddress4(slot), preferred: true })
    } else waiting.push(nodeId)
  }

  let cursor = first
  for (const [index, nodeId] of waiting.entries()) {
    while (cursor < first + size && (used.has(cursor) || !usable(cursor, first, size))) cursor += 1
    if (cursor >= first + size) {
      const missing = waiting.length - index
      return {
        kind: 'exhausted',
        wanted: ids.length,
        missing,
        reason: `${request.prefix} has no address left for ${missing} of ${ids.length} nodes`,
      }
    }
    given.set(nodeId, { address: formatAddress4(cursor), preferred: false })
    cursor += 1
  }
  return { kind: 'assigned', assignments: ids.map((nodeId) => ({ nodeId, ...given.get(nodeId)! })) }
}

/** How many nodes a prefix can address. */
export function capacity4(prefix: string): number {
  const { first, size } = range(prefix)
  let count = 0
  // Whole blocks of 256 lose two addresses each; the range's ends are counted one by one.
  for (let address = first; address < first + size;) {
    if (address % 256 === 0 && address > first && address + 256 < first + size) {
      count += 254
      address += 256
    } else {
      if (usable(address, first, size)) count += 1
      address += 1
    }
  }
  return count
}

function range(prefix: string): { readonly first: number; readonly size: number } {
  const parsed = parsePrefix(prefix)
  invariant(parsed?.family === 4, `not an IPv4 prefix: ${prefix}`)
  return { first: Number(parsed.value), size: 2 ** (32 - parsed.bits) }
}

/** 48 bits of the digest: the bias towards low slots is below one in four billion even for a /16. */
function slotOf(hash: Hash, size: number): number {
  return Number.parseInt(hash.slice(0, 12), 16) % size
}

/**
 * Not the network, not the broadcast address, not the first host (routers and virtual addresses like to sit
 * there), and nothing that ends in 0 or 255, which old software takes for a network or a broadcast.
 */
function usable(address: number, first: number, size: number): boolean {
  const last = address % 256
  return address > first + 1 && address < first + size - 1 && last !== 0 && last !== 255
}
