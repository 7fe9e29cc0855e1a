import { makeIdentity } from '../world/identity.ts'
import type { Fault, Plan } from './plan.ts'

/** What takes a site out of 2q > M + w. */
const causes = ['surplus machines', 'a put-back disk', 'a copied disk', 'a two-faced voter'] as const
type Cause = (typeof causes)[number]

/** When the disk is put back: by then one side has its charter. */
const putBackAtMs = 14_000
/** State of a machine that has just made its identity and has voted for nothing. */
const freshAtMs = 150

/**
 * Makes of a calm plan one in which two charters are possible, one cause after the other, and takes care that they come:
 * the protocol promises nothing here, and a world in which nothing happens would show nothing elsewhere.
 */
export function beyondPremise(plan: Plan): Plan {
  const { nodes, seed } = plan
  const cause = causes[seed % causes.length] as Cause
  const quorum = Math.floor(nodes / 2) + 1
  return {
    ...plan,
    bootstrap:
      cause === 'a two-faced voter'
        ? // A proposer asks all of a list, and not only those that it has met by then.
          { mode: 'voters', voters: Array.from({ length: nodes }, (_, index) => index) }
        : { mode: 'expect', expect: cause === 'surplus machines' ? Math.max(1, nodes - quorum) : quorum },
    boots: plan.boots.map((at) => at % 100),
    faults: [...faultsOf(cause, plan)],
    horizonMs: 45_000,
  }
}

function faultsOf(cause: Cause, plan: Plan): readonly Fault[] {
  const { nodes } = plan
  const all = Array.from({ length: nodes }, (_, index) => index)
  const half = Math.floor(nodes / 2)
  // Two sides of which neither is a quorum, and one machine that makes it one.
  const [left, hinge, right] = [all.slice(0, half), half, all.slice(-half)]
  const apart = (from: number[], to: number[], at = 0, until = 60_000): Fault => ({
    kind: 'cut',
    at,
    forMs: until - at,
    from,
    to,
    oneWay: false,
  })
  switch (cause) {
    case 'surplus machines':
      return [apart(all.slice(0, half), all.slice(half))]
    case 'a put-back disk':
      return [
        apart(left, right),
        apart([hinge], right, 0, putBackAtMs),
        apart([hinge], left, putBackAtMs),
        {
          kind: 'rollback',
          at: putBackAtMs,
          forMs: 1_000,
          node: hinge,
          backMs: putBackAtMs - freshAtMs,
        },
      ]
    case 'a copied disk':
      // The copy is machine number `nodes`. It finds another board, and takes a new key: one identity too many.
      return [
        apart([...left, hinge], right),
        apart([...left, hinge], [nodes]),
        { kind: 'clone', at: 200, node: hinge },
      ]
    case 'a two-faced voter': {
      // The lowest id proposes first. What it shows to whom depends on the id of the other.
      const ids = all.map((index) => makeIdentity(plan, index, 0).id)
      const liar = ids.indexOf(ids.toSorted()[0] as string)
      const others = all.filter((index) => index !== liar)
      const shownTwin = others.filter((index) => isShownTwin(ids[index] as string))
      const rest = others.filter((index) => !shownTwin.includes(index))
      const lie: Fault = { kind: 'lie', at: 100, forMs: 60_000, node: liar, how: 'two-faced' }
      return [apart(shownTwin, rest), lie]
    }
  }
}

/** To whom a two-faced member shows its other plan. */
export function isShownTwin(id: string): boolean {
  return ((id.codePointAt(id.length - 1) ?? 0) & 1) === 1
}
