// Proves that strangers become one cluster and never two, by production nodes on a virtual clock: with loss, a
// cut at the birth, too many machines, `auto`, and the death of the first server.
import { describe, expect, it } from 'vitest'
import type { CertifiedHeader } from '../../../src/core/model/plan.ts'
import { defaultSpec } from '../../../src/core/model/spec.ts'
import type { SignedStatement } from '../../../src/core/model/statement.ts'
import { networkId, VirtualCluster, virtualCrypto, virtualId } from '../../support/virtual-cluster.ts'
import { clustersOf, safetyViolations } from './safety.ts'

describe('five machines with expect: 5', () => {
  it('become one active cluster with three servers, and hold the same plan', () => {
    const cluster = new VirtualCluster({ count: 5 })
    expect(cluster.run(60_000, () => cluster.isActive())).toBe(true)
    const { assignments } = cluster.view(0).chain.newest!.plan.body
    expect(assignments).toHaveLength(5)
    expect(assignments.filter(({ role }) => role === 'control-plane')).toHaveLength(3)
    expect(new Set(cluster.views().map(({ chain }) => chain.hash)).size).toBe(1)
    expect(cluster.k3s.authorities).toHaveLength(1)
    expect(safetyViolations(cluster)).toEqual([])
  })

  it('settle: an active cluster writes no further plan', () => {
    const cluster = new VirtualCluster({ count: 5 })
    cluster.run(60_000, () => cluster.isActive())
    cluster.run(180_000)
    const before = cluster.adoptions.length
    cluster.run(120_000)
    expect(cluster.adoptions).toHaveLength(before)
  })

  it.each([1, 2, 3, 4, 5, 6, 7, 8])(
    'are founded within 10 s though one message in five is lost (seed %i)',
    (seed) => {
      const cluster = new VirtualCluster({ count: 5, loss: 0.2, seed })
      expect(cluster.run(10_000, () => cluster.adoptions.length > 0)).toBe(true)
      expect(cluster.run(180_000, () => cluster.isActive())).toBe(true)
      expect(safetyViolations(cluster)).toEqual([])
    },
  )

  it('do the same again with the same seed', () => {
    const [first, second] = [1, 2].map(() => {
      const cluster = new VirtualCluster({ count: 5, loss: 0.1, seed: 42 })
      cluster.run(20_000)
      return cluster.trace
    })
    expect(first!.length).toBeGreaterThan(500)
    expect(second).toEqual(first)
  })

  it('found nothing while two of them are cut off, say what they have and need, and are one after the heal', () => {
    const cluster = new VirtualCluster({ count: 5 })
    cluster.cut((a, b) => a < 2 && b >= 2)
    cluster.run(60_000)
    expect(cluster.adoptions).toEqual([])
    expect(cluster.view(0).birth).toMatchObject({ kind: 'waiting', waiting: { have: 2, need: 5 } })
    expect(cluster.view(4).birth).toMatchObject({ kind: 'waiting', waiting: { have: 3, need: 5 } })
    cluster.cut(() => false)
    expect(cluster.run(120_000, () => cluster.isActive())).toBe(true)
    expect(clustersOf(cluster)).toHaveLength(1)
    expect(safetyViolations(cluster)).toEqual([])
  })
})

