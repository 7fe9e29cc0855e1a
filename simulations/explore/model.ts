import type { AcceptorContext } from '../../src/core/consensus/acceptor.ts'
import { acceptPrepare, acceptPropose } from '../../src/core/consensus/acceptor.ts'
import { ballotKey } from '../../src/core/consensus/ballot.ts'
import { certify } from '../../src/core/consensus/certificate.ts'
import { chooseValue } from '../../src/core/consensus/choose.ts'
import type { Electorate } from '../../src/core/consensus/electorate.ts'
import type { Register } from '../../src/core/consensus/register.ts'
import { emptyRegister } from '../../src/core/consensus/register.ts'
import type { Crypto } from '../../src/core/model/crypto.ts'
import type { NodeId } from '../../src/core/model/ids.ts'
import type { AcceptedValue, AcceptMessage, ProposeMessage } from '../../src/core/model/message.ts'
import type { Ballot, CharterTerms, ClusterPlan, Vote } from '../../src/core/model/plan.ts'
import { defaultSpec } from '../../src/core/model/spec.ts'

// A small network of acceptors and proposers around the *production* steps. A state is what a network can be in:
// the registers, every message that was ever sent (delivered in any order, any number of times, or never), and
// what may still go wrong. Prepares are always deliverable: more behaviours than real, never fewer.

/** What a scenario explores, and which safeguard it takes away. */
export interface Rules {
  readonly nodes: number
  readonly ballots: number
  /** Generation 0: the terms of each ballot. Undefined: generation 1 with all nodes as voters. */
  readonly terms: ((ballot: number) => CharterTerms) | undefined
  /** Registers that may be emptied under the same identity. */
  readonly wipes?: number
  /** Crashes in which a register goes back to what was last written. */
  readonly crashes?: number
  /** `auto`: who has heard of whom at the start; views grow by any proposal. */
  readonly views?: readonly (readonly number[])[]
  /** Whom each ballot's messages can reach; undefined: everybody. Fewer behaviours, for a longer story. */
  readonly reach?: readonly (readonly number[])[]
  /** Safeguards taken away, to see the violation that they prevent. */
  readonly without?: 'one-ballot-certificates' | 'persisted-ballots' | 'persist-before-reply'
}

export interface State {
  readonly registers: readonly Register[]
  /** What a crash brings back; the same as `registers` where everything is persisted first. */
  readonly disks: readonly Register[]
  readonly views: readonly (readonly number[])[]
  readonly promises: ReadonlyMap<
    string,
    { readonly ballot: number; readonly from: number; readonly accepted: AcceptedValue | null }
  >
  readonly proposals: ReadonlyMap<string, ProposeMessage>
  readonly accepts: ReadonlyMap<string, AcceptMessage>
  readonly wipes: number
  readonly crashes: number
}

const hex = (text: string): string => text.padStart(64, '0')

/** Digests are tags, signatures are names: nobody can make another's, and nothing is hashed. */
export function taggedCrypto(self: NodeId): Crypto {
  return {
    digest: (_, value) => ('bodyHash' in value ? String(value.bodyHash) : 'digest'),
    sign: () => Uint8Array.of(self.charCodeAt(0)),
    verify: (signer, _, __, signature) => signature[0] === signer.charCodeAt(0),
    verifyOperator: () => true,
  }
}

export class Model {
  readonly rules: Rules
  readonly ids: readonly NodeId[]
  readonly #electorate: Electorate
  readonly #crypto: readonly Crypto[]
  readonly #plans: readonly ClusterPlan[]

