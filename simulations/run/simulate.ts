import { birthChecker } from '../checkers/birth.ts'
import type { CoverageName } from '../checkers/coverage.ts'
import { Coverage, coverageWatcher } from '../checkers/coverage.ts'
import { durabilityChecker } from '../checkers/durability.ts'
import { evidenceChecker } from '../checkers/evidence.ts'
import { executionChecker } from '../checkers/execution.ts'
import { lineageChecker } from '../checkers/lineage.ts'
import type { Lineages } from '../checkers/lineage.ts'
import type { Excused } from '../checkers/liveness.ts'
import { agree, coreToHeal, lacks } from '../checkers/liveness.ts'
import { namingChecker } from '../checkers/naming.ts'
import { plannerChecker } from '../checkers/planner.ts'
import { recordChecker } from '../checkers/records.ts'
import { Violations } from '../checkers/violations.ts'
import { voteChecker } from '../checkers/votes.ts'
import type { Plan } from '../plan/plan.ts'
import { stream } from '../kernel/streams.ts'
import { TrialSite } from '../trials/site.ts'
import { runTrial } from '../trials/trials.ts'
import type { CoreFactory } from '../world/core.ts'
import type { Watcher } from '../world/watcher.ts'
import { World } from '../world/world.ts'
import { RunDigest } from './digest.ts'
import { premiseOf } from './premise.ts'
import { Recorder } from './recorder.ts'
import type { SimulatedRun } from './result.ts'

/** After the healing the core is looked at so often. */
const lookEveryMs = 250

/** How a plan is run. */
export interface SimulateOptions {
  /** Keep a trace; slow, so not in bulk runs. */
  readonly record?: boolean
  /** What runs on the machines; the production core by default. */
  readonly core?: CoreFactory
}

/** `simulate`, for those who are given it. */
export type Simulate = (plan: Plan, options?: SimulateOptions) => SimulatedRun

/**
 * Runs a plan: faults until the horizon with S1 to S15 checked at every event, then a healed core that must form or go on.
 * Ends at the first violation, when the core is well, or when its patience is over.
 */
export function simulate(plan: Plan, options: SimulateOptions = {}): SimulatedRun {
  // The watchers need the world, and the world its watchers: they ask for it when something happens.
  const made: { world?: World } = {}
  const getWorld = (): World => made.world as World
  const recorder = options.record === true ? new Recorder(plan, getWorld) : undefined
  const violations = new Violations((violation) => recorder?.violated(violation))
  const coverage = new Coverage()
  const digest = new RunDigest(getWorld)
  const lineages = lineageChecker(getWorld, violations)
  const watchers: Watcher[] = [
    digest,
    coverageWatcher(coverage),
    lineages.watcher,
    durabilityChecker(getWorld, violations),
    executionChecker(getWorld, violations),
    recordChecker(getWorld, violations),
    plannerChecker(getWorld, violations),
    voteChecker(getWorld, violations),
    birthChecker(getWorld, violations),
    evidenceChecker(getWorld, violations),
    namingChecker(getWorld, violations),
    {
      broke: (machine, error) => {
        const text = error instanceof Error ? `${error.message} ${stackLine(error)}` : String(error)
        violations.add('crash', getWorld().timeline.now, machine.index, text)
      },
    },
    ...(recorder === undefined ? [] : [recorder]),
  ]
  const world = new World(plan, watchers, options.core)
  made.world = world
  const { timeline } = world
  if (plan.crypto === 'real') coverage.count('real keys and bytes')

  while (!violations.any && timeline.step(plan.horizonMs)) checkForks(world, lineages, violations)
  const healed = violations.any ? undefined : coreToHeal(world, isForked(lineages))
  const outcome = healed?.kind === 'core' ? converge(world, healed.machines, lineages, violations) : healed
  const allActiveMs = outcome?.kind === 'formed' ? outcome.at : undefined
  if (allActiveMs !== undefined) coverage.count('healed and formed')
  if (allActiveMs !== undefined && healed?.kind === 'core') {
    const advance = (until: number): boolean => {
      while (!violations.any && timeline.step(until)) checkForks(world, lineages, violations)
      return !violations.any
    }
    const random = stream(plan.seed, 'trials')
    const time = { now: () => timeline.now, advance, random }
    for (const trial of plan.trials ?? []) {
      const verdict = runTrial(trial, new TrialSite(world, healed.machines), time)
      if (verdict.kind === 'well') coverage.count(verdict.seen)
      if (verdict.kind === 'broken' && !violations.any)
        violations.add(verdict.invariant, timeline.now, -1, verdict.text)
    }
  }

  const premise = premiseOf(world)
  if (!premise && isForked(lineages)) coverage.count(forkCause(plan))
  const text = `${digest.text}${violations.all.map(({ invariant }) => invariant).join('')}`
  return {
    result: {
      seed: plan.seed,
      events: digest.count,
      virtualMs: timeline.now,
      violations: violations.all,
      premise,
      forked: isForked(lineages),
      excused: outcome?.kind === 'excused' ? outcome.why : '',
      coverage: coverage.counts,
      formation: { charterMs: lineages.charterAt, activeMs: lineages.activeAt, allActiveMs },
      spreadsMs: lineages.spreadsOver(plan.nodes),
      digest: text,
    },
    trace: recorder?.trace(),
  }
}

