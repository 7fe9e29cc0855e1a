import { emptyRegister } from '../../../src/core/consensus/register.ts'
import type { NodeId } from '../../../src/core/model/ids.ts'
import type { Ballot } from '../../../src/core/model/plan.ts'
import type { Machine, Step } from '../search.ts'
import { invariantsOf } from './invariants.ts'
import { mayBegin, proposable, termsOf } from './proposing.ts'
import type { Rules } from './rules.ts'
import type { Setup } from './setup.ts'
import { setUp } from './setup.ts'
import type { Acceptor, Promised, State } from './state.ts'
import { keyOf, startOf, withKey } from './state.ts'
import type { Question, Voted } from './voting.ts'
import { merged, synced, votersOf } from './voting.ts'

type Vote = (index: number, acceptor: Acceptor, question: Question) => Voted

/** One decision of a small network around the production steps, as something to explore. */
export function decisionMachine(rules: Rules): Machine<State> {
  const setup = setUp(rules)
  const vote = votersOf(setup)
  return {
    start: startOf(setup),
    key: (state) => keyOf(setup, state),
    violation: invariantsOf(setup),
    *next(state) {
      for (let rank = 0; rank < setup.ballots.length; rank++) {
        yield* begin(setup, state, rank)
        yield* ask(setup, vote, state, rank)
        yield* propose(setup, state, rank)
      }
      yield* mishaps(setup, state)
    },
  }
}

/** A proposer writes the number down and asks for promises. */
function* begin(setup: Setup, state: State, rank: number): Generator<Step<State>> {
  const ballot = setup.ballots[rank] as Ballot
  for (const [index, { used, attempt }] of state.proposers.entries()) {
    if (attempt === rank || !mayBegin(setup.proposers[index] as NodeId, used, ballot)) continue
    const terms = state.ballots[rank]?.terms ?? termsOf(setup, state, ballot.proposer)
    if (terms === undefined) continue
    const proposals = state.ballots[rank]?.proposals ?? []
    yield {
      label: `${ballot.proposer} begins ballot ${name(setup, rank)}${terms === null || terms.list.length === 0 ? '' : ` with ${terms.list.join('')}`}`,
      state: closed(setup, {
        ...state,
        ballots: state.ballots.with(rank, { terms, proposals }),
        proposers: state.proposers.with(index, { used: ballot.number, attempt: rank }),
      }),
    }
  }
}

/** The ballot's questions reach voters. */
function* ask(setup: Setup, vote: Vote, state: State, rank: number): Generator<Step<State>> {
  const { terms, proposals } = state.ballots[rank] as State['ballots'][number]
  if (terms === undefined) return
  const questions: Question[] = [
    { kind: 'prepare', ballot: rank, terms },
    ...proposals.map((plan) => ({ kind: 'propose', ballot: rank, terms, plan }) as const),
  ]
  for (const question of questions) {
    for (const [index, before] of state.acceptors.entries()) {
      const { acceptor, view } = vote(index, before, question)
      const answered = acceptor === before ? state : at(state, index, acceptor)
      const what =
        question.kind === 'prepare'
          ? 'is asked to promise'
          : `is offered plan ${setup.nameOf(question.plan)} in`
      const label = `${setup.acceptors[index]} ${what} ballot ${name(setup, rank)}`
      if (answered !== state) yield { label, state: closed(setup, answered) }
      if (view === '') continue
      // A refusal may reach the proposer, which learns the view from it.
      const asker = setup.acceptors.indexOf(setup.ballots[rank]?.proposer ?? '')
      const learned = hears(setup, answered, asker, view)
      if (learned !== answered) yield { label: `${label}, refuses, and is heard`, state: learned }
    }
  }
}

