import type { CoverageName } from '../checkers/coverage.ts'
import type { Trial } from '../plan/plan.ts'
import type { Invariant } from '../run/result.ts'
import type { Random } from '../../src/core/model/random.ts'
import type { TrialSite } from './site.ts'

/** What came of a trial: it could not be made, it went well, or a promise was broken. */
export type TrialOutcome =
  | { readonly kind: 'not made' }
  | { readonly kind: 'well'; readonly seen: CoverageName }
  | { readonly kind: 'broken'; readonly invariant: Invariant; readonly text: string }

/** What a trial does with time. */
export interface TrialTime {
  readonly now: () => number
  /** Runs the site until this moment; false: something was broken meanwhile, and the trial is over. */
  readonly advance: (until: number) => boolean
  readonly random: Random
}

/** No plan changes for so long: the cluster is quiet. Longer than a death, a grace and a promotion take together. */
const quietMs = 45_000
/** A cluster that nothing happens to is quiet after so long, whatever is left to do: additions come one by one. */
const quietWithinMs = 300_000
/** L3: beyond T_dead. */
const replacedWithinMs = 300_000
/** L6. */
const takenOverWithinMs = 10_000
/** L4, with slow links between segments: 3 log2(n) rounds of gossip are two seconds for ten machines. */
const spreadWithinMs = 5_000
/** S15: k3s takes up to 10 s to start, and a lost connection is dialled again in seconds. */
const backWithinMs = 90_000
/** The site is looked at so often. */
const lookMs = 500

const notMade: TrialOutcome = { kind: 'not made' }

/** One more thing that a healed cluster must bear. */
export function runTrial(trial: Trial, site: TrialSite, time: TrialTime): TrialOutcome {
  const quiet = waitForQuiet(site, time)
  if (quiet.kind !== 'well' || trial === 'quiet') return quiet
  if (!site.isWhole) return notMade
  switch (trial) {
    case 'leader-dies':
      return leaderDies(site, time)
    case 'server-dies':
      return serverDies(site, time)
    case 'power-cut':
      return powerCut(site, time)
  }
}

/** Runs until something is so; false: it was not within this time, or something was broken meanwhile. */
function waitUntil(time: TrialTime, withinMs: number, isSo: () => boolean): boolean {
  const end = time.now() + withinMs
  while (!isSo()) {
    if (time.now() >= end || !time.advance(Math.min(end, time.now() + lookMs))) return false
  }
  return true
}

/** L5: where nobody's health and no wish changes, plans stop changing. */
function waitForQuiet(site: TrialSite, time: TrialTime): TrialOutcome {
  const begin = time.now()
  let since = begin
  let last = site.plan?.header.generation ?? -1
  const first = last
  const isQuiet = waitUntil(time, quietWithinMs, () => {
    const generation = site.plan?.header.generation ?? -1
    if (generation !== last) since = time.now()
    last = generation
    return time.now() >= since + quietMs
  })
  if (isQuiet) return { kind: 'well', seen: 'plans stopped changing' }
  if (time.now() < begin + quietWithinMs) return notMade
  const text = `plans go on changing for ${quietWithinMs / 1_000} s: generation ${first} to ${last}`
  return { kind: 'broken', invariant: 'L5', text }
}

/** L6, L4: the proposer of the newest plan is gone, and the operator wants something; a majority of voters is there. */
function leaderDies(site: TrialSite, time: TrialTime): TrialOutcome {
  const { newest, world } = site
  const voters = newest?.plan.header.voters ?? []
  const leader = site.holder(newest?.certificate.ballot.proposer)
  const asked = voters.map((voter) => site.holder(voter)).find((voter) => voter !== leader)
  if (newest === undefined || leader === undefined || asked === undefined || voters.length < 3) return notMade
  world.powerOff(leader, 'trial: the leader dies', undefined)
  const serial = newest.plan.body.operatorSerial + 1
  const { spec } = newest.plan.body
  const timers = { ...spec.timers, settleMs: spec.timers.settleMs + 1 }
  world.operator.orderSpec(asked, { serial, spec: { ...spec, timers } })
  const isOrdered = (generation: number): boolean => generation > newest.plan.header.generation
  if (!waitUntil(time, takenOverWithinMs, () => isOrdered(site.plan?.header.generation ?? -1))) {
    const text = `no plan ${takenOverWithinMs / 1_000} s after the leader died, and a majority of voters is there`
    return { kind: 'broken', invariant: 'L6', text }
  }
  const rest = site.machines.filter((machine) => machine.isOn)
  const isSpread = (): boolean => rest.every(({ disk }) => isOrdered((disk.document?.chain.length ?? 0) - 1))
  if (!waitUntil(time, spreadWithinMs, isSpread)) {
    const text = `a plan is not everywhere ${spreadWithinMs / 1_000} s after it was certified`
    return { kind: 'broken', invariant: 'L4', text }
  }
  world.boot(leader)
  return { kind: 'well', seen: 'leader died and another took over' }
}

/** L3: a server dies for good, and there is a machine that can take its place. */
function serverDies(site: TrialSite, time: TrialTime): TrialOutcome {
  const { plan, servers, spares, world } = site
  const [victim] = time.random.sample(servers, 1)
  if (plan === undefined || victim === undefined || servers.length < 3 || spares.length === 0) return notMade
  const id = victim.identity?.id ?? ''
  const { voters } = plan.header
  const left = voters.filter((voter) => voter !== id && site.holder(voter) !== undefined).length
  if (2 * left <= voters.length) return notMade
  world.powerOff(victim, 'trial: a server dies', undefined)
  const isReplaced = (): boolean =>
    site.hasWholeControlPlane && site.servers.length === servers.length && !site.servers.includes(victim)
  const withinMs = plan.body.spec.timers.deadAfterMs + replacedWithinMs
  if (waitUntil(time, withinMs, isReplaced)) return { kind: 'well', seen: 'dead server replaced' }
  const text = `a dead server is not replaced after ${withinMs / 1_000} s, although ${spares.length} machines could`
  return { kind: 'broken', invariant: 'L3', text }
}

/** S15: all machines lose their power, none its disk, and all come back. */
function powerCut(site: TrialSite, time: TrialTime): TrialOutcome {
  const { world, machines, plan } = site
  const voters = plan?.header.voters ?? []
  for (const machine of machines.filter(({ isOn }) => isOn)) {
    const [at, downMs] = [time.random.between(0, 2_000), time.random.between(3_000, 20_000)]
    world.timeline.after(at, () => world.powerOff(machine, 'trial: the site loses its power', downMs))
  }
  if (!time.advance(time.now() + 22_000)) return notMade
  const votersBack = (): boolean => {
    const ready = voters.filter((voter) => {
      const consensus = site.holder(voter)?.core?.view?.().consensus
      return consensus !== undefined && !consensus.rolledBack && consensus.voteCheck === undefined
    })
    return 2 * ready.length > voters.length
  }
  const etcdBack = (): boolean => {
    const { etcd } = site
    return (
      etcd !== undefined &&
      machines.some(({ index }) => world.k3s.serves(index) && world.k3s.hasQuorum(etcd, index))
    )
  }
  if (waitUntil(time, backWithinMs, () => votersBack() && etcdBack()))
    return { kind: 'well', seen: 'site lost its power and came back' }
  const missing = [votersBack() ? '' : 'the voters', etcdBack() ? '' : 'etcd'].filter(Boolean).join(' and ')
  const text = `${missing} have no quorum ${backWithinMs / 1_000} s after all machines came back with their disks`
  return { kind: 'broken', invariant: 'S15', text }
}
