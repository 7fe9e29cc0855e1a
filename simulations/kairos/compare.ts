import { ClusterNode } from '../../src/core/node.ts'
import type { Plan } from '../plan/plan.ts'
import type { RunResult } from '../run/result.ts'
import type { Simulate } from '../run/simulate.ts'
import type { CoreFactory } from '../world/core.ts'
import { founderOf } from './founder.ts'
import { kairosCore } from './node.ts'
import type { Preset } from './presets.ts'
import { founderSilentAt, machines, presets } from './presets.ts'

/** A rule that forms clusters, and how a site is set up for it. */
interface Rule {
  readonly name: string
  readonly core: CoreFactory
  readonly bootstrap: Plan['bootstrap']
}

/** The rival with its default and with its safest number of nodes, and our two ways to say how many there are. */
const rules: readonly Rule[] = [
  kairosRule('Kairos, minimum_nodes 2', 2),
  kairosRule(`Kairos, minimum_nodes ${machines}`, machines),
  ownRule(`muster, expect ${machines}`, { mode: 'expect', expect: machines }),
  ownRule('muster, auto', { mode: 'auto' }),
]

function kairosRule(name: string, minimumNodes: number): Rule {
  // A founder and two beside it: as many servers as muster's three.
  const core = kairosCore({ minimumNodes, serversBeside: 2 })
  return { name, core, bootstrap: { mode: 'expect', expect: machines } }
}

function ownRule(name: string, bootstrap: Plan['bootstrap']): Rule {
  return { name, core: (init) => new ClusterNode(init), bootstrap }
}

/** What to compare. */
export interface ComparisonOptions {
  readonly simulate: Simulate
  /** Runs of each rule under each preset. */
  readonly runs: number
  readonly seedStart: number
  /** More presets than the built-in ones. */
  readonly presets?: readonly Preset[]
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
  /** Runs in which two k3s clusters came to serve, or two were certified. */
  readonly forked: number
  /** Of these, runs outside the bound within which the rule promises anything (2q > M + w; always 0 for Kairos). */
  readonly outsideBound: number
  /** Runs in which no cluster came to be. */
  readonly none: number
  /** Virtual milliseconds from the first power to the first active cluster, of the runs that have one. */
  readonly p50Ms: number | undefined
  readonly p90Ms: number | undefined
}

/** Runs all rules over the same seeds and faults. */
export function compareWithKairos(options: ComparisonOptions): readonly ComparisonRow[] {
  const rows: ComparisonRow[] = []
  for (const preset of [...presets, ...(options.presets ?? [])]) {
    for (const rule of rules) {
      const results: RunResult[] = []
      for (let index = 0; index < options.runs && options.stop?.() !== true; index++) {
        results.push(runOnce(preset, rule, options.seedStart + index, options.simulate))
      }
      if (results.length === 0) return rows
      const row = summarise(preset, rule, results)
      rows.push(row)
      options.onRow?.(row)
    }
  }
  return rows
}

function runOnce(preset: Preset, rule: Rule, seed: number, simulate: Simulate): RunResult {
  const planFor = (founder: number): Plan => ({ ...preset.plan(seed, founder), bootstrap: rule.bootstrap })
  const founder = preset.needsFounder ? founderOf(planFor(0), simulate, rule.core, founderSilentAt) : 0
  return simulate(planFor(founder), { core: rule.core }).result
}

function summarise(preset: Preset, rule: Rule, results: readonly RunResult[]): ComparisonRow {
  const times = results
    .map(({ formation }) => formation.activeMs)
    .filter((ms) => ms !== undefined)
    .toSorted((a, b) => a - b)
  const isRival = rule.name.startsWith('Kairos')
  const forks = results.filter(({ forked }) => forked)
  return {
    preset: preset.name,
    rule: rule.name,
    runs: results.length,
    forked: forks.length,
    outsideBound: isRival ? 0 : forks.filter(({ premise }) => !premise).length,
    none: results.length - times.length,
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
  const titles = ['faults', 'rule', 'runs', 'two clusters', 'none', 'first active p50', 'p90']
  const line = (row: readonly string[]): string => `| ${row.join(' | ')} |\n`
  return `${line(titles)}|${titles.map(() => '---|').join('')}\n${cells.map(line).join('')}`
}