describe('other wishes for the birth', () => {
  it('ten machines with expect: 3 found nothing and say that two clusters could be', () => {
    const bootstrap = { mode: 'expect', expect: 3 } as const
    const cluster = new VirtualCluster({ count: 10, bootstrap, bootstrapDelayMs: 10_000 })
    cluster.run(40_000)
    expect(cluster.adoptions).toEqual([])
    for (const view of cluster.views()) {
      expect(view.birth).toMatchObject({ kind: 'refused', reason: 'TooManyIdentities' })
    }
  })

  it('five machines that were told nothing become one cluster after the settle time', () => {
    const cluster = new VirtualCluster({ count: 5, bootstrap: { mode: 'auto' } })
    cluster.run(defaultSpec.timers.settleMs - 1_000)
    expect(cluster.adoptions).toEqual([])
    expect(cluster.run(120_000, () => cluster.isActive())).toBe(true)
    expect(clustersOf(cluster)).toHaveLength(1)
    expect(safetyViolations(cluster)).toEqual([])
  })

  it('auto waits for a machine that fell silent until the operator orders to go on without it', () => {
    const operatorKey = 'e'.repeat(64)
    const cluster = new VirtualCluster({ count: 5, bootstrap: { mode: 'auto' }, operatorKey })
    cluster.run(10_000)
    cluster.kill(4)
    cluster.run(300_000)
    expect(cluster.adoptions).toEqual([])
    const silent = cluster.hosts[4]!.id
    expect(cluster.view(0).birth).toMatchObject({ kind: 'waiting', waiting: { missing: [silent] } })
    const statement = { kind: 'without', networkId, serial: 1, without: [silent] } as const
    const order = (signer: string): SignedStatement => ({
      statement,
      signer,
      signature: virtualCrypto(signer).sign('muster/order/1', statement),
    })
    const ask = (signed: SignedStatement): void =>
      cluster.tell(1, { kind: 'request', requestId: 1, request: { kind: 'order', signed } })
    ask(order('d'.repeat(64)))
    cluster.run(60_000)
    expect(cluster.adoptions).toEqual([])
    ask(order(operatorKey))
    expect(cluster.run(120_000, () => cluster.isActive())).toBe(true)
    const { certificate } = cluster.hosts[0]!.chain[0] as CertifiedHeader
    expect(certificate.terms?.without).toEqual([silent])
    cluster.start(4)
    expect(cluster.run(120_000, () => cluster.isActive())).toBe(true)
    expect(clustersOf(cluster)).toHaveLength(1)
    expect(safetyViolations(cluster)).toEqual([])
  })
})

describe('a birth of a network without an operator key', () => {
  it('goes on without a silent machine by the word of root on one that is known, and of no stranger', () => {
    const cluster = new VirtualCluster({ count: 5, bootstrap: { mode: 'auto' } })
    cluster.run(10_000)
    cluster.kill(4)
    cluster.run(90_000)
    const silent = cluster.hosts[4]!.id
    const stranger = virtualId(99)
    const statement = { kind: 'without', networkId, serial: 1, without: [silent] } as const
    const signature = virtualCrypto(stranger).sign('muster/statement/1', statement)
    for (const index of [0, 1, 2, 3]) {
      const from = cluster.hosts[(index + 1) % 4]!.id
      cluster.inject(from, index, { kind: 'statement', signed: { statement, signer: stranger, signature } })
    }
    cluster.run(60_000)
    expect(cluster.adoptions).toEqual([])
    cluster.tell(2, { kind: 'request', requestId: 1, request: { kind: 'go-on-without', without: [silent] } })
    expect(cluster.run(120_000, () => cluster.isActive())).toBe(true)
    expect(clustersOf(cluster)).toHaveLength(1)
    expect(safetyViolations(cluster)).toEqual([])
  })
})

describe('the first server', () => {
  it('is replaced by another team when it dies before Ready, and joins that team when it returns', () => {
    const timers = { ...defaultSpec.timers, initTimeoutMs: 20_000 }
    const cluster = new VirtualCluster({ count: 5, spec: { timers } })
    expect(cluster.run(30_000, () => cluster.k3s.authorities.length > 0)).toBe(true)
    const first = cluster.hosts.findIndex((host) => host.id === teamOf(cluster)[0])
    cluster.kill(first)
    expect(cluster.run(240_000, () => cluster.isActive())).toBe(true)
    expect(teamOf(cluster)[0]).not.toBe(cluster.hosts[first]!.id)
    cluster.start(first)
    expect(cluster.run(120_000, () => cluster.isActive() && isRunning(cluster, first))).toBe(true)
    expect(clustersOf(cluster)).toHaveLength(1)
    expect(safetyViolations(cluster)).toEqual([])
  })
})

function teamOf(cluster: VirtualCluster): readonly string[] {
  return cluster.views()[0]?.chain.newest?.plan.header.grant?.team ?? []
}

function isRunning(cluster: VirtualCluster, host: number): boolean {
  const { unit, caHash } = cluster.k3s.observe(host, cluster.now)
  return unit === 'running' && caHash === cluster.view(host).chain.newest?.plan.body.caHash
}
