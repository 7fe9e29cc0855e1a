import { sortedIds } from '../model/ids.ts'
import type { NodeId } from '../model/ids.ts'
import { votersMax } from '../model/limits.ts'
import { majorityOf } from './evidence.ts'
import type { Candidate } from './fitness.ts'
import { compareCandidates, largestOdd, pickSpread } from './fitness.ts'

/**
 * The voters of the charter: the largest odd number of those who promised, at most seven, spread over
 * zones; both where there are just two machines. Machines that can run a server come first, because the
 * initialiser is a voter.
 */
export function charterVoters(
  promisers: readonly Candidate[],
  canServe: (id: NodeId) => boolean,
): readonly NodeId[] {
  const count = promisers.length === 2 ? 2 : largestOdd(Math.min(votersMax, promisers.length))
  const anchor = promisers.filter((one) => canServe(one.id)).toSorted(compareCandidates)[0]
  if (anchor === undefined) return sortedIds(pickSpread(promisers, count).map((one) => one.id))
  const others = promisers.filter((one) => one.id !== anchor.id)
  return sortedIds([anchor.id, ...pickSpread(others, count - 1, [anchor.zone]).map((one) => one.id)])
}

/** What is known of the voters and of those who could become one. */
export interface VotersInput {
  readonly current: readonly NodeId[]
  /** Voters that a majority attests to be dead. */
  readonly dead: ReadonlySet<NodeId>
  /** Voters that leave the plan altogether. */
  readonly retired: ReadonlySet<NodeId>
  /** Every current voter and every possible one, as a candidate. */
  readonly candidateOf: (id: NodeId) => Candidate
  readonly isPresent: (id: NodeId) => boolean
  /** Healthy nodes that have acknowledged the parent plan and are not voters. */
  readonly spares: readonly Candidate[]
}

/** The next voters, sorted, and what changed in words. */
export interface VotersChange {
  readonly voters: readonly NodeId[]
  /** Dropped voters whose death the plan must prove. */
  readonly replacedDead: readonly NodeId[]
}

/**
 * The voters of the next generation. Those who vote stay; the dead are replaced while there is a spare; the
 * number grows to the next odd one when enough healthy nodes are there and never falls because a node died.
 * Returns the current voters where a change would leave no living majority.
 */
export function nextVoters(input: VotersInput): VotersChange {
  const { current, dead, retired, candidateOf, isPresent } = input
  const unchanged: VotersChange = { voters: current, replacedDead: [] }
  let voters = current.filter((id) => !retired.has(id))
  const zones = (): string[] => voters.map((id) => candidateOf(id).zone)
  let spares = input.spares
  const add = (count: number): number => {
    if (count <= 0 || spares.length === 0) return 0
    const picked = pickSpread(spares, count, zones())
    spares = spares.filter((spare) => !picked.includes(spare))
    voters = [...voters, ...picked.map((spare) => spare.id)]
    return picked.length
  }

  const replacedDead: NodeId[] = []
  for (const id of voters.filter((voter) => dead.has(voter))) {
    if (spares.length === 0) break
    voters = voters.filter((voter) => voter !== id)
    add(1)
    replacedDead.push(id)
  }
  add(current.length - voters.length)
  const healthy = voters.filter(isPresent).length + spares.length
  const wanted = largestOdd(Math.min(votersMax, healthy))
  if (wanted > voters.length) add(wanted - voters.length)

  // Two are kept where there are just two machines; but a leaver does not leave one behind with a silent one.
  const pair = voters.length === 2 && (retired.size === 0 || voters.every(isPresent))
  if (voters.length % 2 === 0 && !pair && add(1) === 0) {
    const weakest = voters.toSorted(
      (a, b) =>
        Number(isPresent(a)) - Number(isPresent(b)) || compareCandidates(candidateOf(b), candidateOf(a)),
    )[0]
    voters = voters.filter((voter) => voter !== weakest)
  }
  if (voters.filter(isPresent).length < majorityOf(voters.length)) return unchanged
  return { voters: sortedIds(voters), replacedDead }
}

/**
 * Before `active` the initialiser must be a voter. Where no voter can be one, the least fit voter makes room
 * for the best spare that can; undefined where there is none.
 */
export function voterForInitialiser(
  current: readonly NodeId[],
  candidateOf: (id: NodeId) => Candidate,
  servingSpares: readonly Candidate[],
): readonly NodeId[] | undefined {
  const incoming = pickSpread(servingSpares, 1)[0]
  if (incoming === undefined) return undefined
  const outgoing = current.toSorted((a, b) => compareCandidates(candidateOf(b), candidateOf(a)))[0]
  return sortedIds([...current.filter((id) => id !== outgoing), incoming.id])
}
