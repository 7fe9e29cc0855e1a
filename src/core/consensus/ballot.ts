import { compareIds } from '../model/ids.ts'
import type { NodeId } from '../model/ids.ts'
import type { Ballot } from '../model/plan.ts'

/** Total order of ballots: by number, ties by the proposer's id. */
export function compareBallots(a: Ballot, b: Ballot): number {
  return a.number - b.number || compareIds(a.proposer, b.proposer)
}

/** Whether two ballots are one. */
export function sameBallot(a: Ballot, b: Ballot): boolean {
  return a.number === b.number && a.proposer === b.proposer
}

/** A text that names a ballot, usable as a map key. */
export function ballotKey(ballot: Ballot): string {
  return `${ballot.number}/${ballot.proposer}`
}

/** The lowest ballot of `proposer` that is above all of these. */
export function ballotAbove(proposer: NodeId, usedNumber: number, seen: readonly (Ballot | null)[]): Ballot {
  let number = usedNumber + 1
  for (const ballot of seen) {
    if (ballot !== null && ballot.number >= number) number = ballot.number + 1
  }
  return { number, proposer }
}
