import { ballotAbove, sameBallot } from '../../../src/core/consensus/ballot.ts'
import { chooseValue } from '../../../src/core/consensus/choose.ts'
import { charterTerms } from '../../../src/core/consensus/terms.ts'
import type { NodeId } from '../../../src/core/model/ids.ts'
import type { AcceptedValue } from '../../../src/core/model/message.ts'
import type { Ballot, CharterTerms, ClusterPlan } from '../../../src/core/model/plan.ts'
import { offerBirth } from '../../../src/core/node/birth.ts'
import type { Setup } from './setup.ts'
import type { Acceptor, Promised, State } from './state.ts'
import { situationOf } from './voting.ts'

// The proposer: production ballot numbers, production terms, production choice of value.

/** Whether this proposer may use this ballot now. It may have heard of any number by a refusal. */
export function mayBegin(proposer: NodeId, used: number, ballot: Ballot): boolean {
  if (ballot.proposer !== proposer) return false
  const heard = ballot.number === 0 ? [] : [{ number: ballot.number - 1, proposer }]
  return sameBallot(ballotAbove(proposer, used, heard), ballot)
}

/** The terms that a proposer offers; undefined while it may offer none. */
export function termsOf(setup: Setup, state: State, proposer: NodeId): CharterTerms | null | undefined {
  const { rules, acceptors } = setup
  if (rules.decision.kind === 'successor') return null
  const view = state.acceptors[acceptors.indexOf(proposer)]?.view ?? ''
  if (rules.without === 'admission') return charterTerms(rules.decision.setting, Array.from(view), [])
  const offer = offerBirth(situationOf(setup, proposer, view))
  return offer.kind === 'offer' ? offer.terms : undefined
}

/** Every plan that a proposer may propose in a ballot, whichever promises of it reach it, in whichever order. */
export function proposable(setup: Setup, state: State, rank: number): readonly ClusterPlan[] {
  const { terms, proposals } = state.ballots[rank] as State['ballots'][number]
  if (terms === undefined) return []
  const plans = new Map<string, ClusterPlan>()
  for (const promises of heardPromises(setup, state.acceptors, rank)) {
    const choice = chooseValue(setup.electorate, terms, promises, setup.cryptoOf(setup.ids[0] as NodeId))
    if (choice.kind === 'wait' || choice.kind === 'chosen') continue
    const free = choice.kind === 'free' || setup.rules.without === 'adoption'
    for (const plan of free ? setup.drafts(rank, proposals.length) : [choice.plan]) {
      const sound = setup.rules.without === 'judge' || setup.judge(plan).ok
      if (sound) plans.set(setup.nameOf(plan), plan)
    }
  }
  return [...plans.values()]
}

/** Every set of promises that may have arrived, one of each voter, first come first and the other way round. */
function* heardPromises(
  setup: Setup,
  acceptors: readonly Acceptor[],
  rank: number,
): Generator<ReadonlyMap<NodeId, AcceptedValue | null>> {
  const offers = setup.ids.map((id) => {
    const sent = acceptors.flatMap((one, index) => (setup.acceptors[index] === id ? one.promises : []))
    return sent.filter((promise) => promise.ballot === rank)
  })
  for (const some of choices(offers)) {
    const entries = some.map(([index, { accepted }]) => [setup.ids[index] as NodeId, accepted] as const)
    yield new Map(entries)
    if (new Set(some.map(([, { key }]) => key)).size > 1) yield new Map(entries.toReversed())
  }
}

/** One or none of each list, in all ways. */
function* choices(
  lists: readonly (readonly Promised[])[],
  from = 0,
): Generator<readonly (readonly [number, Promised])[]> {
  const list = lists[from]
  if (list === undefined) return yield []
  for (const rest of choices(lists, from + 1)) {
    yield rest
    for (const one of list) yield [[from, one], ...rest]
  }
}