/**
 * Lets the healed core run until nothing is lacking. Where its patience ends first it is judged by the world as it is then: a plan
 * that is certified after the healing may need what the faults before it took. Undefined with a violation.
 */
function converge(
  world: World,
  core: readonly number[],
  lineages: Lineages,
  violations: Violations,
): { readonly kind: 'formed'; readonly at: number } | Excused | undefined {
  const { plan, timeline } = world
  world.heal(core)
  const end = plan.horizonMs + plan.patienceMs
  for (let look = plan.horizonMs + lookEveryMs; look <= end; look += lookEveryMs) {
    while (!violations.any && timeline.step(look)) checkForks(world, lineages, violations)
    if (violations.any) return undefined
    if (!lacking(world, core).some(({ missing }) => missing !== undefined) && agree(world, core))
      return { kind: 'formed', at: timeline.now }
  }
  // Two charters may have been certified before the horizon and found out after it.
  const asked = coreToHeal(world, isForked(lineages))
  if (asked.kind === 'excused') return asked
  for (const { index, missing } of lacking(world, core)) {
    if (missing !== undefined) violations.add(missing.invariant, timeline.now, index, missing.text)
  }
  if (!violations.any) violations.add('L4', timeline.now, -1, 'the healed core does not hold one newest plan')
  return undefined
}

function lacking(world: World, core: readonly number[]) {
  const owed = core.filter((index) => !world.operator.leaving.has(index))
  return owed.map((index) => ({ index, missing: lacks(world, world.machines[index]!) }))
}

function isForked({ charters, split }: Lineages): boolean {
  return charters.size > 1 || split !== undefined
}

/** S1, S2: a fork is a violation where its premise holds. */
function checkForks(world: World, lineages: Lineages, violations: Violations): void {
  if (!isForked(lineages) || violations.any) return
  const { split, charters, active } = lineages
  const { now } = world.timeline
  if (split !== undefined && split.generation > 0 && world.amnesias === 0) {
    violations.add('S1', split.at, split.node, `two plans of generation ${split.generation} were certified`)
  }
  if (!premiseOf(world)) return
  if (active.size > 1) violations.add('S2', now, -1, 'two clusters are active')
  if (charters.size > 1) violations.add('S1', now, -1, `${charters.size} charters were certified`)
}

function forkCause({ faults }: Plan): CoverageName {
  const kinds = new Set(faults.map(({ kind }) => kind))
  if (kinds.has('rollback')) return 'fork by a put-back disk'
  if (kinds.has('clone')) return 'fork by a copied disk'
  return kinds.has('lie') ? 'fork by a two-faced voter' : 'fork by surplus machines'
}

function stackLine(error: Error): string {
  return (error.stack ?? '').split('\n').find((line) => line.includes('/src/')) ?? ''
}
