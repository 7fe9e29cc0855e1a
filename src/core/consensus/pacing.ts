import type { Instant, NodeId } from '../model/ids.ts'
import type { RefuseMessage } from '../model/message.ts'
import type { Ballot } from '../model/plan.ts'
import type { Random } from '../model/random.ts'
import type { SpecTimers } from '../model/spec.ts'
import { compareBallots } from './ballot.ts'

/** Later ranks than this wait no longer: with many candidates somebody must come at last. */
const rankMax = 4

/** Back-off doubles at most so often. */
const backOffDoublingsMax = 3

/**
 * Whose turn it is to propose, and when: liveness only. The leader of the last ballot goes first, the others
 * follow in rank, each `leaderTimeout` later, with jitter. Nothing here can make a decision unsafe.
 */
export class Pacing {
  readonly #self: NodeId
  readonly #timers: SpecTimers
  readonly #random: Random
  #leader: NodeId | undefined
  #wantedSince: Instant | undefined
  #heardAt: Instant | undefined
  #acceptedAt: Instant | undefined
  #notBefore: Instant = 0
  #failures = 0
  #jitter = 0
  #highest: Ballot | null = null
  #lastRefusals: ReadonlyMap<NodeId, RefuseMessage> = new Map()

  constructor(self: NodeId, timers: SpecTimers, random: Random, leader: NodeId | undefined) {
    this.#self = self
    this.#timers = timers
    this.#random = random
    this.#leader = leader
    this.#jitter = random.unit()
  }

  /** The proposer of the newest ballot that got through, as far as this node knows. */
  get leader(): NodeId | undefined {
    return this.#leader
  }

  /** The highest foreign ballot that a refusal told of. */
  get highest(): Ballot | null {
    return this.#highest
  }

  /** Why the last ballot of ours failed. */
  get lastRefusals(): ReadonlyMap<NodeId, RefuseMessage> {
    return this.#lastRefusals
  }

  nextGeneration(leader: NodeId, now: Instant): void {
    this.#leader = leader
    this.#wantedSince = undefined
    this.#heardAt = undefined
    this.#acceptedAt = undefined
    this.#notBefore = now
    this.#failures = 0
    this.#highest = null
    this.#lastRefusals = new Map()
    this.#jitter = this.#random.unit()
  }

  want(wanted: boolean, now: Instant): void {
    if (!wanted) this.#wantedSince = undefined
    else this.#wantedSince ??= now
  }

  /** Another proposer's ballot is alive: leave it its time. */
  heardBallot(now: Instant): void {
    this.#heardAt = now
  }

  /** This node accepted a plan and waits for its certificate. */
  acceptedAt(now: Instant): void {
    this.#acceptedAt = now
  }

  leads(leader: NodeId): void {
    this.#leader = leader
  }

  saw(ballot: Ballot): void {
    if (this.#highest === null || compareBallots(ballot, this.#highest) > 0) this.#highest = ballot
  }

  failed(refusals: ReadonlyMap<NodeId, RefuseMessage>): void {
    this.#lastRefusals = refusals
  }

  backOff(now: Instant): void {
    const doublings = Math.min(this.#failures, backOffDoublingsMax)
    this.#failures += 1
    this.#notBefore = now + this.#random.between(0.3, 1) * this.#timers.leaderTimeoutMs * 2 ** doublings
    this.#jitter = this.#random.unit()
  }

  /** Whether there is something to wait for, so that `nextAttemptAt` has an answer. */
  waits(unfinished: boolean): boolean {
    return this.#wantedSince !== undefined || (unfinished && this.#acceptedAt !== undefined)
  }

  /**
   * When this node should start a ballot, if nothing else happens.
   * @param queue everybody who may propose, sorted
   */
  nextAttemptAt(
    queue: readonly NodeId[],
    alive: (id: NodeId) => boolean,
    unfinished: boolean,
  ): Instant | undefined {
    const times: Instant[] = []
    if (this.#wantedSince !== undefined) times.push(this.#turn(queue, alive, this.#wantedSince))
    if (unfinished && this.#acceptedAt !== undefined) {
      // A chosen plan is finished although its proposer died: whoever accepted it may do so.
      const patience = this.#timers.acceptTimeoutMs * 2 ** Math.min(this.#failures, backOffDoublingsMax)
      times.push(this.#acceptedAt + patience * (1 + this.#jitter))
    }
    if (times.length === 0) return undefined
    return Math.max(this.#notBefore, Math.min(...times))
  }

  #turn(queue: readonly NodeId[], alive: (id: NodeId) => boolean, since: Instant): Instant {
    const rank = this.#rank(queue, alive)
    const step = this.#timers.leaderTimeoutMs
    const base =
      this.#heardAt === undefined ? since + rank * step : Math.max(since, this.#heardAt) + (rank + 1) * step
    return rank === 0 && this.#heardAt === undefined ? base : base + this.#jitter * step * 0.5
  }

  /** How many come before this node: the leader, then the lower ids. `queue` is sorted. */
  #rank(queue: readonly NodeId[], alive: (id: NodeId) => boolean): number {
    if (this.#leader === this.#self) return queue.includes(this.#self) ? 0 : rankMax
    let rank = 0
    let listed = false
    for (const id of queue) {
      if (id === this.#self) listed = true
      else if ((id === this.#leader || !listed) && alive(id)) rank++
      if (rank >= rankMax) return rankMax
    }
    return listed ? rank : rankMax
  }
}
