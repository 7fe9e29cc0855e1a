import { generatePlan } from '../../simulations/plan/generate.ts'
import { simulate } from '../../simulations/run/simulate.ts'
import type { Figure } from './figures.ts'

/** Machines of a site, as in `npm run sim`. */
const nodes = 5
/** Run first and not counted: a bulk run is warm for all but its beginning. */
const warmUpSeeds = 200
const seedsPerValue = 100
const firstSeed = 1_000

/**
 * How many hostile runs of five machines one core makes in a minute, by processor time of this thread: other work on the
 * machine costs it what it takes of the caches, and no more. One seed in a hundred runs with real keys, as always.
 */
export function measureHostileRuns(times: number): Figure {
  runSeeds(1, warmUpSeeds)
  return {
    what: `simulator: ${nodes} machines, hostile: runs a minute on one core`,
    unit: '1/min',
    goal: { of: 'p50', least: 50_000 },
    values: Array.from({ length: times }, (_, time) => perMinute(firstSeed + time * seedsPerValue)),
  }
}

function perMinute(first: number): number {
  const before = process.threadCpuUsage()
  runSeeds(first, seedsPerValue)
  const { user, system } = process.threadCpuUsage(before)
  return (seedsPerValue * 60_000_000) / (user + system)
}

function runSeeds(first: number, count: number): void {
  for (let seed = first; seed < first + count; seed++) {
    const { result } = simulate(generatePlan({ seed, nodes, faults: 'hostile' }))
    if (result.violations.length > 0) throw new Error(`seed ${seed} of ${nodes} machines broke a promise`)
  }
}
