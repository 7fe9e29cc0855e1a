import { setImmediate } from 'node:timers/promises'
import { ClusterNode } from '../../src/core/node.ts'
import type { Plan } from '../plan/plan.ts'
import type { CoreFactory } from '../world/core.ts'
import { kairosCore } from './node.ts'
import type { Preset } from './presets.ts'
import { founderSilentAt, machines, presets } from './presets.ts'
import type { SiteOutcome } from './run-site.ts'
import { runSite } from './run-site.ts'

/** A rule that forms clusters, and how a site is set up for it. */
export interface Rule {
  readonly name: string
  readonly core: CoreFactory
  readonly bootstrap: Plan['bootstrap']
  /** Whether 2q > M + w is the bound of its promise. */
  readonly isBounded: boolean
}

/** The rival with its default and with its safest number of nodes, and our two ways to say how many there are. */
export const comparedRules: readonly Rule[] = [
  kairosRule('Kairos, minimum_nodes 2', 2),
  kairosRule(`Kairos, minimum_nodes ${machines}`, machines),
  ownRule(`muster, expect ${machines}`, { mode: 'expect', expect: machines }),
  ownRule('muster, auto', { mode: 'auto' }),
]

function kairosRule(name: string, minimumNodes: number): Rule {
  // A founder and two beside it: as many servers as muster's three.
  const core = kairosCore({ minimumNodes, serversBeside: 2 })
  return { name, core, bootstrap: { mode: 'expect', expect: machines }, isBounded: false }
}

function ownRule(name: string, bootstrap: Plan['bootstrap']): Rule {
  return { name, core: (init) => new ClusterNode(init), bootstrap, isBounded: true }
}

/** What to compare. */
export interface ComparisonOptions {
  /** Runs of each rule under each preset. */
  readonly runs: number
  readonly seedStart: number
  /** All of them by default. */
  readonly presets?: readonly Preset[]
  /** All of them by default. */
  readonly rules?: readonly Rule[]
  /** Asked between runs: whether to stop. What was counted by then is returned. */
  readonly stop?: () => boolean
  /** Told after each row. */
  readonly onRow?: (row: ComparisonRow) => void
}

/** What became of the runs of one rule under one preset. */
export interface ComparisonRow {
  readonly preset: string
  readonly rule: string
  readonly runs: number
  /** Runs in which two k3s clusters came to serve. */
  readonly forked: number
  /** Of these, runs outside the bound within which the rule promises anything; always 0 for Kairos. */
  readonly outsideBound: number
  /** Runs in which no cluster ever served. */
  readonly none: number
  /** Virtual milliseconds from the beginning to the first cluster that serves, of the runs that have one. */
  readonly p50Ms: number | undefined
  readonly p90Ms: number | undefined
}

/** Runs all rules over the same seeds and faults. Between runs it lets signals and timers have their turn. */
export async function compareWithKairos(options: ComparisonOptions): Promise<readonly ComparisonRow[]> {
  const rows: ComparisonRow[] = []
  for (const preset of options.presets ?? presets) {
    for (const rule of options.rules ?? comparedRules) {
      const outcomes: SiteOutcome[] = []
      for (let index = 0; index < options.runs && options.stop?.() !== true; index++) {
        outcomes.push(runOnce(preset, rule, options.seedStart + index))
        await setImmediate()
      }
      if (outcomes.length === 0) return rows
      const row = summarise(preset.name, rule, outcomes)
      rows.push(row)
      options.onRow?.(row)
    }
  }
  return rows
}

function runOnce(preset: Preset, rule: Rule, seed: number): SiteOutcome {
  const planFor = (founder: number): Plan => ({ ...preset.plan(seed, founder), bootstrap: rule.bootstrap })
  if (!preset.needsFounder) return runSite(planFor(0), rule.core)
  // Until its first fault begins, a run is the same one without faults.
  const calm = { ...planFor(0), faults: [], horizonMs: founderSilentAt, patienceMs: 0 }
  return runSite(planFor(runSite(calm, rule.core).founder ?? 0), rule.core)
}

/** Counts what became of the runs of one rule. */
export function summarise(preset: string, rule: Rule, outcomes: readonly SiteOutcome[]): ComparisonRow {
  const times = outcomes
    .map(({ firstMs }) => firstMs)
    .filter((ms) => ms !== undefined)
    .toSorted((a, b) => a - b)
  const forks = outcomes.filter(({ clusters }) => clusters > 1)
  return {
    preset,
    rule: rule.name,
    runs: outcomes.length,
    forked: forks.length,
    outsideBound: rule.isBounded ? forks.filter(({ premise }) => !premise).length : 0,
    none: outcomes.length - times.length,
    p50Ms: quantile(times, 0.5),
    p90Ms: quantile(times, 0.9),
  }
}

/** Nearest-rank quantile of sorted numbers; undefined for none. */
function quantile(sorted: readonly number[], share: number): number | undefined {
  return sorted[Math.max(0, Math.ceil(sorted.length * share) - 1)]
}

/** The rows as a Markdown table. */
export function formatComparison(rows: readonly ComparisonRow[]): string {
  const seconds = (ms: number | undefined): string =>
    ms === undefined ? '–' : `${(ms / 1_000).toFixed(1)} s`
  const cells = rows.map((row) => [
    row.preset,
    row.rule,
    String(row.runs),
    `${row.forked} (${((100 * row.forked) / row.runs).toFixed(1)} %)${row.outsideBound > 0 ? `, ${row.outsideBound} outside the bound` : ''}`,
    String(row.none),
    seconds(row.p50Ms),
    seconds(row.p90Ms),
  ])
  const titles = ['faults', 'rule', 'runs', 'two clusters', 'none', 'first serves, p50', 'p90']
  const line = (row: readonly string[]): string => `| ${row.join(' | ')} |\n`
  return `${line(titles)}|${titles.map(() => '---|').join('')}\n${cells.map(line).join('')}`
}