/** The proposer makes up its mind. */
function* propose(setup: Setup, state: State, rank: number): Generator<Step<State>> {
  for (const [index, proposer] of state.proposers.entries()) {
    if (proposer.attempt !== rank) continue
    for (const plan of proposable(setup, state, rank)) {
      const ballot = state.ballots[rank] as State['ballots'][number]
      const known = ballot.proposals.some((one) => setup.nameOf(one) === setup.nameOf(plan))
      const proposals = known ? ballot.proposals : [...ballot.proposals, plan]
      yield {
        label: `${setup.proposers[index]} proposes plan ${setup.nameOf(plan)} in ballot ${name(setup, rank)}`,
        state: closed(setup, {
          ...state,
          ballots: state.ballots.with(rank, { ...ballot, proposals }),
          proposers: state.proposers.with(index, { ...proposer, attempt: -1 }),
        }),
      }
    }
  }
}

/** What may go wrong. */
function* mishaps(setup: Setup, state: State): Generator<Step<State>> {
  const { electorate, ids } = setup
  for (const [index, acceptor] of state.acceptors.entries()) {
    const id = setup.acceptors[index]
    const { register, disk, unsent } = acceptor
    if (disk !== register) {
      yield { label: `${id} syncs`, state: at(state, index, synced(setup, acceptor)) }
      if (state.crashes > 0) {
        const crashed = withKey(setup, { ...acceptor, register: disk, unsent: [] })
        yield {
          label: `${id} loses power`,
          state: { ...at(state, index, crashed), crashes: state.crashes - 1 },
        }
      }
    }
    if (state.wipes > 0 && (register.promised !== null || unsent.length > 0)) {
      const empty = emptyRegister(electorate.generation, electorate.parentHash)
      const wiped = withKey(setup, { ...acceptor, register: empty, disk: empty, unsent: [] })
      yield { label: `${id} loses its votes`, state: { ...at(state, index, wiped), wipes: state.wipes - 1 } }
    }
    for (const other of state.meetings > 0 ? ids : []) {
      const met = hears(setup, state, index, other)
      if (met !== state) {
        yield { label: `${id} hears of ${other}`, state: { ...met, meetings: state.meetings - 1 } }
      }
    }
  }
  for (const [index, { used, attempt }] of state.proposers.entries()) {
    const id = setup.proposers[index]
    const kept = setup.rules.without === 'persisted-ballots' ? -1 : used
    if (state.restarts > 0 && (attempt >= 0 || kept !== used)) {
      const proposers = state.proposers.with(index, { used: kept, attempt: -1 })
      const restarts = state.restarts - 1
      yield { label: `the proposer ${id} restarts`, state: closed(setup, { ...state, proposers, restarts }) }
    }
    if (state.lostBallots > 0 && used >= 0) {
      const proposers = state.proposers.with(index, { used: -1, attempt: -1 })
      const lostBallots = state.lostBallots - 1
      yield { label: `${id} forgets which ballots it used`, state: { ...state, proposers, lostBallots } }
    }
  }
}

function at(state: State, index: number, acceptor: Acceptor): State {
  return { ...state, acceptors: state.acceptors.with(index, acceptor) }
}

function hears(setup: Setup, state: State, index: number, view: string): State {
  const acceptor = state.acceptors[index] as Acceptor
  const grown = merged(acceptor.view, view)
  return grown === acceptor.view ? state : at(state, index, withKey(setup, { ...acceptor, view: grown }))
}

/**
 * The state without the promises that nobody will read: those of a ballot for which no proposer gathers any more, or
 * ever again.
 */
function closed(setup: Setup, state: State): State {
  const { rules, ballots, proposers } = setup
  const mayLose = rules.without === 'persisted-ballots' && state.restarts > 0
  if (rules.unreduced === true || state.lostBallots > 0 || mayLose) return state
  const isRead = ({ ballot }: Promised): boolean =>
    state.proposers.some(
      ({ used, attempt }, index) =>
        attempt === ballot || mayBegin(proposers[index] as NodeId, used, ballots[ballot] as Ballot),
    )
  if (state.acceptors.every((one) => one.promises.every(isRead))) return state
  const acceptors = state.acceptors.map((one) =>
    one.promises.every(isRead) ? one : withKey(setup, { ...one, promises: one.promises.filter(isRead) }),
  )
  return { ...state, acceptors }
}

function name(setup: Setup, rank: number): string {
  return setup.rules.ballots[rank] as string
}
