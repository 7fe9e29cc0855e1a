import type { Instant, NodeId } from '../model/ids.ts'
import { claimsPerMessageMax, recordsPerMessageMax } from '../model/limits.ts'
import type { LivenessClaim, SignedRecord } from '../model/member.ts'
import type { GossipMessage } from '../model/message.ts'
import { BroadcastQueue } from './dissemination.ts'

/** Claims that ride on a ping or an ack: such a message stays within one packet. */
const piggybackMax = 6

/** The news of one node, and when they leave: in batches, one batch an interval, none if there is nothing. */
export class Gossip {
  readonly #records = new BroadcastQueue<SignedRecord>()
  readonly #claims = new BroadcastQueue<LivenessClaim>()
  #dueAt: Instant = Infinity
  #lastAt: Instant = -Infinity

  /** Passes a record on; to all but `source`. */
  addRecord(signed: SignedRecord, source: NodeId, now: Instant, intervalMs: number): void {
    this.#records.put(signed.record.nodeId, signed, source)
    this.#schedule(now, intervalMs)
  }

  /** Passes a claim on; to all but `source`, and soonest to whom it is about. */
  addClaim(claim: LivenessClaim, source: NodeId, now: Instant, intervalMs: number): void {
    this.#claims.put(claim.subject, claim, source)
    this.#schedule(now, intervalMs)
  }

  /** Somebody told us a record that we hold and may be passing on ourselves. */
  heardAgain(subject: NodeId): void {
    this.#records.heardAgain(subject)
  }

  /** The claims about a member are void. */
  dropClaim(subject: NodeId): void {
    this.#claims.drop(subject)
  }

  /** A member is to be heard of no more. */
  drop(subject: NodeId): void {
    this.#claims.drop(subject)
    this.#records.drop(subject)
  }

  /** A few claims to ride on a message that leaves anyway. */
  piggyback(target: NodeId, limit: number): LivenessClaim[] {
    return this.#claims.take(target, piggybackMax, limit)
  }

  /** One batch for each target that has something to hear. */
  batch(
    targets: readonly NodeId[],
    limit: number,
    now: Instant,
    intervalMs: number,
  ): { readonly to: NodeId; readonly message: GossipMessage }[] {
    const out: { to: NodeId; message: GossipMessage }[] = []
    for (const to of targets) {
      const records = this.#records.take(to, recordsPerMessageMax, limit)
      const claims = this.#claims.take(to, claimsPerMessageMax, limit)
      if (records.length + claims.length > 0) out.push({ to, message: { kind: 'gossip', records, claims } })
    }
    if (out.length === 0) {
      this.#records.pass(limit)
      this.#claims.pass(limit)
    }
    this.#lastAt = now
    this.#dueAt = Infinity
    this.#schedule(now, intervalMs)
    return out
  }

  /** When the next batch leaves; never, as long as there is nothing to say. */
  nextDeadline(): Instant {
    return this.#dueAt
  }

  #schedule(now: Instant, intervalMs: number): void {
    if (this.#dueAt !== Infinity || this.#records.size + this.#claims.size === 0) return
    this.#dueAt = Math.max(now, this.#lastAt + intervalMs)
  }
}
