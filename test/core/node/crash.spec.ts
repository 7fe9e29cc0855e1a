// Proves that a power cut at any write, before it or right after it, costs time and nothing else: the formation
// is repeated once for every write of a whole run, with the writer switched off at exactly that write.
import { describe, expect, it } from 'vitest'
import { VirtualCluster } from '../../support/virtual-cluster.ts'
import { clustersOf, safetyViolations } from './safety.ts'

const options = { count: 3, seed: 7 }

describe('a machine that loses power at a write', () => {
  const writes = countWrites()

  it.each(['before it', 'right after it'] as const)('%s comes back, and one cluster forms', (when) => {
    expect(writes).toBeGreaterThan(20)
    const failures: string[] = []
    for (let index = 0; index < writes; index++) {
      const cluster = new VirtualCluster(options)
      crashAt(cluster, index, when === 'before it')
      const formed = cluster.run(120_000, () => isWhole(cluster))
      if (!formed) failures.push(`write ${index}: no cluster`)
      if (clustersOf(cluster).length > 1) failures.push(`write ${index}: two clusters`)
      failures.push(...safetyViolations(cluster).map((what) => `write ${index}: ${what}`))
    }
    expect(failures).toEqual([])
  })
})

describe('a site that loses power at once', () => {
  it('has the same roles and addresses afterwards, and asks nobody for them', () => {
    const cluster = new VirtualCluster({ count: 5 })
    cluster.run(60_000, () => cluster.isActive())
    const before = cluster.view(0).chain
    for (const host of cluster.hosts) cluster.kill(host.index)
    cluster.run(5_000)
    // Nobody hears anybody: what they know, they know from their own disks.
    cluster.cut(() => true)
    for (const host of cluster.hosts) cluster.start(host.index)
    for (const view of cluster.views()) expect(view.chain.hash).toBe(before.hash)
    cluster.cut(() => false)
    cluster.run(60_000)
    for (const view of cluster.views()) {
      expect(view.chain.newest?.plan.body.assignments).toEqual(before.newest?.plan.body.assignments)
    }
    expect(safetyViolations(cluster)).toEqual([])
  })
})

function countWrites(): number {
  const cluster = new VirtualCluster(options)
  let writes = 0
  cluster.onEffect = (_, effect) => {
    if (effect.kind === 'persist') writes += 1
  }
  cluster.run(60_000, () => isWhole(cluster))
  return writes
}

function crashAt(cluster: VirtualCluster, index: number, before: boolean): void {
  let writes = 0
  const look: NonNullable<VirtualCluster['onEffect']> = (host, effect) => {
    if (effect.kind !== 'persist' || writes++ !== index) return
    cluster.kill(host.index)
    cluster.after(2_000, () => cluster.start(host.index))
  }
  if (before) cluster.onEffect = look
  else cluster.afterEffect = look
}

function isWhole(cluster: VirtualCluster): boolean {
  return cluster.hosts.every((host) => host.node !== undefined) && cluster.isActive()
}
