import { setImmediate } from 'node:timers/promises'
import { nodeStatus } from '../../src/agent/status.ts'
import { ConditionLog } from '../../src/core/status/condition-log.ts'
import type { Plan } from '../plan/plan.ts'
import { simulate } from '../run/simulate.ts'
import type { Machine } from '../world/machine.ts'
import { World } from '../world/world.ts'
import type { Claim, HostLook, Look } from './claims.ts'
import { judgeClaim, readClaim } from './claims.ts'
import { loadScenario } from './load.ts'
import type { Scenario } from './schema.ts'
import { scenarioPlan } from './to-plan.ts'

/** Machines are looked at so often. */
const lookEveryMs = 250
/** Seeds where the file says nothing. */
const seedsDefault = 10

/** What became of one expectation, over all runs. */
export interface ClaimReport {
  readonly text: string
  readonly runs: number
  /** Runs in which it did not hold, and what was seen there. */
  readonly failures: readonly { readonly seed: number; readonly why: string }[]
}

/** What became of a scenario. */
export interface ScenarioReport {
  readonly name: string
  readonly passed: boolean
  /** The file's expectations in order; the simulator's own check of safety comes last. */
  readonly claims: readonly ClaimReport[]
}

/** How a scenario is run in the simulator. */
export interface ScenarioOptions {
  /** First seed; default 1. */
  readonly seedStart?: number
  /** Runs, instead of the number in the file. */
  readonly seeds?: number
  /** Asked between runs: whether to stop. What was seen by then is reported. */
  readonly stop?: () => boolean
}

/** Runs a scenario file in the simulator. Throws ERR_SCENARIO_INVALID. */
export async function runScenario(path: string, options: ScenarioOptions = {}): Promise<ScenarioReport> {
  return simulateScenario(loadScenario(path), options)
}

/**
 * Runs a scenario once for each seed, and judges its expectations and the promises of the protocol. Between
 * runs it lets signals and timers have their turn.
 */
export async function simulateScenario(
  scenario: Scenario,
  options: ScenarioOptions = {},
): Promise<ScenarioReport> {
  const { seedStart = 1, seeds = scenario.seeds ?? seedsDefault } = options
  const reports = [...scenario.expect, 'no promise of the protocol is broken'].map((text) => ({
    text,
    runs: 0,
    failures: [] as { seed: number; why: string }[],
  }))
  for (let seed = seedStart; seed < seedStart + seeds && options.stop?.() !== true; seed++) {
    const plan = scenarioPlan(scenario, seed)
    const looks = watchSite(plan)
    const { violations } = simulate(plan).result
    for (const [index, report] of reports.entries()) {
      const why =
        index < scenario.expect.length
          ? judgeClaim(readClaim(report.text) as Claim, looks)
          : violations.map(({ invariant, text }) => `${invariant}: ${text}`).join('; ')
      report.runs += 1
      if (why !== '') report.failures.push({ seed, why })
    }
    await setImmediate()
  }
  return {
    name: scenario.name,
    passed: reports.every(({ runs, failures }) => runs > 0 && failures.length === 0),
    claims: reports,
  }
}

/** The site as its machines would tell it, from the beginning to the horizon. */
function watchSite(plan: Plan): readonly Look[] {
  const world = new World(plan, [])
  const looks: Look[] = []
  for (let at = lookEveryMs; at <= plan.horizonMs; at += lookEveryMs) {
    while (world.timeline.step(at));
    looks.push({ atMs: at, hosts: world.machines.map(lookAt) })
  }
  return looks
}

function lookAt(machine: Machine): HostLook | undefined {
  const view = machine.core?.view?.()
  if (view === undefined) return undefined
  const around = { networkName: '', storeFailure: undefined, nextCallInMs: undefined }
  const { plan, assignment, waiting, conditions } = nodeStatus(view, around, new ConditionLog())
  return {
    clusterId: plan?.clusterId,
    isActive: plan?.phase === 'active',
    isReady: conditions.some(({ type, status }) => type === 'K3sReady' && status === 'true'),
    role: assignment?.role ?? '',
    waiting,
  }
}

/** The report as lines of text. */
export function formatReport(report: ScenarioReport): string {
  const lines = report.claims.map(({ text, runs, failures }) => {
    const head = `${failures.length === 0 ? 'ok    ' : 'FAILED'} ${text} (${runs - failures.length} of ${runs} runs)`
    const [first] = failures
    return first === undefined ? head : `${head}\n       seed ${first.seed}: ${first.why}`
  })
  return `${report.name}: ${report.passed ? 'passed' : 'failed'}\n${lines.join('\n')}\n`
}
