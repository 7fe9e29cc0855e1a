// Proves the two ends of a quarantine and the goodbye of a node, on whole production nodes and a virtual clock:
// nobody votes or runs etcd on a doubtful key, the voters' silence or the operator's word clears it, a living
// original takes it away; and a node that leaves is retired by a plan, or told why it cannot go.
import { describe, expect, it } from 'vitest'
import type { Effect } from '../../../src/core/effect.ts'
import { mergeRecords } from '../../../src/core/membership/record-merge.ts'
import type { MemberRecord } from '../../../src/core/model/member.ts'
import { defaultTimers } from '../../../src/core/model/spec.ts'
import { VirtualCluster, virtualCrypto } from '../../support/virtual-cluster.ts'
import { safetyViolations } from './safety.ts'

const timers = { ...defaultTimers, deadAfterMs: 20_000, bootGraceMs: 5_000, promoteAfterMs: 5_000 }

function activeCluster(count = 3, controlPlane = 3): VirtualCluster {
  const cluster = new VirtualCluster({ count, spec: { timers, controlPlane } })
  expect(cluster.run(120_000, () => cluster.isActive())).toBe(true)
  cluster.run(10_000)
  return cluster
}

/** Everything that was carried out on a host from now on. */
function effectsOf(cluster: VirtualCluster, index: number): Effect[] {
  const effects: Effect[] = []
  cluster.onEffect = (host, effect) => {
    if (host.index === index) effects.push(effect)
  }
  return effects
}

function moveDisk(cluster: VirtualCluster, index: number): void {
  cluster.kill(index)
  cluster.hosts[index]!.quarantine = 'the disk is in another machine'
  cluster.start(index)
}

function ready(cluster: VirtualCluster, index: number): boolean {
  return cluster.k3s.observe(index, cluster.now).ready
}

/** The own record of a host as another machine with its key would sign it. */
function twin(cluster: VirtualCluster, index: number, change: Partial<MemberRecord>) {
  const { id } = cluster.hosts[index]!
  const record: MemberRecord = { ...cluster.view(index).own, bootNonce: 'f'.repeat(32), ...change }
  return { record, signature: virtualCrypto(id).sign('muster/record/1', record) }
}

