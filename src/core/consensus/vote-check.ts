import type { NodeId } from '../model/ids.ts'
import type { VoteCheckMessage, VoteStamp } from '../model/message.ts'
import type { Register } from './register.ts'

/**
 * A restarted voter votes only after half of the other voters (rounded down over all) said that they know
 * no higher stamp of it. This finds most disks that were rolled back to an old copy, not all (protocol 2.1).
 */
export class VoteCheck {
  readonly #self: NodeId
  readonly #stamp: VoteStamp
  /** At the first boot there is nothing that could have been rolled back. */
  readonly #needed: boolean
  readonly #confirmed = new Set<NodeId>()
  #rolledBack = false
  /** It was allowed to vote in this boot, so that others may remember votes of this boot. */
  #allowed = false

  constructor(self: NodeId, bootCounter: number, register: Register | undefined) {
    this.#self = self
    this.#stamp = { bootCounter, voteSequence: register?.voteSequence ?? 0 }
    this.#needed = register !== undefined
  }

  /** Others remember votes that this disk does not: this node votes no more. */
  get rolledBack(): boolean {
    return this.#rolledBack
  }

  /** Whether this node may vote and propose among these voters. */
  mayVote(voters: readonly NodeId[]): boolean {
    if (this.#rolledBack) return false
    const progress = this.progress(voters)
    if (progress !== undefined && progress.have < progress.need) return false
    this.#allowed = true
    return true
  }

  /** Confirmations so far; undefined when none are needed or all are there. */
  progress(voters: readonly NodeId[]): { readonly have: number; readonly need: number } | undefined {
    if (!this.#needed || !voters.includes(this.#self)) return undefined
    const need = Math.floor(voters.length / 2)
    const have = voters.filter((voter) => this.#confirmed.has(voter)).length
    return have >= need ? undefined : { have, need }
  }

  /** Whether this peer should be asked. */
  asks(peer: NodeId, voters: readonly NodeId[]): boolean {
    return (
      peer !== this.#self &&
      voters.includes(peer) &&
      !this.#confirmed.has(peer) &&
      this.progress(voters) !== undefined
    )
  }

  question(): VoteCheckMessage {
    return { kind: 'vote-check', stamp: this.#stamp }
  }

  /**
   * Takes an answer; returns what is wrong if it shows that this disk is old. `voteSequence` is the register's now:
   * a node that voted for the charter in this boot, when nobody had to ask, is remembered for that too.
   */
  answered(
    from: NodeId,
    asked: VoteStamp,
    known: VoteStamp,
    voters: readonly NodeId[],
    voteSequence: number,
  ): string | undefined {
    const mine = this.#stamp
    if (asked.bootCounter !== mine.bootCounter || asked.voteSequence !== mine.voteSequence) return undefined
    if (!voters.includes(from) || from === this.#self || this.#rolledBack) return undefined
    const earlier = known.bootCounter < mine.bootCounter && known.voteSequence <= mine.voteSequence
    // To repeat an old answer is a vote of this boot, too, and leaves the sequence as it was.
    const votedSince = this.#allowed || voteSequence > mine.voteSequence
    const thisBoot = known.bootCounter === mine.bootCounter && known.voteSequence <= voteSequence
    if (earlier || (votedSince && thisBoot)) {
      this.#confirmed.add(from)
      return undefined
    }
    this.#rolledBack = true
    return `a voter remembers boot ${known.bootCounter}, vote ${known.voteSequence}; this disk holds boot ${mine.bootCounter}, vote ${mine.voteSequence}`
  }
}