  constructor(rules: Rules) {
    this.rules = rules
    this.ids = Array.from({ length: rules.nodes }, (_, index) => String.fromCharCode(97 + index))
    this.#electorate = {
      networkId: hex('1'),
      epoch: 0,
      generation: rules.terms === undefined ? 1 : 0,
      parentHash: rules.terms === undefined ? hex('2') : '',
      voters: rules.terms === undefined ? this.ids : [],
    }
    this.#crypto = this.ids.map(taggedCrypto)
    this.#plans = Array.from({ length: rules.ballots + 1 }, (_, index) => this.#plan(index))
  }

  start(): State {
    const { generation, parentHash } = this.#electorate
    const registers = this.ids.map(() => emptyRegister(generation, parentHash))
    return {
      registers,
      disks: registers,
      views: this.rules.views ?? [],
      promises: new Map(),
      proposals: new Map(),
      accepts: new Map(),
      wipes: this.rules.wipes ?? 0,
      crashes: this.rules.crashes ?? 0,
    }
  }

  /** Two states with one key behave alike. */
  key(state: State): string {
    const register = ({ promised, accepted }: Register): string =>
      `${promised?.number ?? ''}:${accepted === null ? '' : `${accepted.ballot.number}=${accepted.plan.header.bodyHash.slice(-2)}`}`
    const lazy = this.rules.without === 'persist-before-reply' ? state.disks.map(register).join(',') : ''
    return [
      state.registers.map(register).join(','),
      lazy,
      state.views.map((view) => view.join('')).join(','),
      [...state.promises.keys()].toSorted().join(' '),
      [...state.proposals.keys()].toSorted().join(' '),
      [...state.accepts.keys()].toSorted().join(' '),
      `${state.wipes}${state.crashes}`,
    ].join('|')
  }

  /** Everything that can happen next. */
  *next(state: State): Generator<State> {
    for (let ballot = 0; ballot < this.rules.ballots; ballot++) {
      for (let node = 0; node < this.ids.length; node++) yield* this.#deliverPrepare(state, ballot, node)
      yield* this.#propose(state, ballot)
    }
    for (const proposal of state.proposals.values()) {
      for (let node = 0; node < this.ids.length; node++) yield* this.#deliverPropose(state, proposal, node)
    }
    const { generation, parentHash } = this.#electorate
    for (let node = 0; node < this.ids.length; node++) {
      if (state.wipes > 0 && state.registers[node]!.promised !== null) {
        const empty = emptyRegister(generation, parentHash)
        yield { ...this.#write(state, node, empty, true), wipes: state.wipes - 1 }
      }
      if (state.crashes > 0 && state.disks[node] !== state.registers[node]) {
        yield {
          ...state,
          registers: state.registers.with(node, state.disks[node]!),
          crashes: state.crashes - 1,
        }
      }
      if (this.rules.without === 'persist-before-reply' && state.disks[node] !== state.registers[node]) {
        yield { ...state, disks: state.disks.with(node, state.registers[node]!) }
      }
    }
  }

  /** The invariant that this state breaks, or undefined. */
  violation(state: State): string | undefined {
    const byBallot = new Map<number, string>()
    for (const { ballot, plan } of state.proposals.values()) {
      const held = byBallot.get(ballot.number)
      if (held !== undefined && held !== plan.header.bodyHash) return 'S12: one ballot carries two values'
      byBallot.set(ballot.number, plan.header.bodyHash)
    }
    const certified = this.#certified(state)
    return certified.size > 1 ? `S1: ${certified.size} certified plans in one generation` : undefined
  }

  /** The plans that somebody could hold a certificate for. */
  #certified(state: State): ReadonlySet<string> {
    const groups = new Map<string, { ballot: Ballot; hash: string; votes: Map<NodeId, Vote> }>()
    for (const { ballot, planHash, vote } of state.accepts.values()) {
      const mixed = this.rules.without === 'one-ballot-certificates'
      const key = mixed ? planHash : `${ballotKey(ballot)} ${planHash}`
      const group = groups.get(key) ?? { ballot, hash: planHash, votes: new Map<NodeId, Vote>() }
      groups.set(key, group)
      group.votes.set(vote.voter, vote)
    }
    const certified = new Set<string>()
    for (const { ballot, hash, votes } of groups.values()) {
      if (certify(this.#electorate, ballot, this.#terms(ballot.number), votes) !== undefined)
        certified.add(hash)
    }
    return certified
  }

  *#deliverPrepare(state: State, number: number, node: number): Generator<State> {
    if (!this.#reaches(number, node)) return
    const terms = this.#terms(number)
    const { generation, parentHash } = this.#electorate
    const ballot = this.#ballot(number)
    const heard = this.#hear(state, node, terms)
    const message = { kind: 'prepare', generation, parentHash, ballot, terms } as const
    const step = acceptPrepare(heard.registers[node]!, ballot.proposer, message, this.#context(heard, node))
    const written = this.#write(heard, node, step.register)
    if (step.reply.kind !== 'promise') {
      if (heard !== state) yield written
      return
    }
    const { accepted } = step.reply
    const key = `${number}<${node}${accepted === null ? '' : `@${accepted.ballot.number}=${accepted.plan.header.bodyHash.slice(-2)}`}`
    // Once a ballot has its proposal nobody reads its promises again.
    if (this.#isProposed(state, number)) {
      if (written !== state) yield written
      return
    }
    yield { ...written, promises: new Map(state.promises).set(key, { ballot: number, from: node, accepted }) }
  }

  #reaches(ballot: number, node: number): boolean {
    return this.rules.reach?.[ballot]?.includes(node) ?? true
  }

  #isProposed(state: State, number: number): boolean {
    if (this.rules.without === 'persisted-ballots') return false
    return [...state.proposals.values()].some((one) => one.ballot.number === number)
  }

  /** The proposer may have heard any set of promises; each obliges it as production says. */
  *#propose(state: State, number: number): Generator<State> {
    const used = [...state.proposals.values()].some((one) => one.ballot.number === number)
    if (used && this.rules.without !== 'persisted-ballots') return
    const ballot = this.#ballot(number)
    const terms = this.#terms(number)
    const heard = [...state.promises.values()].filter((promise) => promise.ballot === number)
    for (const some of subsets(heard)) {
      const promises = new Map(some.map(({ from, accepted }) => [this.ids[from]!, accepted]))
      if (promises.size !== some.length) continue
      const choice = chooseValue(this.#electorate, terms, promises, this.#crypto[0]!)
      if (choice.kind === 'wait' || choice.kind === 'chosen') continue
      const plans =
        choice.kind === 'adopt' ? [choice.plan] : used ? [this.#plans.at(-1)!] : [this.#plans[number]!]
      for (const plan of plans) {
        const key = `${number}!${plan.header.bodyHash.slice(-2)}`
        if (state.proposals.has(key)) continue
        yield {
          ...state,
          proposals: new Map(state.proposals).set(key, { kind: 'propose', ballot, plan, terms }),
        }
      }
    }
  }

  *#deliverPropose(state: State, proposal: ProposeMessage, node: number): Generator<State> {
    if (!this.#reaches(proposal.ballot.number, node)) return
    const heard = this.#hear(state, node, proposal.terms)
    const step = acceptPropose(
      heard.registers[node]!,
      proposal.ballot.proposer,
      proposal,
      this.#context(heard, node),
    )
    if (step.reply.kind !== 'accept') return
    const key = `${proposal.ballot.number}>${node}${step.reply.planHash.slice(-2)}`
    yield { ...this.#write(heard, node, step.register), accepts: new Map(state.accepts).set(key, step.reply) }
  }

  /** `auto`: a voter first adds the list to its view. */
  #hear(state: State, node: number, terms: CharterTerms | null): State {
    const view = state.views[node]
    if (view === undefined || terms === null) return state
    const grown = [...new Set([...view, ...terms.list.map((id) => this.ids.indexOf(id))])].toSorted(
      (a, b) => a - b,
    )
    return grown.length === view.length ? state : { ...state, views: state.views.with(node, grown) }
  }

  #write(state: State, node: number, register: Register, synced = false): State {
    if (register === state.registers[node] && !synced) return state
    const registers = state.registers.with(node, register)
    const lazy = this.rules.without === 'persist-before-reply' && !synced
    return { ...state, registers, disks: lazy ? state.disks : state.disks.with(node, register) }
  }

  #context(state: State, node: number): AcceptorContext {
    return {
      self: this.ids[node]!,
      bootCounter: 1,
      electorate: this.#electorate,
      crypto: this.#crypto[node]!,
      admits: (terms) => {
        const view = state.views[node]
        const inside = view?.every((index) => terms.list.includes(this.ids[index]!)) ?? true
        return inside ? { ok: true } : { ok: false, reason: 'ViewNotInList', message: '' }
      },
      judge: () => ({ ok: true }),
    }
  }

  #terms(ballot: number): CharterTerms | null {
    return this.rules.terms?.(ballot) ?? null
  }

  #ballot(number: number): Ballot {
    return { number, proposer: this.ids[number % this.ids.length]! }
  }

  #plan(index: number): ClusterPlan {
    const { networkId, epoch, generation, parentHash } = this.#electorate
    return {
      header: {
        networkId,
        epoch,
        generation,
        parentHash,
        clusterId: '',
        phase: generation === 0 ? 'chartered' : index % 2 === 0 ? 'active' : 'granted',
        voters: this.ids,
        grant: null,
        openChange: null,
        bodyHash: hex(`p${index}`),
      },
      body: {
        spec: defaultSpec,
        operatorKey: 'none',
        operatorSerial: 0,
        prefix6: '',
        caHash: '',
        assignments: [],
        retired: [],
        evidence: [],
      },
    }
  }
}

function* subsets<T>(items: readonly T[]): Generator<readonly T[]> {
  for (let mask = 1; mask < 1 << items.length; mask++)
    yield items.filter((_, index) => (mask & (1 << index)) !== 0)
}
