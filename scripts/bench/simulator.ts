import { spawnSync } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import type { Figure } from './figures.ts'
import { measureHostileRuns } from './hostile-runs.ts'

// Whole sites in the simulator: every machine with the production core, agents' turns, disks, network, k3s and all the
// checkers, from the first machine's power until every machine is ready. Each size runs in a process of its own.

const program = fileURLToPath(new URL('simulated-formation.ts', import.meta.url))

/** What one size cost. */
interface Cost {
  /** Processor time of one formation. */
  readonly seconds: number
  /** Largest resident size of the process, in 10^6 bytes. */
  readonly peakMb: number
}

/** Hostile runs of 5 machines, formations of 100 and 1000 by processor time, and of 2000 by memory. */
export function measureSimulator(runs: number): Figure[] {
  const hundred = Array.from({ length: runs }, (_, run) => formations(100, 1 + 5 * run, 5))
  const thousand = formations(1_000, 1, 1)
  const twoThousand = formations(2_000, 1, 1)
  return [
    measureHostileRuns(runs),
    {
      what: 'simulator: one formation of 100, processor time (500 runs a minute: 0.12)',
      unit: 's',
      goal: { of: 'p50', most: 0.12 },
      values: hundred.map(({ seconds }) => seconds),
    },
    {
      what: 'simulator: one formation of 1000, processor time (10 runs a minute: 6)',
      unit: 's',
      goal: { of: 'p50', most: 6 },
      values: [thousand.seconds],
    },
    { what: 'simulator: formation of 1000, peak memory', unit: 'MB', values: [thousand.peakMb] },
    {
      what: 'simulator: formation of 2000, peak memory',
      unit: 'MB',
      goal: { of: 'max', most: 2_000 },
      values: [twoThousand.peakMb],
    },
    {
      what: 'simulator: one formation of 2000, processor time',
      unit: 's',
      values: [twoThousand.seconds],
    },
  ]
}

function formations(nodes: number, seed: number, runs: number): Cost {
  const { status, stdout } = spawnSync(
    process.execPath,
    ['--max-old-space-size=16000', program, ...[nodes, seed, runs].map(String)],
    { stdio: ['ignore', 'pipe', 'inherit'], encoding: 'utf8' },
  )
  if (status !== 0) throw new Error(`the formation of ${nodes} machines ended with ${status}`)
  return JSON.parse(stdout) as Cost
}
