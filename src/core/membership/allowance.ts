import type { Instant } from '../model/ids.ts'
import type { MembershipMessage } from '../model/message.ts'

/** Cost units that a peer earns in a second: an honest one sends under ten messages. */
const unitsPerSecond = 100

/** Units that a peer may have saved: a backlog delivered after a pause of ours is no flood. */
const unitsMax = 4_000

/** What a message costs its receiver in work, in units; a request that is answered with records costs more. */
export function messageCost(message: MembershipMessage): number {
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

/** A token bucket: how much work one peer may still cause. */
export class Allowance {
  #units = unitsMax
  #at: Instant

  constructor(now: Instant) {
    this.#at = now
  }

  /** Takes `cost` units. False: the peer sends more than any honest one could. */
  spend(cost: number, now: Instant): boolean {
    this.#units = Math.min(unitsMax, this.#units + (Math.max(0, now - this.#at) / 1_000) * unitsPerSecond)
    this.#at = now
    if (cost > this.#units) return false
    this.#units -= cost
    return true
  }
}
