import type { BulkGroup, BulkViolation } from '../pictures/bulk-summary.ts'
import { addDistribution, addTime, emptyDistribution } from '../pictures/distribution.ts'
import { coverageNames } from '../checkers/coverage.ts'
import type { GenerateOptions } from '../plan/generate.ts'
import type { Plan } from '../plan/plan.ts'
import type { RunResult } from './result.ts'

/** Runs that differ in their seed alone. */
export type BulkSetting = Omit<GenerateOptions, 'seed'>

/** What was counted so far. */
export type Tally = { -readonly [K in keyof BulkGroup]: BulkGroup[K] } & {
  /** Ranges of seeds whose thread broke down, and why. */
  failures: readonly string[]
}

/** No run yet. */
export function emptyTally(setting: BulkSetting, firstSeed: number): Tally {
  return {
    name: describeSetting(setting),
    firstSeed,
    runs: 0,
    interrupted: false,
    events: 0,
    virtualMs: 0,
    wallMs: 0,
    outsidePremise: 0,
    forksOutsidePremise: 0,
    excused: 0,
    formation: {
      charter: emptyDistribution(),
      active: emptyDistribution(),
      allActive: emptyDistribution(),
    },
    faults: {},
    coverage: Object.fromEntries(coverageNames.map((name) => [name, 0])),
    violations: [],
    failures: [],
  }
}

/** Counts one run. Times of formation count from the last first boot, and only where nothing was cut off for good. */
export function addRun(tally: Tally, setting: BulkSetting, plan: Plan, result: RunResult): void {
  const { formation, premise, forked } = result
  tally.runs += 1
  tally.events += result.events
  tally.virtualMs += result.virtualMs
  if (!premise) tally.outsidePremise += 1
  if (!premise && forked) tally.forksOutsidePremise += 1
  if (result.excused !== '') tally.excused += 1
  addTime(tally.formation.charter, formation.charterMs)
  addTime(tally.formation.active, formation.activeMs)
  addTime(tally.formation.allActive, formation.allActiveMs)
  const kinds = new Set(plan.faults.map(({ kind }) => kind))
  tally.faults = sum(tally.faults, Object.fromEntries([...kinds].map((kind) => [kind, 1])))
  tally.coverage = sum(tally.coverage, result.coverage)
  const broken = result.violations.map((violation): BulkViolation => ({
    ...violation,
    seed: plan.seed,
    replay: replayCommand(setting, plan.seed),
  }))
  tally.violations = [...tally.violations, ...broken]
}

/** Adds another worker's runs to these. */
export function addTally(into: Tally, from: Tally): void {
  into.runs += from.runs
  into.events += from.events
  into.virtualMs += from.virtualMs
  into.outsidePremise += from.outsidePremise
  into.forksOutsidePremise += from.forksOutsidePremise
  into.excused += from.excused
  addDistribution(into.formation.charter, from.formation.charter)
  addDistribution(into.formation.active, from.formation.active)
  addDistribution(into.formation.allActive, from.formation.allActive)
  into.faults = sum(into.faults, from.faults)
  into.coverage = sum(into.coverage, from.coverage)
  into.violations = [...into.violations, ...from.violations]
}

/** The command that runs one seed of a setting again, with a picture. */
export function replayCommand({ nodes, faults, expect, minutes }: BulkSetting, seed: number): string {
  const parts = [`npm run sim -- --replay ${seed} --nodes ${nodes} --faults ${faults}`]
  if (expect !== undefined) parts.push(`--expect ${expect}`)
  if (minutes !== undefined) parts.push(`--minutes ${minutes}`)
  return `${parts.join(' ')} --picture run.html`
}

function describeSetting({ nodes, faults, expect }: BulkSetting): string {
  return `${nodes} machines, ${faults}${expect === undefined ? '' : `, expect ${expect}`}`
}

function sum(
  a: Readonly<Record<string, number>>,
  b: Readonly<Record<string, number>>,
): Record<string, number> {
  const total: Record<string, number> = { ...a }
  for (const [name, count] of Object.entries(b)) total[name] = (total[name] ?? 0) + count
  return total
}
