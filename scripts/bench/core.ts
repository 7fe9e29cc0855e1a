import { createHash } from 'node:crypto'
import { formCluster } from '../../test/support/core-bench.ts'
import { VirtualNetwork } from '../../test/core/membership/virtual-network.ts'
import { VirtualCluster } from '../../test/support/virtual-cluster.ts'
import type { Figure } from './figures.ts'

// How much work the core is, apart from all I/O. A simulator's speed is this. The unit is other work of the same
// kind in the same run, so that figures of different machines can be compared.

const hashesPerUnit = 100_000

/** The core in virtual time: a formation, and memberships that find one view from a chain of acquaintances. */
export function measureCore(runs: number, memberships: readonly number[]): Figure[] {
  const unitsMs = Array.from({ length: runs }, () => timeOf(hashUnit))
  const unitMs = unitsMs.toSorted((a, b) => a - b)[Math.floor(runs / 2)] ?? Number.NaN
  const repeated = (work: (seed: number) => void): number[] =>
    Array.from({ length: runs }, (_, run) => timeOf(() => work(run + 1)) / unitMs)
  return [
    { what: `1 unit: ${hashesPerUnit} SHA-256 of 64 bytes`, unit: 'ms', values: unitsMs },
    { what: 'core: formation of 5 in virtual time', unit: 'units', values: repeated(formation) },
    {
      what: 'core alone: formation of 5, processor time',
      unit: 'ms',
      goal: { of: 'p50', most: 1.2 },
      values: Array.from({ length: runs }, (_, run) => formationMs(5, 50, run)),
    },
    {
      what: 'core alone: formation of 100, processor time',
      unit: 'ms',
      goal: { of: 'p50', most: 120 },
      values: Array.from({ length: runs }, (_, run) => formationMs(100, 1, run)),
    },
    ...memberships.map((count) => ({
      what: `core: ${count} memberships find one view`,
      unit: 'units',
      values: repeated((seed) => convergence(count, seed)),
    })),
  ]
}

function hashUnit(): void {
  const block = new Uint8Array(64)
  for (let count = 0; count < hashesPerUnit; count++) createHash('sha256').update(block).digest()
}

function formation(seed: number): void {
  const cluster = new VirtualCluster({ count: 5, seed })
  if (!cluster.run(300_000, () => cluster.isActive())) throw new Error(`seed ${seed}: no cluster formed`)
}

/** Processor time without encoding, trace and copies; the mean of several, so that a short one is measured at all. */
function formationMs(nodes: number, times: number, run: number): number {
  const before = process.cpuUsage()
  for (let time = 0; time < times; time++) {
    const { active } = formCluster({ nodes, seed: run * times + time })
    if (!active) throw new Error(`no cluster of ${nodes} formed`)
  }
  const { user, system } = process.cpuUsage(before)
  return (user + system) / 1_000 / times
}

/** Each node discovered the one before it. Asked every half second whether all have one view. */
function convergence(count: number, seed: number): void {
  const network = VirtualNetwork.ofSize(count, seed)
  if (!network.runUntil(() => network.converged(), 120_000))
    throw new Error(`seed ${seed}: ${count} memberships did not find one view`)
}

function timeOf(work: () => void): number {
  const begin = performance.now()
  work()
  return performance.now() - begin
}
