import { execFileSync } from 'node:child_process'
import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import os from 'node:os'
import { parseArgs } from 'node:util'
import { lackingCoverage, requirementOf } from '../checkers/required.ts'
import { comparedRules, compareWithKairos, formatComparison } from '../kairos/compare.ts'
import { runMutants } from '../mutants/run-mutants.ts'
import { quantileMs } from '../pictures/distribution.ts'
import { renderComparison } from '../pictures/render-comparison.ts'
import { renderRun } from '../pictures/render-run.ts'
import { renderSummary } from '../pictures/render-summary.ts'
import { generatePlan, presets } from '../plan/generate.ts'
import type { Preset } from '../plan/generate.ts'
import type { Plan } from '../plan/plan.ts'
import { planSchema } from '../plan/plan.ts'
import { shrink } from '../plan/shrink.ts'
import { formatReport, runScenario } from '../scenarios/run.ts'
import { runBulk } from './bulk.ts'
import { simulate } from './simulate.ts'
import type { BulkSetting, Tally } from './tally.ts'

const help = `npm run sim -- [options]

  --nodes N --seeds N [--seed-start S] [--faults NAME] [--expect N|auto] [--minutes M] [--workers N]
  --replay SEED|FILE [--picture FILE.html]   one run again, told and drawn
  --mutants [--only NAME]                    seeded bugs: each must be caught
  --compare-kairos [--seeds N]               the rule of provider-kairos in the same world
  --scenario FILE [--seeds N]                a scenario file
  --picture FILE                             a page (.html) about the run, or about all runs; of the comparison an .svg

faults: ${presets.join(', ')}
Exit code 1: a promise was broken; the shrunk plan is on disk and the command to replay it is printed. Or: so many seeds
must meet what checkers/required.ts names for their preset, and did not.
Exit code 2: the options are wrong, or some seeds were not counted, which are named.`

const options = {
  nodes: { type: 'string', default: '5' },
  seeds: { type: 'string' },
  'seed-start': { type: 'string', default: '1' },
  faults: { type: 'string', default: 'hostile' },
  expect: { type: 'string' },
  minutes: { type: 'string' },
  workers: { type: 'string', default: String(os.availableParallelism()) },
  replay: { type: 'string' },
  picture: { type: 'string' },
  mutants: { type: 'boolean' },
  only: { type: 'string' },
  'compare-kairos': { type: 'boolean' },
  scenario: { type: 'string' },
  help: { type: 'boolean' },
} as const

const { values } = readArguments()

const stopping = new AbortController()
// What was counted until then is the result.
for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, () => stopping.abort())

process.exitCode = await main().catch((error: unknown) => {
  process.stderr.write(`${error instanceof Error ? error.message : String(error)}\n`)
  return 2
})

/** What was asked for; one sentence and exit code 2 where it is none of the options. */
function readArguments() {
  try {
    return parseArgs({ options })
  } catch (error) {
    process.stderr.write(`${error instanceof Error ? error.message : String(error)}\n`)
    process.exit(2)
  }
}

async function main(): Promise<number> {
  const seedStart = whole('seed-start')
  if (values.help === true) return say(help)
  if (values.mutants === true) {
    return runMutants({
      ...(values.only === undefined ? {} : { only: values.only }),
      workers: whole('workers'),
    })
  }
  if (values['compare-kairos'] === true) {
    const runs = whole('seeds', 200)
    say(`${comparedRules.length} rules, ${runs} seeds from ${seedStart} each`)
    const rows = await compareWithKairos({ runs, seedStart, stop: () => stopping.signal.aborted })
    if (values.picture !== undefined) writeFileSync(values.picture, `${renderComparison(rows)}\n`)
    return say(formatComparison(rows))
  }
  if (values.scenario !== undefined) {
    const seeds = values.seeds === undefined ? {} : { seeds: whole('seeds') }
    const stop = (): boolean => stopping.signal.aborted
    const report = await runScenario(values.scenario, { seedStart, stop, ...seeds })
    say(formatReport(report))
    return report.passed ? 0 : 1
  }
  if (values.replay !== undefined) return replay(values.replay)
  return bulk(seedStart)
}

async function bulk(seedStart: number): Promise<number> {
  const setting = settingOf()
  const seeds = whole('seeds', 1_000)
  if (seeds === 0) throw new Error('--seeds needs at least 1: no run shows nothing')
  let told = 0
  const tally = await runBulk({
    ...setting,
    seeds,
    seedStart,
    workers: whole('workers'),
    signal: stopping.signal,
    onProgress: ({ runs, wallMs, violations }) => {
      if (wallMs < told + 10_000) return
      told = wallMs
      const found = violations.length === 0 ? '' : `; violations: ${violations.length}`
      const perMinute = Math.round((runs * 60_000) / wallMs)
      process.stderr.write(`${runs} of ${seeds} runs, ${perMinute} a minute${found}\n`)
    },
  })
  say(report(tally))
  if (values.picture !== undefined) {
    const command = `npm run sim -- ${process.argv.slice(2).join(' ')}`
    const summary = { title: tally.name, command, commit: commit(), groups: [tally] }
    writeFileSync(values.picture, renderSummary(summary))
  }
  const first = tally.violations[0]
  if (first === undefined) {
    const isLacking = lacks(setting.faults, tally)
    if (tally.failures.length > 0) return 2
    return isLacking ? 1 : 0
  }
  const plan = generatePlan({ ...setting, seed: first.seed })
  say(`\nshrinking seed ${first.seed} (${first.invariant}) …`)
  keep(
    shrink(plan, (smaller) => breaks(smaller, first.invariant)),
    first.invariant,
  )
  return 1
}

