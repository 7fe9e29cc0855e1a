import type { Instant, NodeId } from '../model/ids.ts'
import { claimsPerMessageMax } from '../model/limits.ts'
import type { DigestMessage, MembershipMessage } from '../model/message.ts'
import type { Random } from '../model/random.ts'
import type { SpecTimers } from '../model/spec.ts'
import { claimAgainst, compareVersions } from './anti-entropy.ts'
import type { RecordTable } from './record-table.ts'

/** Up to so many connections, each new one begins with a comparison of tables. */
const comparedConnections = 4

/** What comparing needs of the machine around it. */
export interface ComparisonHost {
  send(to: NodeId, message: MembershipMessage): void
  sendRecords(to: NodeId, ids: readonly NodeId[]): void
  timers(): SpecTimers
  /** Connected peers worth talking to, sorted. */
  audience(): readonly NodeId[]
  /** Members that this node holds for dead. */
  dead(): readonly NodeId[]
}

/** Anti-entropy: with whom tables are compared, and when; the talk is drawn in `anti-entropy.ts`. */
export class Comparisons {
  readonly #host: ComparisonHost
  readonly #table: RecordTable
  readonly #random: Random
  #dueAt: Instant
  #lastAt: Instant = -Infinity

  constructor(host: ComparisonHost, table: RecordTable, random: Random, now: Instant) {
    this.#host = host
    this.#table = table
    this.#random = random
    this.#dueAt = now + random.between(0.5, 1) * host.timers().antiEntropyIntervalMs
  }

  /**
   * A connection came. With few of them each one begins with a comparison; with many they would all tell the same, so
   * some are enough.
   */
  peerUp(peer: NodeId, connections: number, now: Instant): void {
    const { probeTimeoutMs } = this.#host.timers()
    if (connections <= comparedConnections || now >= this.#lastAt + probeTimeoutMs) this.with(peer, now)
  }

  /** Compares with somebody if it is time. */
  advance(now: Instant): void {
    if (now < this.#dueAt) return
    this.#dueAt = now + this.#host.timers().antiEntropyIntervalMs * this.#random.between(0.9, 1.1)
    for (const peer of this.#random.sample(this.#host.audience(), 1)) this.with(peer, now)
  }

  /** Digests compare records only; what we hold against the dead goes along, where there are any. */
  with(peer: NodeId, now: Instant): void {
    this.#lastAt = now
    this.#host.send(peer, { kind: 'digest', whole: this.#table.whole(), versions: [], ask: true })
    const claims = this.#random
      .sample(this.#host.dead(), claimsPerMessageMax)
      .flatMap((id) => claimAgainst(id, this.#table) ?? [])
    if (claims.length > 0) this.#host.send(peer, { kind: 'gossip', records: [], claims })
  }

  /** Another's digest: nothing if the tables are equal, else our versions, or the records that differ. */
  answer(from: NodeId, message: DigestMessage): void {
    const whole = this.#table.whole()
    if (message.whole === whole) return
    if (message.versions.length === 0) {
      if (!message.ask) return
      this.#host.send(from, { kind: 'digest', whole, versions: this.#table.versions(), ask: false })
      return
    }
    const { lacking, surplus } = compareVersions(this.#table.versions(), message.versions)
    this.#host.sendRecords(from, surplus)
    const ids = lacking.filter((id) => !this.#table.isRevoked(id))
    if (ids.length > 0) this.#host.send(from, { kind: 'records-request', ids })
  }

  /** Other timers hold: the next comparison is not later than they say. */
  retime(now: Instant): void {
    this.#dueAt = Math.min(this.#dueAt, now + this.#host.timers().antiEntropyIntervalMs)
  }

  nextDeadline(): Instant {
    return this.#dueAt
  }
}
