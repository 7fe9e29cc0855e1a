// Proves what a founded cluster does with those who come later: newcomers, a dead leader, an old machine with the
// plan of a cluster that is gone, and liars. Production nodes on a virtual clock.
import { describe, expect, it } from 'vitest'
import type { CertifiedHeader, NodeAssignment } from '../../../src/core/model/plan.ts'
import { defaultTimers } from '../../../src/core/model/spec.ts'
import type { SignedStatement } from '../../../src/core/model/statement.ts'
import type { NodeView } from '../../../src/core/node/node-view.ts'
import { networkId, VirtualCluster, virtualCrypto, virtualId } from '../../support/virtual-cluster.ts'
import { clustersOf, safetyViolations } from './safety.ts'

describe('a newcomer', () => {
  it('becomes a worker with an address that nobody held', () => {
    const cluster = activeCluster()
    const held = assignments(cluster).map(({ address4 }) => address4)
    const index = cluster.addHost()
    expect(cluster.run(60_000, () => assignmentOf(cluster, index) !== undefined)).toBe(true)
    const assignment = assignmentOf(cluster, index)!
    expect(assignment.role).toBe('worker')
    expect(held).not.toContain(assignment.address4)
    expect(cluster.run(60_000, () => cluster.k3s.observe(index, cluster.now).ready)).toBe(true)
    expect(safetyViolations(cluster)).toEqual([])
  })

  it('is in the plan within 10 s although the leader is dead', () => {
    const cluster = activeCluster()
    cluster.run(60_000)
    const leader = cluster.view(0).consensus.leader
    cluster.kill(cluster.hosts.findIndex((host) => host.id === leader))
    const generation = height(cluster)
    cluster.addHost()
    expect(cluster.run(10_000, () => height(cluster) > generation)).toBe(true)
    expect(safetyViolations(cluster)).toEqual([])
  })

  it.each([6, 7, 9])('follows although half of all messages are lost (seed %i)', (seed) => {
    const cluster = new VirtualCluster({ count: 5, loss: 0.5, seed })
    expect(cluster.run(300_000, () => cluster.isActive())).toBe(true)
    const index = cluster.addHost()
    expect(cluster.run(120_000, () => cluster.hosts[index]!.chain.length > 0)).toBe(true)
    expect(safetyViolations(cluster)).toEqual([])
  })

  it('has nothing decided about it while a majority of the voters is dead, and joins when they return', () => {
    const cluster = activeCluster()
    const generation = height(cluster)
    const dead = voters(cluster).slice(0, Math.ceil(voters(cluster).length / 2))
    const indices = dead.map((id) => cluster.hosts.findIndex((host) => host.id === id))
    for (const index of indices) cluster.kill(index)
    const newcomer = cluster.addHost()
    cluster.run(60_000)
    expect(height(cluster)).toBe(generation)
    expect(cluster.view(newcomer).chain.newest).toBeUndefined()
    for (const index of indices) cluster.start(index)
    expect(cluster.run(120_000, () => assignmentOf(cluster, newcomer) !== undefined)).toBe(true)
    expect(clustersOf(cluster)).toHaveLength(1)
    expect(safetyViolations(cluster)).toEqual([])
  })
})

describe('a server that dies for good', () => {
  it.each([0, 1, 2])('leaves the control plane, and a spare takes its place (team member %i)', (place) => {
    const timers = { ...defaultTimers, deadAfterMs: 20_000, bootGraceMs: 5_000, promoteAfterMs: 5_000 }
    const cluster = new VirtualCluster({ count: 5, spec: { timers } })
    expect(cluster.run(120_000, () => cluster.isActive())).toBe(true)
    const victim = newest(cluster).chain.newest!.plan.header.grant!.team[place]!
    cluster.kill(cluster.hosts.findIndex((host) => host.id === victim))
    const replaced = (): boolean => {
      const { header, body } = newest(cluster).chain.newest!.plan
      const servers = body.assignments.filter(({ role }) => role === 'control-plane')
      return (
        header.openChange === null && servers.length === 3 && servers.every(({ nodeId }) => nodeId !== victim)
      )
    }
    expect(cluster.run(120_000, replaced)).toBe(true)
    expect(safetyViolations(cluster)).toEqual([])
  })
})

