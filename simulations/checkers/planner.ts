import { planNext } from '../../src/core/planner/next.ts'
import type { NodeView } from '../../src/core/node.ts'
import { taggedDigest } from '../world/tagged-crypto.ts'
import type { World } from '../world/world.ts'
import type { Watcher } from '../world/watcher.ts'
import type { Violations } from './violations.ts'

/** The planner is asked twice after every so many turns of the site, and so many for each of its machines. */
const everyTurns = 256
const everyTurnsEach = 48

/** S10: what a voter knows, told in another order, gives the same plan. */
export function plannerChecker(world: () => World, violations: Violations): Watcher {
  let turns = 0
  let every = 0
  return {
    settled: (machine) => {
      every ||= Math.max(everyTurns, everyTurnsEach * world().machines.length)
      if (++turns % every !== 0 || machine.identity === undefined) return
      const view = machine.core?.view?.()
      if (view?.chain.newest === undefined) return
      const { crypto } = machine.identity
      const [one, other] = [planOf(view, crypto, false), planOf(view, crypto, true)]
      if (taggedDigest('planned', one) !== taggedDigest('planned', other)) {
        violations.add(
          'S10',
          world().timeline.now,
          machine.index,
          'the plan depends on the order of its input',
        )
      }
    },
  }
}

function planOf(view: NodeView, crypto: Parameters<typeof planNext>[0]['crypto'], reversed: boolean) {
  const { self, networkId, now, startedAt, spec, membership, statements, chain } = view
  const members = reversed ? membership.members.toReversed() : membership.members
  const planned = planNext({
    self,
    networkId,
    crypto,
    view: { self, members },
    now,
    graceUntil: startedAt + spec.timers.bootGraceMs,
    parent: chain.newest as NonNullable<typeof chain.newest>,
    statements: reversed ? statements.toReversed() : statements,
  })
  return planned.kind === 'propose' ? { plan: planned.plan } : { plan: null }
}