/** Whether the runs did not meet what they must; says so. */
function lacks(preset: Preset, { runs, coverage }: Tally): boolean {
  const requirement = requirementOf(preset)
  if (requirement === undefined) return false
  const never = lackingCoverage(requirement, runs, coverage)
  if (never === undefined) {
    say(`  not enough seeds to require what must happen in ${requirement.seeds}`)
    return false
  }
  if (never.length === 0) {
    say(`  all ${requirement.names.length} things that must happen in ${requirement.seeds} seeds did`)
    return false
  }
  say(`  the world is too kind, these runs prove nothing. Never happened: ${never.join(', ')}`)
  return true
}

function replay(what: string): number {
  const plan = existsSync(what)
    ? planSchema.parse(JSON.parse(readFileSync(what, 'utf8')))
    : generatePlan({ ...settingOf(), seed: whole('replay') })
  const { result, trace } = simulate(plan, { record: true })
  for (const event of trace?.events ?? []) {
    if (event.kind === 'adoption') {
      say(`${time(event.at)}  machine ${event.node} takes generation ${event.generation}, ${event.phase}`)
    }
    if (event.kind === 'fault') say(`${time(event.at)}  fault: ${event.text}`)
    if (event.kind === 'crash') say(`${time(event.at)}  machine ${event.node} stops: ${event.why}`)
    if (event.kind === 'healed') say(`${time(event.at)}  healed: ${event.core.join(', ')}`)
  }
  const { events, virtualMs, digest, excused } = result
  say(`seed ${plan.seed}: ${events} events in ${time(virtualMs).trim()} of virtual time, digest ${digest}`)
  if (excused !== '') say(`nothing was asked of liveness: ${excused}`)
  for (const { invariant, at, node, text } of result.violations) {
    say(`${time(at)}  ${invariant} broken at machine ${node}: ${text}`)
  }
  if (values.picture !== undefined && trace !== undefined) {
    writeFileSync(values.picture, renderRun(trace, result))
  }
  return result.violations.length === 0 ? 0 : 1
}

function breaks(plan: Plan, invariant: string): boolean {
  return simulate(plan).result.violations.some((violation) => violation.invariant === invariant)
}

function keep(plan: Plan, invariant: string): void {
  const file = `simulations/failures/${invariant}-${plan.seed}.json`
  mkdirSync('simulations/failures', { recursive: true })
  writeFileSync(file, `${JSON.stringify(plan, undefined, 2)}\n`)
  say(`${plan.faults.length} faults are left: npm run sim -- --replay ${file} --picture run.html`)
}

function report(tally: Tally): string {
  const perMinute = Math.round((tally.runs * 60_000) / Math.max(1, tally.wallMs))
  const lines = [
    `${tally.name}: ${tally.interrupted ? `interrupted after ${tally.runs} seeds, from ${tally.firstSeed} on` : `seeds ${tally.firstSeed} to ${tally.firstSeed + tally.runs - 1}`}`,
    `  runs ${tally.runs}, ${perMinute} a minute; events ${tally.events}; virtual time ${(tally.virtualMs / 3_600_000).toFixed(1)} h`,
    `  outside the premise ${tally.outsidePremise}, of which forked ${tally.forksOutsidePremise}; excused from liveness ${tally.excused}`,
  ]
  for (const [name, times] of Object.entries(tally.formation)) {
    const at = [0.5, 0.9, 0.99].map((share) => seconds(quantileMs(times, share)))
    lines.push(`  ${name}: p50 ${at[0]}, p90 ${at[1]}, p99 ${at[2]}; in ${times.count} of ${tally.runs} runs`)
  }
  const covered = Object.entries(tally.coverage).map(([name, count]) => `${name} ${count}`)
  lines.push(`  coverage: ${covered.join(', ')}`)
  for (const { seed, invariant, text, replay: again } of tally.violations.slice(0, 20)) {
    lines.push(`  ${invariant} broken, seed ${seed}: ${text}`, `    ${again}`)
  }
  for (const failure of tally.failures) lines.push(`  not counted: ${failure}`)
  lines.push(`  violations: ${tally.violations.length}`)
  return lines.join('\n')
}

function settingOf(): BulkSetting {
  const faults = values.faults as Preset
  if (!presets.includes(faults)) throw new Error(`--faults is one of ${presets.join(', ')}, not ${faults}`)
  return {
    nodes: whole('nodes'),
    faults,
    ...(values.expect === undefined ? {} : { expect: values.expect === 'auto' ? 'auto' : whole('expect') }),
    ...(values.minutes === undefined ? {} : { minutes: minutes(values.minutes) }),
  }
}

type Numeric = 'nodes' | 'seeds' | 'seed-start' | 'expect' | 'workers' | 'replay'

function whole(flag: Numeric, otherwise?: number): number {
  const text = values[flag]
  if (text === undefined && otherwise !== undefined) return otherwise
  if (text === undefined || !/^\d+$/.test(text))
    throw new Error(`--${flag} needs a whole number, not ${text}`)
  return Number(text)
}

function minutes(text: string): number {
  const value = Number(text)
  if (!Number.isFinite(value) || value <= 0) throw new Error(`--minutes needs a number above 0, not ${text}`)
  return value
}

function commit(): string {
  return execFileSync('git', ['describe', '--always', '--dirty'], { encoding: 'utf8' }).trim()
}

function time(ms: number): string {
  return `${(ms / 1_000).toFixed(3).padStart(9)} s`
}

function seconds(ms: number | undefined): string {
  return ms === undefined ? 'never' : `${(ms / 1_000).toFixed(1)} s`
}

function say(text: string): number {
  process.stdout.write(`${text}\n`)
  return 0
}
