import type { ConsensusOutput } from '../../../src/core/consensus/consensus.ts'
import { Consensus } from '../../../src/core/consensus/consensus.ts'
import type { Electorate } from '../../../src/core/consensus/electorate.ts'
import type { Register } from '../../../src/core/consensus/register.ts'
import type { NodeId } from '../../../src/core/model/ids.ts'
import type { ConsensusMessage } from '../../../src/core/model/message.ts'
import type { ClusterPlan } from '../../../src/core/model/plan.ts'
import { planHash } from '../../../src/core/model/plan-hash.ts'
import { Random } from '../../../src/core/model/random.ts'
import { defaultTimers } from '../../../src/core/model/spec.ts'
import { cryptoOf, digests, planFor } from './decisions.ts'

// Production consensus of some voters on a network that loses, repeats and reorders, and on machines that lose
// power between any two outputs. What was persisted survives; nothing else does. No real time passes.

interface Voter {
  readonly self: NodeId
  readonly mark: number
  consensus: Consensus
  disk: Register | undefined
  boots: number
}

interface Letter {
  readonly from: NodeId
  readonly to: NodeId
  readonly message: ConsensusMessage
}

export interface Weather {
  /** Share of letters that are lost, and that come twice. */
  readonly loss: number
  readonly repeats: number
  /** Share of drained outputs at which the power fails. */
  readonly crashes: number
}

export const calm: Weather = { loss: 0, repeats: 0, crashes: 0 }

export class Voters {
  readonly #electorate: Electorate
  readonly #random: Random
  readonly #voters: readonly Voter[]
  #letters: Letter[] = []
  #now = 0
  weather: Weather
  /** Hashes of the plans that were certified anywhere. */
  readonly certified: Set<string> = new Set()
  /** Who certified, in its present life. */
  readonly informed: Set<NodeId> = new Set()
  /** Ballot -> hashes proposed in it. */
  readonly proposed: Map<string, Set<string>> = new Map()
  readonly misconduct: string[] = []
  readonly rolledBack: string[] = []
  /** Letters that told of more than the disk held when they left. */
  readonly unwritten: Letter[] = []
  crashes = 0

  constructor(electorate: Electorate, seed: Uint8Array, weather: Weather) {
    this.#electorate = electorate
    this.#random = new Random(seed)
    this.weather = weather
    this.#voters = electorate.voters.map((self, index) => ({
      self,
      mark: index + 1,
      consensus: this.#consensus(self, index + 1, 1, undefined),
      disk: undefined,
      boots: 1,
    }))
  }

  run(forMs: number): void {
    const end = this.#now + forMs
    while (this.#now < end) {
      this.#now += 50
      const letters = this.#random.sample(this.#letters, this.#letters.length)
      this.#letters = []
      for (const letter of letters) this.#deliver(letter)
      for (const voter of this.#voters) {
        voter.consensus.want(true, this.#now)
        const due = voter.consensus.nextDeadline()
        if (due !== undefined && due <= this.#now) {
          voter.consensus.handleDeadline(this.#now)
          this.#carryOut(voter)
        }
      }
    }
  }

  #deliver(letter: Letter): void {
    const chance = this.#random.unit()
    if (chance < this.weather.loss) return
    if (chance > 1 - this.weather.repeats) this.#letters.push(letter)
    const voter = this.#voters.find((one) => one.self === letter.to)
    if (voter === undefined) return
    voter.consensus.handle(letter.from, letter.message, this.#now)
    this.#carryOut(voter)
  }

  #carryOut(voter: Voter): void {
    for (const output of voter.consensus.drain()) {
      if (this.#random.unit() < this.weather.crashes) return this.#crash(voter)
      this.#carry(voter, output)
    }
  }

  #carry(voter: Voter, output: ConsensusOutput): void {
    switch (output.kind) {
      case 'persist':
        voter.disk = output.register
        return
      case 'certified':
        this.certified.add(planHash(output.certified.plan.header, digests))
        this.informed.add(voter.self)
        return
      case 'misconduct':
        this.misconduct.push(output.detail)
        return
      case 'rolled-back':
        this.rolledBack.push(output.detail)
        return
      case 'send': {
        const letter = { from: voter.self, to: output.to, message: output.message }
        if (!isWritten(letter, voter.disk)) this.unwritten.push(letter)
        this.#note(output.message)
        this.#letters.push(letter)
      }
    }
  }

  #note(message: ConsensusMessage): void {
    if (message.kind !== 'propose') return
    const key = `${message.ballot.number}/${message.ballot.proposer}`
    const hashes = this.proposed.get(key) ?? new Set()
    this.proposed.set(key, hashes.add(planHash(message.plan.header, digests)))
  }

  #crash(voter: Voter): void {
    this.crashes += 1
    voter.boots += 1
    this.informed.delete(voter.self)
    // Another draft than in its last life: a ballot that is used again would carry two values.
    voter.consensus = this.#consensus(voter.self, voter.mark + 10 * voter.boots, voter.boots, voter.disk)
    for (const peer of this.#electorate.voters) voter.consensus.peerUp(peer)
    for (const output of voter.consensus.drain()) this.#carry(voter, output)
  }

  #consensus(self: NodeId, mark: number, bootCounter: number, register: Register | undefined): Consensus {
    const draft: ClusterPlan = planFor(this.#electorate, mark)
    return new Consensus(
      {
        self,
        bootCounter,
        crypto: cryptoOf(self),
        random: this.#random,
        timers: defaultTimers,
        electorate: this.#electorate,
        register,
        leader: undefined,
        now: this.#now,
      },
      {
        terms: () => undefined,
        electors: () => [],
        admits: () => ({ ok: true }),
        hear: () => undefined,
        alive: () => true,
        judge: () => ({ ok: true }),
        draft: () => draft,
      },
    )
  }
}

/** Whether the disk holds everything that this letter tells of. */
function isWritten({ from, message }: Letter, disk: Register | undefined): boolean {
  switch (message.kind) {
    case 'prepare':
    case 'propose':
      return message.ballot.proposer !== from || (disk?.proposedNumber ?? -1) >= message.ballot.number
    case 'promise':
    case 'accept':
      return (disk?.voteSequence ?? 0) >= message.stamp.voteSequence
    default:
      return true
  }
}
