import type { Crypto } from '../../src/core/model/crypto.ts'
import type { NodeId } from '../../src/core/model/ids.ts'
import type { AcceptMessage, Message, ProposeMessage } from '../../src/core/model/message.ts'
import type { ClusterPlan } from '../../src/core/model/plan.ts'
import { planHash } from '../../src/core/model/plan-hash.ts'
import type { Random } from '../../src/core/model/random.ts'

/** How a member lies. */
export type Lie = 'equivocate' | 'forge' | 'flood' | 'withhold' | 'replay'

/** What a forger writes into other people's records: a view that holds it took a record without a signature (S9). */
export const forgedNote = 'forged by a liar'

/** Messages that a flood adds to each one. */
const floodCount = 8
/** Messages that a replayer remembers. */
const replayMax = 32

/** What the liar has: its own genuine key, and nothing of others. */
export interface LiarKit {
  readonly self: NodeId
  readonly crypto: Crypto
  readonly random: Random
}

/**
 * Sits between a genuine core and the network and turns its words into lies. It signs with its own key only: what it
 * makes up in another name carries a signature that its name never made.
 */
export class Liar {
  readonly #kit: LiarKit
  readonly #how: Lie
  readonly #heard: Message[] = []
  /** Twins of the plans that this liar proposed, by ballot. */
  readonly #twins = new Map<number, ClusterPlan>()

  constructor(kit: LiarKit, how: Lie) {
    this.#kit = kit
    this.#how = how
  }

  /** What the peer gets instead of this message. */
  twist(to: NodeId, message: Message): readonly Message[] {
    switch (this.#how) {
      case 'withhold':
        return isVital(message) ? [] : [message]
      case 'flood':
        return Array.from({ length: floodCount }, () => message)
      case 'replay':
        return [message, ...this.#replayed(message)]
      case 'forge':
        // The first answer that was asked for is read, and no other.
        return message.kind === 'secrets'
          ? [{ ...message, caHash: 'f'.repeat(64) }]
          : [message, ...this.#forged(message)]
      case 'equivocate':
        return this.#equivocated(to, message)
    }
  }

  #replayed(message: Message): readonly Message[] {
    this.#heard.push(message)
    if (this.#heard.length > replayMax) this.#heard.shift()
    const old = this.#heard[this.#kit.random.below(this.#heard.length)]
    return old === undefined ? [] : [old]
  }

  /** The same message in somebody else's name, or with another content under an old signature. */
  #forged(message: Message): readonly Message[] {
    const nobody = this.#kit.crypto.sign('muster/record/1', { forged: true })
    if (message.kind === 'gossip' || message.kind === 'hello') {
      const signed = message.kind === 'hello' ? message.record : message.records[0]
      if (signed === undefined || signed.record.nodeId === this.#kit.self) return []
      const record = { ...signed.record, note: forgedNote, sequence: signed.record.sequence + 1 }
      return [{ kind: 'gossip', records: [{ record, signature: signed.signature }], claims: [] }]
    }
    if (message.kind === 'statement') {
      const { statement } = message.signed
      return [{ kind: 'statement', signed: { ...message.signed, statement, signature: nobody } }]
    }
    if (message.kind === 'accept') {
      return [{ ...message, vote: { ...message.vote, signature: nobody } }]
    }
    if (message.kind === 'plan-chain') {
      const headers = message.headers.map((link, index) =>
        index === message.headers.length - 1
          ? { ...link, header: { ...link.header, phase: 'dissolved' as const } }
          : link,
      )
      return [{ ...message, headers, newest: null }]
    }
    return []
  }

  /** One plan for some and another for the rest, in one ballot; votes for both. */
  #equivocated(to: NodeId, message: Message): readonly Message[] {
    if (message.kind === 'propose') return [this.#twinProposal(to, message)]
    if (message.kind === 'accept') return [message, ...this.#twinVote(message)]
    return [message]
  }

  #twinProposal(to: NodeId, message: ProposeMessage): ProposeMessage {
    const { plan, ballot } = message
    if ((to.charCodeAt(to.length - 1) & 1) === 0) return message
    const clusterId = `f${plan.header.clusterId.slice(1)}`
    const twin =
      this.#twins.get(ballot.number) ??
      (plan.header.generation === 0 ? { ...plan, header: { ...plan.header, clusterId } } : plan)
    this.#twins.set(ballot.number, twin)
    return { ...message, plan: twin }
  }

  #twinVote(message: AcceptMessage): readonly Message[] {
    const twin = this.#twins.get(message.ballot.number)
    if (twin === undefined) return []
    const hash = planHash(twin.header, this.#kit.crypto)
    const { generation, parentHash, ballot } = message
    const { networkId, epoch } = twin.header
    const claim = { networkId, epoch, generation, parentHash, planHash: hash, ballot, terms: null }
    const signature = this.#kit.crypto.sign('muster/vote/1', claim)
    return [{ ...message, planHash: hash, vote: { voter: this.#kit.self, signature } }]
  }
}

function isVital(message: Message): boolean {
  return !['ping', 'ack', 'nack', 'ping-request', 'hello', 'gossip', 'digest', 'records-request'].includes(
    message.kind,
  )
}
