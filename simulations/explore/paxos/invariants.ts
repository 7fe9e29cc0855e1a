import { certificateFlaw, certify } from '../../../src/core/consensus/certificate.ts'
import { extendChain } from '../../../src/core/consensus/chain.ts'
import type { NodeId } from '../../../src/core/model/ids.ts'
import type { Ballot, ClusterPlan, Vote } from '../../../src/core/model/plan.ts'
import { networkId } from '../site.ts'
import type { Setup } from './setup.ts'
import type { State } from './state.ts'

interface Ballots {
  readonly rank: number
  readonly plan: ClusterPlan
  readonly votes: Map<NodeId, Vote>
}

/** What must never be in a state of one decision (S1, S2, S12), by production certificates. */
export function invariantsOf(setup: Setup): (state: State) => string | undefined {
  const { rules, ids, acceptors, ballots, electorate, chain } = setup
  const crypto = setup.cryptoOf(ids[0] as NodeId)
  const mixed = rules.without === 'one-ballot-certificates'
  const oneDisk = acceptors.length === ids.length && new Set(setup.proposers).size === setup.proposers.length
  const oneValue = oneDisk && (rules.faults?.lostBallots ?? 0) === 0
  const verdicts = new Map<string, 'none' | 'certified' | string>()

  const verdictOf = (group: Ballots, terms: Parameters<typeof certify>[2]): string => {
    const ballot = ballots[group.rank] as Ballot
    const certificate = certify(electorate, ballot, terms, group.votes)
    if (certificate === undefined) return 'none'
    if (mixed) return 'certified'
    const { header } = group.plan
    const flaw = certificateFlaw(electorate, header, certificate, crypto)
    if (flaw !== undefined) return `S1: a quorum of votes makes a certificate with a flaw: ${flaw}`
    const link = { header, certificate }
    const extension = extendChain(chain, networkId, [link], { plan: group.plan, certificate }, crypto)
    return extension.kind === 'extended'
      ? 'certified'
      : `S11: a certified plan is ${extension.kind} to the chain`
  }

  return (state) => {
    const groups = new Map<string, Ballots>()
    for (const [index, acceptor] of state.acceptors.entries()) {
      for (const { ballot, plan, vote, key } of acceptor.accepts) {
        const name = mixed ? key.at(-1)! : key
        const group = groups.get(name) ?? { rank: ballot, plan, votes: new Map<NodeId, Vote>() }
        groups.set(name, group)
        group.votes.set(acceptors[index] as NodeId, vote)
      }
    }
    const certified = new Map<string, ClusterPlan>()
    for (const [name, group] of groups) {
      const terms = state.ballots[group.rank]?.terms ?? null
      const key = `${name}${terms?.list.join('') ?? ''} ${[...group.votes.keys()].join('')}`
      const verdict = verdicts.get(key) ?? verdictOf(group, terms)
      verdicts.set(key, verdict)
      if (verdict === 'certified') certified.set(setup.nameOf(group.plan), group.plan)
      else if (verdict !== 'none') return verdict
    }
    const plans = [...certified.values()]
    const conflict = rules.decision.kind === 'successor' ? rules.decision.conflict?.(plans) : undefined
    if (conflict !== undefined) return conflict
    if (plans.length > 1) return `S1: ${plans.length} plans are certified in one generation`
    const twice = oneValue && state.ballots.some((ballot) => ballot.proposals.length > 1)
    return twice ? 'S12: one ballot carries two values' : undefined
  }
}
