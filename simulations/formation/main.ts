// How long sites of several sizes take to form, and how fast their plans spread, without faults:
//   node simulations/formation/main.ts [--runs 3:200,5:200,10:100,100:20,1000:5] [--out docs/formation]
// Prints a row for each size and writes the distributions as SVG files: PREFIX-charter.svg and so on.
import { writeFileSync } from 'node:fs'
import { parseArgs } from 'node:util'
import type { DistributionRow } from '../pictures/render-distribution.ts'
import { markedShares, renderDistributions } from '../pictures/render-distribution.ts'
import type { Distribution } from '../pictures/distribution.ts'
import { addTime, emptyDistribution, quantileMs } from '../pictures/distribution.ts'
import { generatePlan } from '../plan/generate.ts'
import { simulate } from '../run/simulate.ts'

const { values } = parseArgs({
  options: {
    runs: { type: 'string', default: '3:200,5:200,10:100,100:20,1000:5' },
    out: { type: 'string' },
  },
})

/** Every picture: its name in a file name, and its title. */
const pictures = [
  ['charter', 'From the first power until the charter is certified'],
  ['active', 'From the first power until the cluster is active'],
  ['all-active', 'From the first power until every machine is ready'],
  ['plan-spread', 'From the first machine that holds a plan until the last one'],
] as const
type Picture = (typeof pictures)[number][0]
type Times = Readonly<Record<Picture, Distribution>>

const sizes = values.runs.split(',').map((part) => {
  const [nodes = 0, seeds = 0] = part.split(':').map(Number)
  if (!(nodes > 0 && seeds > 0)) throw new Error(`--runs is SIZE:SEEDS,…, not ${part}`)
  return { nodes, seeds }
})
const rows: { readonly name: string; readonly times: Times }[] = []
for (const { nodes, seeds } of sizes) rows.push(measure(nodes, seeds))
if (values.out !== undefined) {
  for (const [name, title] of pictures) {
    const drawn = rows.map((row): DistributionRow => ({ name: row.name, distribution: row.times[name] }))
    writeFileSync(`${values.out}-${name}.svg`, `${renderDistributions(title, drawn)}\n`)
  }
}

function measure(nodes: number, seeds: number): (typeof rows)[number] {
  const times: Times = {
    charter: emptyDistribution(),
    active: emptyDistribution(),
    'all-active': emptyDistribution(),
    'plan-spread': emptyDistribution(),
  }
  const before = process.cpuUsage()
  for (let seed = 1; seed <= seeds; seed++) {
    const { formation, spreadsMs, violations } = simulate(
      generatePlan({ seed, nodes, faults: 'clean' }),
    ).result
    if (violations.length > 0) throw new Error(`seed ${seed} of ${nodes} machines: ${violations[0]?.text}`)
    addTime(times.charter, formation.charterMs)
    addTime(times.active, formation.activeMs)
    addTime(times['all-active'], formation.allActiveMs)
    for (const ms of spreadsMs) addTime(times['plan-spread'], ms)
  }
  const { user, system } = process.cpuUsage(before)
  const cells = pictures.map(([name]) =>
    markedShares.map(([share]) => seconds(quantileMs(times[name], share))).join(' | '),
  )
  const cost = `${((user + system) / 1e6 / seeds).toFixed(2)} s of processor time each`
  process.stdout.write(`| ${nodes} (${seeds} runs) | ${cells.join(' | ')} |  ${cost}\n`)
  return { name: `${nodes} machines`, times }
}

function seconds(ms: number | undefined): string {
  return ms === undefined ? 'never' : `${(ms / 1_000).toFixed(ms < 1_000 ? 2 : 1)} s`
}
