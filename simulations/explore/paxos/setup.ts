import { ballotKey, compareBallots } from '../../../src/core/consensus/ballot.ts'
import type { Chain } from '../../../src/core/consensus/chain.ts'
import { nextElectorate } from '../../../src/core/consensus/chain.ts'
import type { Electorate } from '../../../src/core/consensus/electorate.ts'
import type { Crypto } from '../../../src/core/model/crypto.ts'
import type { NodeId } from '../../../src/core/model/ids.ts'
import { invariant } from '../../../src/core/model/invariant.ts'
import type { Ballot, ClusterPlan } from '../../../src/core/model/plan.ts'
import { planHash } from '../../../src/core/model/plan-hash.ts'
import { judge } from '../../../src/core/planner/judge.ts'
import type { PlanVerdict } from '../../../src/core/planner/judge.ts'
import { chainOf, charterOf, networkId } from '../site.ts'
import { taggedCrypto } from '../tagged-crypto.ts'
import type { Rules } from './rules.ts'

/** What follows from the rules once and for all. */
export interface Setup {
  readonly rules: Rules
  /** Key of each acceptor, by index. */
  readonly acceptors: readonly NodeId[]
  readonly proposers: readonly NodeId[]
  /** All keys, once each. */
  readonly ids: readonly NodeId[]
  readonly ballots: readonly Ballot[]
  readonly chain: Chain
  readonly electorate: Electorate
  readonly cryptoOf: (id: NodeId) => Crypto
  readonly rankOf: (ballot: Ballot) => number
  /** A short name for a plan, the same for the same plan. */
  readonly nameOf: (plan: ClusterPlan) => string
  /** The plans that a free proposer may want in a ballot for which so many proposals were made. */
  readonly drafts: (ballot: number, proposed: number) => readonly ClusterPlan[]
  readonly judge: (plan: ClusterPlan) => PlanVerdict
  /** Acceptors are alike but for their names. */
  readonly symmetric: boolean
}

export function setUp(rules: Rules): Setup {
  const { decision } = rules
  const acceptors = Array.from(rules.acceptors)
  const ids = [...new Set(acceptors)]
  const ballots = rules.ballots.map((text) => ({
    number: Number(text.slice(0, -1)),
    proposer: text.slice(-1),
  }))
  invariant(
    ballots.every((ballot, rank) => rank === 0 || compareBallots(ballots[rank - 1] as Ballot, ballot) < 0),
    'ballots are given in their order',
  )
  const chain = chainOf(decision.kind === 'charter' ? [] : decision.chain)
  const cryptos = new Map(ids.map((id) => [id, taggedCrypto(id)]))
  const cryptoOf = (id: NodeId): Crypto => cryptos.get(id) as Crypto
  const [first] = ids as [NodeId]
  const ranks = new Map(ballots.map((ballot, rank) => [ballotKey(ballot), rank]))
  const names = new Map<string, string>()
  const nameOf = (plan: ClusterPlan): string => {
    const hash = planHash(plan.header, cryptoOf(first))
    const name = names.get(hash) ?? String.fromCharCode(65 + names.size)
    names.set(hash, name)
    return name
  }
  const charters = new Map<string, readonly ClusterPlan[]>()
  const verdicts = new Map<string, PlanVerdict>()
  return {
    rules,
    acceptors,
    ids,
    ballots,
    proposers: Array.from(rules.proposers ?? new Set(ballots.map((ballot) => ballot.proposer))),
    chain,
    electorate: nextElectorate(chain, networkId),
    cryptoOf,
    rankOf: (ballot) => ranks.get(ballotKey(ballot)) as number,
    nameOf,
    drafts: (ballot, proposed) => {
      if (decision.kind === 'successor') return decision.drafts(ballot)
      // Each proposal of a ballot is another plan: the cluster id is drawn anew.
      const clusterId = `${ballot}${proposed}`
      const drafts = charters.get(clusterId) ?? [charterOf(ids, clusterId)]
      charters.set(clusterId, drafts)
      return drafts
    },
    judge: (plan) => {
      const name = nameOf(plan)
      const verdict = verdicts.get(name) ?? judge(chain.newest?.plan, chain.hash, plan, cryptoOf(first))
      verdicts.set(name, verdict)
      return verdict
    },
    symmetric:
      rules.unreduced !== true &&
      (decision.kind === 'successor' || (decision.setting.mode !== 'auto' && decision.knows === undefined)),
  }
}
