import type { NodeId } from '../model/ids.ts'
import type { Candidate } from './fitness.ts'
import { compareCandidates, pickSpread } from './fitness.ts'

/** Servers that join before the cluster is active, the first one included. */
export const teamMax = 3

/** Who may make the k3s cluster, and who may join before it is active. */
export interface TeamInput {
  /** Present nodes that can run a server. */
  readonly eligible: readonly Candidate[]
  readonly voters: readonly NodeId[]
  /** Wanted size of the control plane. */
  readonly controlPlane: number
  /** Nodes that the parent plan already calls control plane: they keep their role. */
  readonly chosenBefore: readonly NodeId[]
}

/**
 * The first team: an initialiser, who is a voter, and two more servers if three or more are wanted and there.
 * The initialiser is first. Undefined while no voter can be an initialiser.
 */
export function chooseTeam(input: TeamInput): readonly NodeId[] | undefined {
  const { eligible, voters, controlPlane } = input
  const sticky = preferring(input.chosenBefore)
  const initialiser = eligible.filter((one) => voters.includes(one.id)).toSorted(sticky)[0]
  if (initialiser === undefined) return undefined
  if (controlPlane < 3 || eligible.length < 3) return [initialiser.id]
  const others = eligible.filter((one) => one.id !== initialiser.id)
  const kept = others
    .filter((one) => input.chosenBefore.includes(one.id))
    .toSorted(compareCandidates)
    .slice(0, 2)
  const fresh = pickSpread(
    others.filter((one) => !kept.includes(one)),
    2 - kept.length,
    [initialiser, ...kept].map((one) => one.zone),
  )
  return [initialiser.id, ...[...kept, ...fresh].map((one) => one.id)]
}

/**
 * The team after a revocation. The initialiser is the next voter in a fixed round, so that each gets its
 * turn. The other two come from outside the revoked team, because nobody knows which of its members was at
 * fault; where there are not two, the initialiser starts alone and the others join after `active`.
 */
export function chooseOtherTeam(
  input: Omit<TeamInput, 'chosenBefore'>,
  revoked: readonly NodeId[],
): readonly NodeId[] | undefined {
  const { eligible, voters, controlPlane } = input
  const round = eligible
    .filter((one) => voters.includes(one.id))
    .toSorted((a, b) => (a.rank < b.rank ? -1 : 1))
  const former = revoked[0]
  const formerRank = eligible.find((one) => one.id === former)?.rank ?? ''
  const initialiser = round.find((one) => one.rank > formerRank && one.id !== former) ?? round[0]
  if (initialiser === undefined) return undefined
  const untried = eligible.filter((one) => one.id !== initialiser.id && !revoked.includes(one.id))
  if (controlPlane < 3 || untried.length < 2) return [initialiser.id]
  return [initialiser.id, ...pickSpread(untried, 2, [initialiser.zone]).map((one) => one.id)]
}

function preferring(ids: readonly NodeId[]): (a: Candidate, b: Candidate) => number {
  return (a, b) => Number(ids.includes(b.id)) - Number(ids.includes(a.id)) || compareCandidates(a, b)
}