describe('a disk that woke up in another machine', () => {
  it('votes for nothing and starts nothing until a majority of the voters heard no original', () => {
    const cluster = activeCluster()
    const effects = effectsOf(cluster, 1)
    moveDisk(cluster, 1)
    // A newcomer makes the others vote, and the node in doubt is asked as well.
    cluster.run(5_000)
    const generation = cluster.view(0).chain.newest!.plan.header.generation
    cluster.addHost()
    cluster.run(timers.deadAfterMs - 7_000)
    expect(cluster.view(1).chain.newest!.plan.header.generation).toBeGreaterThan(generation)
    expect(cluster.view(1).own).toMatchObject({ phase: 'stopped', note: 'the identity is in doubt' })
    expect(cluster.view(1).quarantine).toMatch(/another machine: 0 of the 2 voters needed said/)
    const kinds = effects.map((effect) => (effect.kind === 'send' ? effect.message.kind : effect.kind))
    expect(kinds).not.toEqual(expect.arrayContaining(['accept']))
    expect(kinds).not.toContain('promise')
    expect(kinds).not.toContain('k3s')
    expect(kinds).not.toContain('overlay')
    expect(cluster.run(60_000, () => cluster.view(1).quarantine === undefined)).toBe(true)
    expect(effects).toContainEqual({
      kind: 'identity',
      verdict: 'keep',
      reason: '2 of 3 voters hear nothing of the original',
    })
    expect(cluster.run(60_000, () => ready(cluster, 1))).toBe(true)
    expect(safetyViolations(cluster)).toEqual([])
  })

  it('does not end the majority: a site whose machines were all replaced goes on by itself', () => {
    const cluster = activeCluster()
    for (const { index } of cluster.hosts) cluster.kill(index)
    for (const { index } of cluster.hosts) moveDisk(cluster, index)
    const trusted = (): boolean => cluster.views().every((view) => view.quarantine === undefined)
    cluster.run(timers.deadAfterMs - 2_000)
    expect(trusted()).toBe(false)
    expect(cluster.run(60_000, trusted)).toBe(true)
    const settled = (): boolean => cluster.hosts.every(({ index }) => ready(cluster, index))
    expect(cluster.run(60_000, settled)).toBe(true)
    expect(safetyViolations(cluster)).toEqual([])
  })

  it('is cleared at once by root, where the cluster has no operator key', () => {
    const cluster = activeCluster()
    moveDisk(cluster, 1)
    cluster.run(1_000)
    const effects = effectsOf(cluster, 1)
    cluster.tell(1, { kind: 'request', requestId: 7, request: { kind: 'keep-identity' } })
    expect(effects).toContainEqual(expect.objectContaining({ kind: 'answer', requestId: 7 }))
    expect(effects).toContainEqual(expect.objectContaining({ kind: 'identity', verdict: 'keep' }))
    expect(cluster.view(1).quarantine).toBeUndefined()
  })

  it('gives its key up when the original is heard, whatever the voters said', () => {
    const cluster = activeCluster()
    moveDisk(cluster, 1)
    cluster.run(timers.deadAfterMs / 2)
    const effects = effectsOf(cluster, 1)
    const original = twin(cluster, 1, { incarnation: cluster.view(1).own.incarnation + 1 })
    cluster.inject(cluster.hosts[0]!.id, 1, { kind: 'gossip', records: [original], claims: [] })
    expect(effects).toContainEqual({ kind: 'identity', verdict: 're-key', reason: 'the original is alive' })
    cluster.run(60_000)
    expect(effects.filter((effect) => effect.kind === 'identity')).toHaveLength(1)
  })

  it.each([
    ['a later record', 1],
    ['another record with the same number, which does not win', 0],
  ])('is not vouched for while a voter hears %s of another start of the key', (_, ahead) => {
    const cluster = activeCluster()
    moveDisk(cluster, 1)
    for (let second = 0; second < 60; second += 5) {
      cluster.run(5_000)
      // The original lives where only host 0 hears it; its records come with the same incarnation.
      const { own } = cluster.view(1)
      const crypto = virtualCrypto(own.nodeId)
      const held = { record: own, signature: crypto.sign('muster/record/1', own) }
      const twins = Array.from({ length: 64 }, (__, note) =>
        twin(cluster, 1, { sequence: own.sequence + ahead, note: `${second}.${note}` }),
      )
      const record = ahead > 0 ? twins[0]! : twins.find((one) => mergeRecords(one, held, crypto) === held)!
      cluster.inject(cluster.hosts[2]!.id, 0, { kind: 'gossip', records: [record], claims: [] })
    }
    const said = cluster.view(0).statements.filter(({ statement }) => statement.kind === 'silent')
    expect(said.map(({ signer }) => signer)).not.toContain(cluster.hosts[0]!.id)
  })
})

describe('an original that hears of a clone', () => {
  it('says so above it, once: the higher incarnation is the one that counts', () => {
    const cluster = activeCluster()
    const clone = twin(cluster, 1, { incarnation: cluster.view(1).own.incarnation + 2 ** 20 })
    for (const index of [0, 1, 2]) {
      cluster.inject(cluster.hosts[(index + 1) % 3]!.id, index, {
        kind: 'gossip',
        records: [clone],
        claims: [],
      })
    }
    cluster.run(10_000)
    const heard = cluster
      .view(0)
      .membership.members.find(({ record }) => record.nodeId === cluster.hosts[1]!.id)
    expect(heard?.record.bootNonce).toBe(cluster.view(1).own.bootNonce)
    expect(heard?.record.incarnation).toBe(clone.record.incarnation + 1)
    expect(heard?.liveness).toBe('alive')
  })
})

