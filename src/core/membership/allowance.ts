import type { Instant, NodeId } from '../model/ids.ts'
import type { MembershipMessage } from '../model/message.ts'

/** Cost units that a peer earns in a second: an honest one sends under ten messages. */
const unitsPerSecond = 100

/** Units that a peer may have saved: a backlog delivered after a pause of ours is no flood. */
const unitsMax = 4_000

/** What a message costs its receiver in work, in units; a request that is answered with records costs more. */
function messageCost(message: MembershipMessage): number {
  switch (message.kind) {
    case 'records-request':
      return 1 + message.ids.length / 8
    case 'digest':
      return 1 + message.versions.length / 8
    case 'hello':
    case 'ping':
    case 'ack':
    case 'ping-request':
    case 'nack':
    case 'gossip':
      return 1
  }
}

/** A token bucket for each peer: how much work it may still cause. */
export class Allowances {
  readonly #buckets = new Map<NodeId, { units: number; at: Instant }>()

  /** Takes the cost of a message. False: the peer sends more than any honest one could. */
  spend(peer: NodeId, message: MembershipMessage, now: Instant): boolean {
    const cost = messageCost(message)
    let bucket = this.#buckets.get(peer)
    if (bucket === undefined) {
      bucket = { units: unitsMax, at: now }
      this.#buckets.set(peer, bucket)
    }
    const earned = (Math.max(0, now - bucket.at) / 1_000) * unitsPerSecond
    bucket.units = Math.min(unitsMax, bucket.units + earned)
    bucket.at = now
    if (cost > bucket.units) return false
    bucket.units -= cost
    return true
  }

  /** The peer is gone; when it comes back it starts anew (the node refuses a flooder for a while). */
  forget(peer: NodeId): void {
    this.#buckets.delete(peer)
  }
}