describe('an old machine with the plan of a cluster whose other voters are gone', () => {
  it('drags nobody along: the others wait and name the voters whose word is missing', () => {
    const cluster = new VirtualCluster({ count: 3 })
    cluster.run(60_000, () => cluster.isActive())
    const clusterId = clustersOf(cluster)[0]
    cluster.kill(1)
    cluster.kill(2)
    const strangers = [cluster.addHost(), cluster.addHost(), cluster.addHost()]
    cluster.run(60_000)
    for (const index of strangers) {
      const { chain, following, birth } = cluster.view(index)
      expect(chain.newest).toBeUndefined()
      expect(following).toMatchObject([{ clusterId, need: 2, have: [cluster.hosts[0]!.id] }])
      expect([...following[0]!.missing].toSorted()).toEqual([virtualId(1), virtualId(2)].toSorted())
      expect(birth?.kind).not.toBe('offer')
    }
    cluster.start(1)
    const joined = (): boolean => strangers.every((index) => assignmentOf(cluster, index) !== undefined)
    expect(cluster.run(120_000, joined)).toBe(true)
    expect(clustersOf(cluster)).toEqual([clusterId])
  })
})

describe('a liar', () => {
  it('with a statement that the signer never made is cut off, and the statement is not kept', () => {
    const cluster = activeCluster()
    const [subject, liar] = [virtualId(1), virtualId(2)]
    const { clusterId, epoch } = cluster.view(0).chain.newest!.plan.header
    const statement = { kind: 'dead', networkId, clusterId, epoch, subject, incarnation: 1 } as const
    const signature = virtualCrypto(liar).sign('muster/statement/1', statement)
    const forged: SignedStatement = { statement, signer: virtualId(3), signature }
    cluster.inject(liar, 0, { kind: 'statement', signed: forged })
    expect(cluster.cutOffs).toEqual([{ by: 0, peer: liar, detail: 'a forged statement' }])
    expect(cluster.view(0).statements).not.toContainEqual(forged)
  })

  it('with a plan that the voters never signed is cut off, and the plan is not followed', () => {
    const cluster = activeCluster()
    const { newest, headers, hash } = cluster.view(0).chain
    const header = { ...headers.at(-1)!.header, generation: headers.length, parentHash: hash }
    const forged: CertifiedHeader = { header, certificate: newest!.certificate }
    const plan = { ...newest!.plan, header }
    const message = { kind: 'plan-chain', headers: [forged], newest: { ...newest!, plan } } as const
    cluster.inject(virtualId(2), 0, message)
    expect(cluster.cutOffs).toMatchObject([{ by: 0, peer: virtualId(2) }])
    expect(cluster.cutOffs[0]?.detail).toContain('a forged plan')
    expect(cluster.view(0).chain.hash).toBe(hash)
  })

  it('with an announcement of a plan that it cannot show moves nobody', () => {
    const cluster = activeCluster()
    const { hash } = cluster.view(0).chain
    const lie = { clusterId: 'f'.repeat(32), generation: 99, hash: 'f'.repeat(64) }
    cluster.inject(virtualId(2), 0, { kind: 'plan-announce', ...lie })
    cluster.run(10_000)
    expect(cluster.view(0).chain.hash).toBe(hash)
    expect(cluster.view(0).forks).toEqual([])
  })
})

describe('a node with nothing to do', () => {
  it('never asks to be woken at once without having got further', () => {
    const cluster = activeCluster()
    cluster.run(30_000)
    const before = cluster.trace.length
    for (const host of cluster.hosts) {
      host.node!.handle({ kind: 'deadline' }, cluster.now)
      expect(host.node!.nextDeadline()).toBeGreaterThan(cluster.now)
    }
    expect(cluster.trace.length).toBe(before)
  })
})

function activeCluster(): VirtualCluster {
  const cluster = new VirtualCluster({ count: 5 })
  expect(cluster.run(60_000, () => cluster.isActive())).toBe(true)
  return cluster
}

function newest(cluster: VirtualCluster): NodeView {
  return cluster.views().reduce((a, b) => (b.chain.headers.length > a.chain.headers.length ? b : a))
}

function height(cluster: VirtualCluster): number {
  return newest(cluster).chain.headers.length
}

function voters(cluster: VirtualCluster): readonly string[] {
  return newest(cluster).chain.newest!.plan.header.voters
}

function assignments(cluster: VirtualCluster): readonly NodeAssignment[] {
  return newest(cluster).chain.newest!.plan.body.assignments
}

function assignmentOf(cluster: VirtualCluster, index: number): NodeAssignment | undefined {
  return assignments(cluster).find(({ nodeId }) => nodeId === cluster.hosts[index]!.id)
}
