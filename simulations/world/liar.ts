import { voteClaim } from '../../src/core/consensus/electorate.ts'
import type { Crypto } from '../../src/core/model/crypto.ts'
import type { NodeId } from '../../src/core/model/ids.ts'
import type { AcceptMessage, Message, ProposeMessage } from '../../src/core/model/message.ts'
import type { CharterTerms, ClusterPlan } from '../../src/core/model/plan.ts'
import { planHash } from '../../src/core/model/plan-hash.ts'
import type { Random } from '../../src/core/model/random.ts'
import { isShownTwin } from '../plan/beyond-premise.ts'
import type { Fault } from '../plan/plan.ts'
import { badTwin, validTwin } from './twins.ts'

/** How a member lies. */
export type Lie = Extract<Fault, { kind: 'lie' }>['how']

/** Lies that give one vote two values: they count in w, as a copied disk does. */
export const doubleVotes: ReadonlySet<Lie> = new Set<Lie>(['equivocate', 'two-faced', 'bad-plan'])

/** What a forger writes into other people's records: a view that holds it took a record without a signature (S9). */
export const forgedNote = 'forged by a liar'

/** Messages that a flood adds to each one. */
const floodCount = 8
/** Messages that a replayer remembers. */
const replayMax = 32
/** Proposals that a liar remembers: it votes for the twin of one that it heard. */
const proposalsMax = 8

/** What the liar has: its own genuine key, and nothing of others. */
export interface LiarKit {
  readonly self: NodeId
  readonly crypto: Crypto
  readonly random: Random
}

/** A proposal and the other plan that the liar makes of it. */
interface Twin {
  readonly terms: CharterTerms | null
  readonly plan: ClusterPlan
}

/**
 * Sits between a genuine core and the network and turns its words into lies. It signs with its own key only: what it
 * makes up in another name carries a signature that its name never made.
 */
export class Liar {
  readonly #kit: LiarKit
  readonly how: Lie
  readonly #old: Message[] = []
  /** Twins of proposals, its own and others', by generation, parent and ballot. */
  readonly #twins = new Map<string, Twin>()

  constructor(kit: LiarKit, how: Lie) {
    this.#kit = kit
    this.how = how
  }

  /** Whose words it twists. */
  get id(): NodeId {
    return this.#kit.self
  }

  /** What the liar's own machine was told. */
  hear(message: Message): void {
    if (message.kind === 'propose' && this.how === 'equivocate') this.#twinOf(message)
    // Nobody can seal another member's words anew; what members hand on for each other can be told again later.
    const handedOn = ['gossip', 'statement', 'plan-chain'].includes(message.kind)
    if (this.how === 'replay' && handedOn) this.#keep(message)
  }

  /** What the peer gets instead of this message. */
  twist(to: NodeId, message: Message): readonly Message[] {
    switch (this.how) {
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
          : [message, ...this.#forged(to, message)]
      case 'newer':
        return [withUnknownField(message)]
      case 'equivocate':
        return this.#equivocated(to, message)
      case 'two-faced':
        return this.#twoFaced(to, message)
      case 'bad-plan':
        return this.#spoiled(message)
    }
  }

  #keep(message: Message): void {
    this.#old.push(message)
    if (this.#old.length > replayMax) this.#old.shift()
  }

  #replayed(message: Message): readonly Message[] {
    this.#keep(message)
    const old = this.#old[this.#kit.random.below(this.#old.length)]
    return old === undefined ? [] : [old]
  }

  /** The same message in somebody else's name, or with another content under an old signature. */
  #forged(to: NodeId, message: Message): readonly Message[] {
    const nobody = this.#kit.crypto.sign('muster/record/1', { forged: true })
    if (message.kind === 'gossip' || message.kind === 'hello') {
      const signed = message.kind === 'hello' ? message.record : message.records[0]
      if (signed === undefined || signed.record.nodeId === this.#kit.self) return []
      const record = { ...signed.record, note: forgedNote, sequence: signed.record.sequence + 1 }
      return [{ kind: 'gossip', records: [{ record, signature: signed.signature }], claims: [] }]
    }
    if (message.kind === 'statement') {
      const forged = { ...message.signed, signature: nobody }
      return [
        { kind: 'statement', signed: forged },
        { kind: 'statement', signed: { ...forged, signer: to } },
      ]
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

  /** One plan for some and another for the rest, and genuine votes for both to everybody: the proof against it. */
  #equivocated(to: NodeId, message: Message): readonly Message[] {
    if (message.kind === 'propose') return [this.#shown(to, message)]
    if (message.kind !== 'accept') return [message]
    const twin = this.#twinVote(message)
    if (twin === undefined) return [message]
    return this.#kit.random.unit() < 0.5 ? [message, twin] : [twin, message]
  }

  /** One plan for some and another for the rest, and to each the vote for what it was shown: only w allows for it. */
  #twoFaced(to: NodeId, message: Message): readonly Message[] {
    if (message.kind === 'propose') return [this.#shown(to, message)]
    if (message.kind !== 'accept' || !isShownTwin(to)) return [message]
    return [this.#twinVote(message) ?? message]
  }

  /** A plan that breaks a promise, rightly signed and voted for: the judge of each voter must refuse it. */
  #spoiled(message: Message): readonly Message[] {
    if (message.kind === 'propose') return [{ ...message, plan: this.#twinOf(message).plan }]
    if (message.kind !== 'accept' || message.ballot.proposer !== this.#kit.self) return [message]
    return [this.#twinVote(message) ?? message]
  }

  #shown(to: NodeId, message: ProposeMessage): ProposeMessage {
    const { plan } = this.#twinOf(message)
    return isShownTwin(to) ? { ...message, plan } : message
  }

  #twinOf({ ballot, plan, terms }: ProposeMessage): Twin {
    const { generation, parentHash } = plan.header
    const key = `${generation} ${parentHash} ${ballot.number} ${ballot.proposer}`
    const known = this.#twins.get(key)
    if (known !== undefined) return known
    const { crypto, random } = this.#kit
    const twin = {
      terms,
      plan: this.how === 'bad-plan' ? badTwin(plan, crypto, random) : validTwin(plan, crypto),
    }
    const oldest = this.#twins.keys().next()
    if (this.#twins.size >= proposalsMax && oldest.done !== true) this.#twins.delete(oldest.value)
    this.#twins.set(key, twin)
    return twin
  }

  /** A genuine vote of this member for the twin of what it votes for. */
  #twinVote(message: AcceptMessage): AcceptMessage | undefined {
    const { generation, parentHash, ballot } = message
    const twin = this.#twins.get(`${generation} ${parentHash} ${ballot.number} ${ballot.proposer}`)
    if (twin === undefined) return undefined
    const { self, crypto } = this.#kit
    const { networkId, epoch } = twin.plan.header
    const hash = planHash(twin.plan.header, crypto)
    const claim = voteClaim(
      { networkId, epoch, generation, parentHash, voters: [] },
      hash,
      ballot,
      twin.terms,
    )
    const signature = crypto.sign('muster/vote/1', claim)
    return { ...message, planHash: hash, vote: { voter: self, signature } }
  }
}

function withUnknownField<M extends Message>(message: M): M & { readonly sinceNextVersion: true } {
  return { ...message, sinceNextVersion: true }
}

function isVital(message: Message): boolean {
  return !['ping', 'ack', 'nack', 'ping-request', 'hello', 'gossip', 'digest', 'records-request'].includes(
    message.kind,
  )
}
