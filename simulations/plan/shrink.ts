import type { Fault, Plan } from './plan.ts'

/** Whether a plan still shows what is looked for. */
export type StillFails = (plan: Plan) => boolean

/**
 * A smaller plan that fails as well: fewer faults (delta debugging), fewer machines, shorter faults, then whole classes of
 * trouble less: a calmer network, disk and k3s.
 * @param attemptsMax runs that may be spent
 */
export function shrink(plan: Plan, fails: StillFails, attemptsMax = 400): Plan {
  let attempts = 0
  const tries = (candidate: Plan): boolean => attempts++ < attemptsMax && fails(candidate)
  let smallest = withFewerFaults(plan, tries)
  smallest = withFewerMachines(smallest, tries)
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

/** The last machine first, so that numbers change as little as possible. */
function withFewerMachines(plan: Plan, tries: StillFails): Plan {
  let smallest = plan
  for (let machine = plan.nodes - 1; machine >= 0 && smallest.nodes > 1; machine--) {
    const candidate = withoutMachine(smallest, machine)
    if (candidate !== undefined && tries(candidate)) smallest = candidate
  }
  return smallest
}

/**
 * The same site without one machine: those after it move up, and what happened to it alone does not happen. A site that
 * waited for all its machines waits for all that are left. Undefined where nobody could found a cluster any more.
 */
export function withoutMachine(plan: Plan, gone: number): Plan | undefined {
  const nodes = plan.nodes - 1
  const bootstrap = bootstrapWithout(plan, gone)
  if (nodes < 1 || bootstrap === undefined) return undefined
  const left = (list: readonly number[]): number[] =>
    list.filter((machine) => machine !== gone).map((machine) => moved(machine, gone))
  const others = <T>(list: readonly T[]): T[] => list.filter((_, index) => index !== gone)
  return {
    ...plan,
    nodes,
    bootstrap,
    boots: others(plan.boots),
    segments: others(plan.segments),
    noPath: plan.noPath
      .filter((ends) => !ends.includes(gone))
      .map(([a, b]): [number, number] => [moved(a, gone), moved(b, gone)]),
    ...(plan.nats === undefined ? {} : { nats: others(plan.nats) }),
    ...(plan.versions === undefined ? {} : { versions: others(plan.versions) }),
    faults: plan.faults.flatMap((fault) => faultWithout(fault, gone, left)),
    core: left(plan.core),
  }
}

function moved(machine: number, gone: number): number {
  return machine > gone ? machine - 1 : machine
}

function faultWithout(fault: Fault, gone: number, left: (list: readonly number[]) => number[]): Fault[] {
  if ('node' in fault) return fault.node === gone ? [] : [{ ...fault, node: moved(fault.node, gone) }]
  const [from, to] = [left(fault.from), left(fault.to)]
  return from.length === 0 || to.length === 0 ? [] : [{ ...fault, from, to }]
}

function bootstrapWithout({ bootstrap, nodes }: Plan, gone: number): Plan['bootstrap'] | undefined {
  switch (bootstrap.mode) {
    case 'auto':
      return bootstrap
    case 'expect':
      return { ...bootstrap, expect: Math.max(1, Math.min(bootstrap.expect, nodes - 1)) }
    case 'tolerate': {
      const expect = Math.min(bootstrap.expect, nodes - 1)
      return expect > bootstrap.tolerate ? { ...bootstrap, expect } : undefined
    }
    case 'voters': {
      const voters = bootstrap.voters.filter((voter) => voter !== gone)
      return voters.length === 0
        ? undefined
        : { ...bootstrap, voters: voters.map((voter) => moved(voter, gone)) }
    }
  }
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
    (now) => ({ ...now, nats: [] }),
    (now) => ({ ...now, versions: [] }),
    (now) => ({ ...now, disk: { syncMs: [0, 0] } }),
    (now) => ({ ...now, k3s: { ...now.k3s, failure: 0, lostReply: 0 } }),
    (now) => ({ ...now, boots: now.boots.map(() => 0) }),
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
