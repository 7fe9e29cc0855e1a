import { premiseOf } from '../run/premise.ts'
import type { Plan } from '../plan/plan.ts'
import type { CoreFactory } from '../world/core.ts'
import { World } from '../world/world.ts'

/** k3s is looked at so often. */
const lookEveryMs = 500
/** After the last fault a site goes on for so long, so that what the healing brings about is seen. */
const afterMs = 180_000

/** What one rule made of one site, seen from k3s alone. */
export interface SiteOutcome {
  /** etcd clusters that served: a server of theirs had a quorum and answered, and not to its own team alone. */
  readonly clusters: number
  /** Virtual milliseconds until the first of them did; undefined: none ever did. */
  readonly firstMs: number | undefined
  /** Machine that made the first etcd cluster, served or not; undefined: none did. */
  readonly founder: number | undefined
  /** Whether 2q > M + w held for the plan's bootstrap; says nothing of a rival's rule. */
  readonly premise: boolean
}

/**
 * Runs a plan under any rule, and looks at nothing but k3s: the judge is the same for both sides. Ends when the
 * faults are over and a cluster has served for a while, or with the plan's patience.
 */
export function runSite(plan: Plan, core: CoreFactory): SiteOutcome {
  const served = new Set<string>()
  let firstMs: number | undefined
  let founder: number | undefined
  const watcher = {
    k3s: ({ what, machine }: { readonly what: string; readonly machine: number }): void => {
      if (what === 'cluster made') founder ??= machine
    },
  }
  const world = new World(plan, [watcher], core)
  const { timeline, k3s } = world
  const look = (): void => {
    for (const { index } of world.machines) {
      const { access, etcd: place } = k3s.placeOf(index)
      const etcd = place === undefined ? undefined : k3s.etcds.get(place.key)
      if (etcd === undefined || access !== 'all' || !k3s.serves(index) || !k3s.hasQuorum(etcd, index))
        continue
      served.add(etcd.key)
      firstMs ??= timeline.now
    }
  }
  const runUntil = (end: number): void => {
    for (let at = timeline.now + lookEveryMs; at <= end; at += lookEveryMs) {
      while (timeline.step(at));
      look()
    }
  }
  runUntil(plan.horizonMs)
  world.heal(plan.core)
  const end = plan.horizonMs + plan.patienceMs
  while (served.size === 0 && timeline.now < end) runUntil(Math.min(end, timeline.now + 10_000))
  if (plan.patienceMs > 0) runUntil(Math.min(end, timeline.now + afterMs))
  return { clusters: served.size, firstMs, founder, premise: premiseOf(world) }
}
