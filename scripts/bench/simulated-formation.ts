// Simulated formations in a process of their own: prints what they cost, as one line of JSON.
//   node scripts/bench/simulated-formation.ts NODES SEED RUNS
import { generatePlan } from '../../simulations/plan/generate.ts'
import { simulate } from '../../simulations/run/simulate.ts'

const [nodes = 0, firstSeed = 0, runs = 0] = process.argv.slice(2).map(Number)
const before = process.cpuUsage()
for (let seed = firstSeed; seed < firstSeed + runs; seed++) {
  const { result } = simulate(generatePlan({ seed, nodes, faults: 'clean' }))
  if (result.violations.length > 0 || result.formation.allActiveMs === undefined)
    throw new Error(`seed ${seed}: ${nodes} machines formed no cluster`)
}
const { user, system } = process.cpuUsage(before)
const peakMb = (process.resourceUsage().maxRSS * 1_024) / 1e6
process.stdout.write(`${JSON.stringify({ seconds: (user + system) / 1e6 / runs, peakMb })}\n`)
