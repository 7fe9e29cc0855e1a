import type { Fault, Plan } from './plan.ts'

/** Whether a plan still shows what is looked for. */
export type StillFails = (plan: Plan) => boolean

/**
 * A smaller plan that fails as well: fewer faults (delta debugging), then shorter ones, then a calmer network, disk
 * and k3s. Machines stay, since faults name them by number.
 * @param attemptsMax runs that may be spent
 */
export function shrink(plan: Plan, fails: StillFails, attemptsMax = 400): Plan {
  let attempts = 0
  const tries = (candidate: Plan): boolean => attempts++ < attemptsMax && fails(candidate)
  let smallest = withFewerFaults(plan, tries)
  smallest = withShorterFaults(smallest, tries)
  smallest = withCalmerWorld(smallest, tries)
  return withFewerFaults(smallest, tries)
}

/** Delta debugging: leaves out ever smaller parts of the list as long as the rest fails. */
function withFewerFaults(plan: Plan, tries: StillFails): Plan {
  let kept: readonly Fault[] = plan.faults
  let parts = 2
  while (kept.length > 0 && parts <= kept.length * 2) {
    const size = Math.max(1, Math.ceil(kept.length / parts))
    let shrunk = false
    for (let from = 0; from < kept.length; from += size) {
      const without = [...kept.slice(0, from), ...kept.slice(from + size)]
      if (!tries({ ...plan, faults: without })) continue
      kept = without
      shrunk = true
      break
    }
    if (shrunk) parts = Math.max(2, parts - 1)
    else if (size === 1) break
    else parts *= 2
  }
  return { ...plan, faults: [...kept] }
}

function withShorterFaults(plan: Plan, tries: StillFails): Plan {
  let smallest = plan
  for (let index = 0; index < smallest.faults.length; index++) {
    for (;;) {
      const fault = smallest.faults[index] as Fault
      if (!('forMs' in fault) || fault.forMs < 1_000) break
      const shorter = { ...fault, forMs: Math.trunc(fault.forMs / 2) } as Fault
      const candidate = { ...smallest, faults: smallest.faults.with(index, shorter) }
      if (!tries(candidate)) break
      smallest = candidate
    }
  }
  return smallest
}

function withCalmerWorld(plan: Plan, tries: StillFails): Plan {
  const calmer: readonly ((plan: Plan) => Plan)[] = [
    (now) => ({ ...now, network: { ...now.network, loss: 0 } }),
    (now) => ({ ...now, network: { ...now.network, duplicate: 0 } }),
    (now) => ({ ...now, network: { ...now.network, tail: 0 } }),
    (now) => ({ ...now, network: { ...now.network, stale: 0 } }),
    (now) => ({ ...now, noPath: [] }),
    (now) => ({ ...now, segments: now.segments.map(() => 0) }),
    (now) => ({ ...now, drift: 0 }),
    (now) => ({ ...now, crypto: 'tagged' }),
  ]
  let smallest = plan
  for (const step of calmer) {
    const candidate = step(smallest)
    if (JSON.stringify(candidate) !== JSON.stringify(smallest) && tries(candidate)) smallest = candidate
  }
  return smallest
}
