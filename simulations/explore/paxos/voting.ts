import type { AcceptorContext, Verdict } from '../../../src/core/consensus/acceptor.ts'
import { acceptPrepare, acceptPropose } from '../../../src/core/consensus/acceptor.ts'
import type { Register } from '../../../src/core/consensus/register.ts'
import type { NodeId } from '../../../src/core/model/ids.ts'
import type { AcceptedValue } from '../../../src/core/model/message.ts'
import type { Ballot, CharterTerms, ClusterPlan } from '../../../src/core/model/plan.ts'
import type { BirthSituation } from '../../../src/core/node/birth.ts'
import { admitBirth } from '../../../src/core/node/birth.ts'
import { memberOf, specHash } from '../site.ts'
import type { Safeguard } from './rules.ts'
import type { Setup } from './setup.ts'
import type { Accepted, Acceptor, Promised } from './state.ts'
import { acceptedKey, withKey } from './state.ts'

// The voter: production acceptor, production admission, production judge. A step is a pure function of the voter and the
// message, so each is computed once and remembered.

/** A voter after a message, and the view that it answered a refusal with. */
export interface Voted {
  readonly acceptor: Acceptor
  readonly view: string
}

export type Question =
  | { readonly kind: 'prepare'; readonly ballot: number; readonly terms: CharterTerms | null }
  | {
      readonly kind: 'propose'
      readonly ballot: number
      readonly terms: CharterTerms | null
      readonly plan: ClusterPlan
    }

/** What the rules of birth depend on, for a machine that has heard of these. */
export function situationOf({ rules }: Setup, self: NodeId, view: string): BirthSituation {
  const setting = rules.decision.kind === 'charter' ? rules.decision.setting : { mode: 'auto' as const }
  const seen = Array.from(view)
  return {
    self,
    setting,
    specHash,
    controlPlane: 1,
    durable: true,
    seen,
    view: { self, members: seen.filter((id) => id !== self).map((id) => memberOf(id, setting)) },
    planHeard: false,
    holdMs: 0,
    without: [],
  }
}

/** Two views as one. */
export function merged(view: string, other: string): string {
  return [...new Set(Array.from(view + other))].toSorted().join('')
}

/** The voters of a setup, with a memory of their steps. */
export function votersOf(setup: Setup): (index: number, acceptor: Acceptor, question: Question) => Voted {
  const memory = setup.acceptors.map(() => new Map<string, Voted>())
  return (index, acceptor, question) => {
    const { kind, ballot, terms } = question
    const plan = kind === 'propose' ? setup.nameOf(question.plan) : ''
    const key = `${acceptor.key}<${ballot}${plan}${terms?.list.join('') ?? ''}`
    const known = memory[index]?.get(key)
    if (known !== undefined) return known
    const voted = vote(setup, setup.acceptors[index] as NodeId, acceptor, question)
    memory[index]?.set(key, voted)
    return voted
  }
}

function vote(setup: Setup, self: NodeId, acceptor: Acceptor, question: Question): Voted {
  const { terms } = question
  const ballot = setup.ballots[question.ballot] as Ballot
  // As in production: the list is heard before the question is answered.
  const view = merged(acceptor.view, terms?.list.join('') ?? '')
  const context = contextOf(setup, self, view, question.kind)
  const { generation, parentHash } = setup.electorate
  const heard = view === acceptor.view ? acceptor : withKey(setup, { ...acceptor, view })
  if (question.kind === 'prepare') {
    const message = { kind: 'prepare', generation, parentHash, ballot, terms } as const
    const { register, reply } = acceptPrepare(heard.register, ballot.proposer, message, context)
    if (reply.kind === 'refuse') return { acceptor: heard, view: reply.view.join('') }
    const accepted = reply.kind === 'promise' ? reply.accepted : null
    return {
      acceptor: answer(setup, heard, register, promisedOf(setup, question.ballot, accepted)),
      view: '',
    }
  }
  const { plan } = question
  const message = { kind: 'propose', ballot, plan, terms } as const
  const { register, reply } = acceptPropose(heard.register, ballot.proposer, message, context)
  if (reply.kind !== 'accept') return { acceptor: heard, view: '' }
  const key = `>${acceptedKey(setup, { ballot, plan, terms })}`
  const accepted: Accepted = { ballot: question.ballot, plan, vote: reply.vote, key }
  return { acceptor: answer(setup, heard, register, accepted), view: '' }
}

function promisedOf(setup: Setup, ballot: number, accepted: AcceptedValue | null): Promised {
  const key = `<${ballot}${accepted === null ? '' : acceptedKey(setup, accepted)}`
  return { ballot, accepted, key }
}

/** The register is written, and the answer leaves once it is synced (or at once, where that safeguard is missing). */
function answer(setup: Setup, before: Acceptor, register: Register, said: Promised | Accepted): Acceptor {
  const { rules } = setup
  const early = rules.without === 'persist-before-reply'
  const lazy = early || (rules.faults?.crashes ?? 0) > 0
  const after = { ...before, register, disk: lazy ? before.disk : register }
  return after.disk === register || early
    ? send(setup, after, [said])
    : withKey(setup, { ...after, unsent: added(before.unsent, said) })
}

/** The voter with these answers on the wire. */
function send(
  setup: Setup,
  acceptor: Omit<Acceptor, 'key'>,
  said: readonly (Promised | Accepted)[],
): Acceptor {
  let { promises, accepts } = acceptor
  for (const one of said) {
    if ('vote' in one) accepts = added(accepts, one)
    else promises = added(promises, one)
  }
  return withKey(setup, { ...acceptor, promises, accepts })
}

function added<T extends { readonly key: string }>(list: readonly T[], one: T): readonly T[] {
  return list.some((other) => other.key === one.key) ? list : [...list, one]
}

/** What is in memory reaches the disk, and the answers leave. */
export function synced(setup: Setup, acceptor: Acceptor): Acceptor {
  return send(setup, { ...acceptor, disk: acceptor.register, unsent: [] }, acceptor.unsent)
}

function contextOf(setup: Setup, self: NodeId, view: string, phase: Question['kind']): AcceptorContext {
  const { without } = setup.rules
  const ok: Verdict = { ok: true }
  const off: readonly (Safeguard | undefined)[] = [
    'admission',
    phase === 'prepare' ? 'admission-to-promise' : 'admission-to-accept',
  ]
  return {
    self,
    bootCounter: 1,
    electorate: setup.electorate,
    crypto: setup.cryptoOf(self),
    admits: (terms, proposer) =>
      off.includes(without) ? ok : admitBirth(situationOf(setup, self, view), terms, proposer),
    judge: (plan) => (without === 'judge' ? ok : setup.judge(plan)),
  }
}
