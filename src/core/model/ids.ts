/** A node's name for life: the libp2p peer id (base58btc) of its Ed25519 identity key. */
export type NodeId = string

/** Lower-case hexadecimal SHA-256 digest, 64 characters. */
export type Hash = string

/** Ed25519 signature, 64 bytes. (A simulator may use shorter tagged values.) */
export type Signature = Uint8Array

/** Milliseconds on a clock that never goes back within one boot. Never wall-clock time. */
export type Instant = number

/** Order of node ids that all nodes agree on. Decisions sort by it first; map order never decides. */
export function compareIds(a: NodeId, b: NodeId): number {
  return a < b ? -1 : a > b ? 1 : 0
}

/** The same ids, without repeats, in the order that all nodes agree on. */
export function sortedIds(ids: Iterable<NodeId>): NodeId[] {
  return [...new Set(ids)].toSorted(compareIds)
}

/** A sorted list with one more id in its place; the same list if it holds the id already. */
export function withId(sorted: readonly NodeId[], id: NodeId): readonly NodeId[] {
  let low = 0
  let high = sorted.length
  while (low < high) {
    const middle = (low + high) >>> 1
    if ((sorted[middle] as NodeId) < id) low = middle + 1
    else high = middle
  }
  return sorted[low] === id ? sorted : sorted.toSpliced(low, 0, id)
}

/** An id short enough for a line of text: the last eight characters, where peer ids differ. */
export function shortId(id: NodeId): string {
  return id.length <= 8 ? id : id.slice(-8)
}
