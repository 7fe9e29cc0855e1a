// Speed and size, measured on real agents; the machine is named, and no test depends on a figure here.
//   npm run bench -- [--only start|core|simulator|formation|leader|idle|image] [--runs N] [--idle SECONDS]
// `image` needs root and a mirror of Debian the first time: it is measured only when it is asked for.
// Agents are those of the bundle, as users run them: it is built first. A figure that could not be measured is an
// error; one that misses its goal is not.
import { spawnSync } from 'node:child_process'
import os from 'node:os'
import { fileURLToPath } from 'node:url'
import { parseArgs } from 'node:util'
import { ClusterFigures } from './bench/cluster.ts'
import type { ClusterPart } from './bench/cluster.ts'
import { measureCore } from './bench/core.ts'
import type { Figure } from './bench/figures.ts'
import { formatFigures } from './bench/figures.ts'
import { measureImage } from './bench/image.ts'
import { measureSimulator } from './bench/simulator.ts'
import { measureAgentStart, measureCommand } from './bench/start.ts'

const always = ['start', 'core', 'simulator', 'formation', 'leader', 'idle'] as const
const measurements = [...always, 'image'] as const

const { values: flags } = parseArgs({
  options: {
    only: { type: 'string', multiple: true, default: [...always] },
    runs: { type: 'string', default: '5' },
    idle: { type: 'string', default: '300' },
  },
})
const unknown = flags.only.filter((name) => !measurements.some((known) => known === name))
if (unknown.length > 0)
  throw new Error(`no such measurement: ${unknown.join(', ')}; ${measurements.join(', ')}`)
const runs = wholeNumber('runs', flags.runs)
const idleSeconds = wholeNumber('idle', flags.idle)

const top = fileURLToPath(new URL('..', import.meta.url))
const bundle = `${top}dist/muster.js`
const source = `${top}src/cli/main.ts`

build()
process.stdout.write(`${machine()}\n`)
const begin = performance.now()
const figures: Figure[] = []
if (isWanted('start')) await measureStart()
if (isWanted('core')) figures.push(...measureCore(runs, [100]), ...measureCore(1, [1_000]).slice(-1))
if (isWanted('simulator')) figures.push(...measureSimulator(runs))
await measureClusters()
if (isWanted('image')) figures.push(...measureImage(source, runs))
process.stdout.write(`\n${formatFigures(figures)}\n`)
process.stdout.write(`took ${((performance.now() - begin) / 60_000).toFixed(1)} min, ${load()}\n`)

async function measureStart(): Promise<void> {
  const starts = 4 * runs
  figures.push(
    {
      ...(await measureAgentStart(bundle, 'agent: first start until it listens, bundle', starts)),
      goal: { of: 'p50', most: 0.25 },
    },
    await measureAgentStart(source, 'agent: first start until it listens, source', runs),
    measureCommand(bundle, '`muster version`, bundle', starts),
    measureCommand(source, '`muster version`, source', runs),
  )
}

/** Each lab serves all that is wanted of it; the long idle time is spent in the last one only. */
async function measureClusters(): Promise<void> {
  if (!['formation', 'leader', 'idle'].some((name) => isWanted(name))) return
  const clusters = new ClusterFigures()
  const needed = isWanted('formation') || isWanted('leader') ? runs : 1
  for (let run = 1; run <= needed; run++) {
    const parts: ClusterPart[] = []
    if (isWanted('idle') && run === needed) parts.push('idle')
    if (isWanted('leader')) parts.push('leader')
    process.stdout.write(`cluster ${run} of ${needed}, ${load()}\n`)
    await clusters.measure(`bench-${run}`, bundle, parts, idleSeconds)
  }
  figures.push(...clusters.figures(idleSeconds))
}

function isWanted(name: string): boolean {
  return flags.only.includes(name)
}

function build(): void {
  const { status } = spawnSync(process.execPath, [`${top}scripts/build.ts`], {
    stdio: ['ignore', 'ignore', 'inherit'],
  })
  if (status !== 0) throw new Error('the bundle could not be built')
}

function machine(): string {
  const { stdout: commit } = spawnSync('git', ['describe', '--always', '--dirty'], {
    cwd: top,
    encoding: 'utf8',
  })
  const memory = `${Math.round(os.totalmem() / 2 ** 30)} GiB`
  return (
    `machine: ${os.cpus().length} x ${os.cpus()[0]?.model ?? 'unknown'}, ${memory}, ` +
    `Linux ${os.release()}, Node ${process.version}\ncommit: ${commit.trim()}\n${load()}`
  )
}

function load(): string {
  return `load ${os.loadavg()[0]?.toFixed(1)}`
}

function wholeNumber(name: string, text: string): number {
  const number = Number(text)
  if (!Number.isInteger(number) || number < 1)
    throw new Error(`--${name} is a whole number from 1, not ${text}`)
  return number
}
