import type { Register } from '../../../src/core/consensus/register.ts'
import { emptyRegister } from '../../../src/core/consensus/register.ts'
import type { AcceptedValue } from '../../../src/core/model/message.ts'
import type { CharterTerms, ClusterPlan, Vote } from '../../../src/core/model/plan.ts'
import type { Setup } from './setup.ts'

// What a network can be in. Messages are never lost from it: one that was sent may be delivered at any time later, in any
// order, any number of times, or never. A promise and an accept are kept with the acceptor that sent it.

/** An acceptor said that it promised a ballot, and what it had accepted. */
export interface Promised {
  readonly ballot: number
  readonly accepted: AcceptedValue | null
  readonly key: string
}

/** An acceptor said that it accepted a plan in a ballot. */
export interface Accepted {
  readonly ballot: number
  readonly plan: ClusterPlan
  readonly vote: Vote
  readonly key: string
}

export interface Acceptor {
  readonly register: Register
  /** What a crash brings back. The very same as `register` where everything is synced. */
  readonly disk: Register
  /** Machines that it has heard of, sorted. */
  readonly view: string
  readonly promises: readonly Promised[]
  readonly accepts: readonly Accepted[]
  /** Answers that wait for the sync. */
  readonly unsent: readonly (Promised | Accepted)[]
  readonly key: string
}

export interface Proposer {
  /** The number that its disk holds as used; -1: none. */
  readonly used: number
  /** The ballot for which it gathers promises; -1: none. */
  readonly attempt: number
}

/** A ballot as far as it was sent. */
export interface BallotState {
  /** Undefined: not begun. */
  readonly terms: CharterTerms | null | undefined
  readonly proposals: readonly ClusterPlan[]
}

export interface State {
  readonly acceptors: readonly Acceptor[]
  readonly proposers: readonly Proposer[]
  readonly ballots: readonly BallotState[]
  readonly wipes: number
  readonly crashes: number
  readonly restarts: number
  readonly lostBallots: number
  readonly meetings: number
}

export function startOf(setup: Setup): State {
  const { rules, electorate, ids, acceptors, proposers, ballots } = setup
  const { wipes = 0, crashes = 0, restarts = 0, lostBallots = 0, meetings = 0 } = rules.faults ?? {}
  const knows = rules.decision.kind === 'charter' ? rules.decision.knows : undefined
  const register = emptyRegister(electorate.generation, electorate.parentHash)
  return {
    acceptors: acceptors.map((id) =>
      withKey(setup, {
        register,
        disk: register,
        view: knows?.[id] ?? ids.join(''),
        promises: [],
        accepts: [],
        unsent: [],
      }),
    ),
    proposers: proposers.map(() => ({ used: -1, attempt: -1 })),
    ballots: ballots.map(() => ({ terms: undefined, proposals: [] })),
    wipes,
    crashes,
    restarts,
    lostBallots,
    meetings,
  }
}

/** An acceptor with the text that tells it from all others, names apart. */
export function withKey(setup: Setup, acceptor: Omit<Acceptor, 'key'>): Acceptor {
  const { register, disk, view, promises, accepts, unsent } = acceptor
  const facts = (list: readonly { readonly key: string }[]): string =>
    list
      .map((one) => one.key)
      .toSorted()
      .join('')
  const parts = [registerKey(setup, register), facts(promises), facts(accepts)]
  if (disk !== register || unsent.length > 0) parts.push(registerKey(setup, disk), facts(unsent))
  if (view.length < setup.ids.length) parts.push(`~${view}`)
  return { ...acceptor, key: parts.join(',') }
}

/** A register without its sequence and the stamps of others: no step of this model reads them. */
function registerKey(setup: Setup, { promised, accepted }: Register): string {
  const ballot = promised === null ? '' : setup.rankOf(promised)
  return accepted === null ? `${ballot}` : `${ballot}${acceptedKey(setup, accepted)}`
}

/** What was accepted, in which ballot and, at the birth, under which list: all that the vote signs. */
export function acceptedKey(setup: Setup, { ballot, plan, terms }: Omit<AcceptedValue, 'vote'>): string {
  return `=${setup.rankOf(ballot)}${terms?.list.join('') ?? ''}${setup.nameOf(plan)}`
}

/** The text of a state: acceptors that are alike but for their names come in one order. */
export function keyOf(setup: Setup, state: State): string {
  const { wipes, crashes, restarts, lostBallots, meetings } = state
  return [
    acceptorsKey(setup, state),
    state.proposers.map(({ used, attempt }) => `${used + 1}${attempt + 1}`).join(''),
    state.ballots.map((ballot) => ballotStateKey(setup, ballot)).join(' '),
    `${wipes}${crashes}${restarts}${lostBallots}${meetings}`,
  ].join('|')
}

function acceptorsKey({ symmetric, ids, acceptors: keys }: Setup, { acceptors }: State): string {
  if (!symmetric) return acceptors.map((one) => one.key).join(';')
  if (ids.length === keys.length)
    return acceptors
      .map((one) => one.key)
      .toSorted()
      .join(';')
  const groups = ids.map((id) =>
    acceptors
      .filter((_, index) => keys[index] === id)
      .map((one) => one.key)
      .toSorted()
      .join('&'),
  )
  return groups.toSorted().join(';')
}

function ballotStateKey(setup: Setup, { terms, proposals }: BallotState): string {
  if (terms === undefined) return ''
  const list = terms === null ? '' : terms.list.join('')
  return `+${list}${proposals.map(setup.nameOf).toSorted().join('')}`
}
