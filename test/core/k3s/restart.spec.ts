// Proves the order in which a running k3s takes new flags: by situations and their decision, and by a whole virtual
// cluster in which the operator changes the spec.
import { describe, expect, it } from 'vitest'
import { decideK3s } from '../../../src/core/k3s/decide.ts'
import type { K3sDecision, K3sInput } from '../../../src/core/k3s/decision.ts'
import { flagsKeyOf } from '../../../src/core/k3s/restart.ts'
import type { MemberPhase } from '../../../src/core/model/member.ts'
import type { ClusterPlan } from '../../../src/core/model/plan.ts'
import { defaultSpec } from '../../../src/core/model/spec.ts'
import type { SignedStatement } from '../../../src/core/model/statement.ts'
import { safetyViolations } from '../node/safety.ts'
import { networkId, VirtualCluster, virtualCrypto } from '../../support/virtual-cluster.ts'
import { after, inputOf, member, nodes, planOf, recordOf, secrets } from './support.ts'

const team = ['n1', 'n2', 'n3']

/** An active plan whose spec has other flags than the servers and workers were started with. */
function changedPlan(): ClusterPlan {
  const plan = planOf({ phase: 'active', generation: 3 })
  const k3s = { ...defaultSpec.k3s, serverArgs: { debug: ['true'] }, agentArgs: { debug: ['true'] } }
  return { ...plan, body: { ...plan.body, spec: { ...plan.body.spec, k3s } } }
}

/** The decision of a node that runs well with the old flags and has the new files on its disk. */
function decide(
  self: string,
  phases: Partial<Record<string, MemberPhase>>,
  change: Partial<K3sInput> = {},
): K3sDecision {
  const plan = changedPlan()
  const role = team.includes(self) ? 'server' : 'agent'
  const old = flagsKeyOf(role, defaultSpec.k3s)
  const held = role === 'agent' ? { ...secrets, serverPassword: '' } : secrets
  const server = self === 'n1' ? 'n2' : 'n1'
  const record = recordOf(plan, { role, secrets: held, flags: old, server })
  const well = {
    ready: true,
    apiAnswers: true,
    caHash: secrets.caHash,
    ...(role === 'server' ? { hasEtcdData: true, members: team.map((id) => member(id)) } : {}),
  }
  const peers = nodes.map((id) => ({ id, phase: phases[id] ?? 'k3s-ready', generation: 3 }))
  const input = inputOf({
    plan,
    self,
    record,
    peers,
    observation: after(undefined, { ...well, unit: 'running' }),
    ...change,
  })
  const first = decideK3s(input)
  expect(first.steps, 'the files are written before anything restarts').toMatchObject([{ kind: 'configure' }])
  const observation = after(first.steps[0], well)
  return decideK3s({ ...input, record: first.record, observation })
}

describe('a server with flags of an older spec', () => {
  it('restarts when all others are well and none before it is old', () => {
    const decision = decide('n2', { n3: 'k3s-outdated' })
    expect(decision.steps).toMatchObject([{ kind: 'start', role: 'server', restart: true }])
    expect(decision.record?.flags).toBe(flagsKeyOf('server', changedPlan().body.spec.k3s))
  })

  it.each<[string, Partial<Record<string, MemberPhase>>, string]>([
    ['one before it is old', { n1: 'k3s-outdated' }, 'node-n1'],
    ['one before it is starting', { n1: 'k3s-starting' }, 'node-n1'],
    ['one after it is not well', { n3: 'k3s-joining' }, 'node-n3'],
  ])('waits while %s, and names it', (_, phases, name) => {
    const decision = decide('n2', phases)
    expect(decision).toMatchObject({
      steps: [],
      phase: 'k3s-outdated',
      waiting: { for: 'restart', missing: [name] },
    })
  })

  it('waits for one that is dead, or holds an older plan', () => {
    expect(decide('n2', {}, { aliveNodes: ['n1', 'n2', 'n4', 'n5'] }).waiting?.missing).toEqual(['node-n3'])
    const peers = nodes.map((id) => ({ id, phase: 'k3s-ready' as const, generation: id === 'n1' ? 2 : 3 }))
    expect(decide('n2', {}, { peers }).waiting?.missing).toEqual(['node-n1'])
  })
})

describe('a worker with flags of an older spec', () => {
  it('restarts after all servers, and after the workers before it', () => {
    expect(decide('n4', { n5: 'k3s-outdated' }).steps).toMatchObject([
      { kind: 'start', role: 'agent', restart: true },
    ])
    expect(decide('n4', { n3: 'k3s-outdated' })).toMatchObject({
      steps: [],
      waiting: { missing: ['node-n3'] },
    })
    expect(decide('n5', { n4: 'k3s-outdated' })).toMatchObject({
      steps: [],
      waiting: { missing: ['node-n4'] },
    })
    expect(decide('n4', { n5: 'k3s-starting' })).toMatchObject({
      steps: [],
      waiting: { missing: ['node-n5'] },
    })
  })
})

it('flags that a role does not read restart nobody of that role', () => {
  const { k3s } = defaultSpec
  expect(flagsKeyOf('agent', { ...k3s, disable: ['traefik'] })).toBe(flagsKeyOf('agent', k3s))
  expect(flagsKeyOf('server', { ...k3s, agentArgs: { debug: ['true'] } })).toBe(flagsKeyOf('server', k3s))
  expect(flagsKeyOf('server', { ...k3s, disable: ['traefik'] })).not.toBe(flagsKeyOf('server', k3s))
})

describe('a cluster whose spec the operator changes', () => {
  it('restarts one machine at a time, servers first, and etcd keeps its quorum', () => {
    const operatorKey = 'e'.repeat(64)
    const cluster = new VirtualCluster({ count: 5, operatorKey })
    expect(cluster.run(120_000, () => cluster.isActive())).toBe(true)
    const isReady = (index: number): boolean => cluster.k3s.observe(index, cluster.now).ready
    const all = (): boolean => cluster.hosts.every(({ index }) => isReady(index))
    expect(cluster.run(60_000, all)).toBe(true)
    cluster.run(10_000)
    const plan = cluster.view(0).chain.newest!.plan
    const k3s = { ...defaultSpec.k3s, serverArgs: { debug: ['true'] }, agentArgs: { debug: ['true'] } }
    const { epoch, clusterId } = plan.header
    const spec = { ...plan.body.spec, k3s }
    const statement = { kind: 'spec', networkId, epoch, clusterId, serial: 1, spec } as const
    const signature = virtualCrypto(operatorKey).sign('muster/order/1', statement)
    const signed: SignedStatement = { statement, signer: operatorKey, signature }
    const restarted: number[] = []
    cluster.onEffect = (host, effect) => {
      if (effect.kind !== 'k3s' || effect.step.kind !== 'start') return
      expect(
        cluster.hosts.filter(({ index }) => !isReady(index)),
        'nobody else is down',
      ).toEqual([])
      restarted.push(host.index)
    }
    cluster.tell(0, { kind: 'request', requestId: 1, request: { kind: 'order', signed } })
    expect(cluster.run(180_000, () => restarted.length === 5 && all())).toBe(true)
    cluster.run(60_000)
    const servers = plan.body.assignments
      .filter(({ role }) => role === 'control-plane')
      .map(({ nodeId }) => nodeId)
    const ids = restarted.map((index) => cluster.hosts[index]!.id)
    expect(ids.slice(0, 3)).toEqual(servers.toSorted())
    expect(new Set(ids).size).toBe(5)
    expect(safetyViolations(cluster)).toEqual([])
  })
})