describe('a node that leaves', () => {
  const leave = (cluster: VirtualCluster, index: number, cancel = false): Effect | undefined => {
    const effects = effectsOf(cluster, index)
    cluster.tell(index, { kind: 'request', requestId: 1, request: { kind: 'leave', cancel } })
    return effects.find((effect) => effect.kind === 'answer')
  }
  const accepted = (isAccepted: boolean, reason: string): object => ({
    kind: 'answer',
    answer: expect.objectContaining({ accepted: isAccepted, reason }),
  })
  const indexOf = (cluster: VirtualCluster, role: string): number => {
    const { assignments } = cluster.view(0).chain.newest!.plan.body
    const { nodeId } = assignments.findLast((one) => one.role === role)!
    return cluster.hosts.findIndex(({ id }) => id === nodeId)
  }
  const retired = (cluster: VirtualCluster, index: number): boolean =>
    cluster
      .views()
      .every(({ chain }) =>
        chain.newest!.plan.body.retired.some(({ nodeId }) => nodeId === cluster.hosts[index]!.id),
      )

  it('is retired by the next plans if it is a worker, also over a restart, and stops its k3s', () => {
    const cluster = activeCluster(5)
    const worker = indexOf(cluster, 'worker')
    const { address4 } = cluster
      .view(0)
      .chain.newest!.plan.body.assignments.find(({ nodeId }) => nodeId === cluster.hosts[worker]!.id)!
    expect(leave(cluster, worker)).toMatchObject(accepted(true, 'Leaving'))
    cluster.kill(worker)
    cluster.start(worker)
    expect(cluster.run(60_000, () => retired(cluster, worker))).toBe(true)
    expect(cluster.run(30_000, () => !ready(cluster, worker))).toBe(true)
    const index = cluster.addHost()
    cluster.run(30_000)
    const assigned = cluster.view(0).chain.newest!.plan.body.assignments
    expect(assigned.find(({ nodeId }) => nodeId === cluster.hosts[index]!.id)?.address4).not.toBe(address4)
    expect(safetyViolations(cluster)).toEqual([])
  })

  it('hands its place over first if it is a server', () => {
    const cluster = activeCluster(5)
    const server = indexOf(cluster, 'control-plane')
    expect(leave(cluster, server)).toMatchObject(accepted(true, 'Leaving'))
    expect(cluster.run(180_000, () => retired(cluster, server))).toBe(true)
    const servers = cluster
      .view(0)
      .chain.newest!.plan.body.assignments.filter((one) => one.role === 'control-plane')
    expect(servers).toHaveLength(3)
    expect(safetyViolations(cluster)).toEqual([])
  })

  it('comes back under its name and address when the goodbye is taken back', () => {
    const cluster = activeCluster(5)
    const worker = indexOf(cluster, 'worker')
    const before = cluster
      .view(0)
      .chain.newest!.plan.body.assignments.find(({ nodeId }) => nodeId === cluster.hosts[worker]!.id)
    leave(cluster, worker)
    cluster.run(60_000, () => retired(cluster, worker))
    expect(leave(cluster, worker, true)).toMatchObject(accepted(true, 'Staying'))
    const again = (): unknown =>
      cluster
        .view(0)
        .chain.newest!.plan.body.assignments.find(({ nodeId }) => nodeId === cluster.hosts[worker]!.id)
    expect(cluster.run(60_000, () => again() !== undefined)).toBe(true)
    expect(again()).toMatchObject({ name: before!.name, address4: before!.address4 })
  })

  it('is refused where nobody could take its place, and nothing changes', () => {
    const three = activeCluster(3)
    expect(leave(three, 1)).toMatchObject(accepted(false, 'NoSpare'))
    expect(three.view(1).own.left).toBe(false)
    const one = activeCluster(3, 1)
    expect(leave(one, indexOf(one, 'control-plane'))).toMatchObject(accepted(false, 'OnlyServer'))
    const alone = new VirtualCluster({ count: 2, bootstrap: { mode: 'expect', expect: 3 } })
    alone.run(5_000)
    expect(leave(alone, 0)).toMatchObject(accepted(false, 'NotAMember'))
    const cut = activeCluster(5)
    cut.cut(() => true)
    cut.run(60_000)
    expect(leave(cut, 0)).toMatchObject(accepted(false, 'NoMajority'))
  })
})
