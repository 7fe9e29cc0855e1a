// Proves that the driver and the pure bootstrap together make a cluster: three servers and a worker run the
// contract double over real etcd processes on loopback addresses, then one server is demoted.
import { existsSync, mkdtempSync, readFileSync, readdirSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { runProgram } from '../../../src/adapters/exec.ts'
import { nodePasswordOf, nodePasswordPath } from '../../../src/adapters/k3s/node-password.ts'
import { createK3s } from '../../../src/adapters/k3s/k3s.ts'
import type { ProcessServices } from '../../../src/adapters/service/processes.ts'
import { processServices } from '../../../src/adapters/service/processes.ts'
import { decideK3s } from '../../../src/core/k3s/decide.ts'
import type { K3sDecision } from '../../../src/core/k3s/decision.ts'
import { configPath } from '../../../src/core/k3s/files.ts'
import type { K3sRecord } from '../../../src/core/k3s/record.ts'
import type { K3sObservation, K3sSecrets } from '../../../src/core/k3s/types.ts'
import type { NodeId } from '../../../src/core/model/ids.ts'
import type { ClusterPlan } from '../../../src/core/model/plan.ts'
import type { InitialisedStatement, ReadyStatement } from '../../../src/core/model/statement.ts'
import type { Distribution, RunProgram } from '../../../src/core/ports.ts'
import { missingTools } from '../../../simulations/k3s-contract/harness.ts'
import { planOf, statementOf } from '../../core/k3s/support.ts'
import { reapAfterThisProcess } from '../../support/reaper.ts'

const can = missingTools === ''
const factor = Number(process.env['MUSTER_TEST_TIME_FACTOR'] ?? '1')
const longMs = 120_000 * factor
const binary = join(import.meta.dirname, '../../../simulations/k3s-contract/k3s-contract')
const ids: readonly NodeId[] = ['n1', 'n2', 'n3', 'n4']
const network = `127.${30 + (Math.floor(process.pid / 250) % 25)}.${process.pid % 250}`

function addressOf(node: NodeId): string {
  return `${network}.${node.slice(1)}`
}

/** A plan of these four machines at their loopback addresses. */
function plan(header: Parameters<typeof planOf>[0], servers: readonly NodeId[], caHash = ''): ClusterPlan {
  const made = planOf(header, servers, caHash)
  const assignments = made.body.assignments
    .filter((assignment) => ids.includes(assignment.nodeId))
    .map((assignment) => ({ ...assignment, address4: addressOf(assignment.nodeId) }))
  return { ...made, body: { ...made.body, assignments } }
}

class TestNode {
  readonly id: NodeId
  readonly root: string
  services: ProcessServices
  driver: Distribution
  record: K3sRecord | undefined
  secrets: { grant: number; secrets: K3sSecrets } | undefined
  observation: K3sObservation | undefined
  decision: K3sDecision | undefined
  /** Rules that nft was given: the double shares one network stack with the machine that tests. */
  nft = ''

  constructor(id: NodeId, directory: string) {
    this.id = id
    this.root = join(directory, id)
    this.services = this.makeServices()
    this.driver = this.makeDriver()
  }

  makeServices(): ProcessServices {
    return processServices({ directory: join(this.root, 'services'), host: this.id, restartDelayMs: 500 })
  }

  makeDriver(): Distribution {
    const exec: RunProgram = async (argv, options = {}) => {
      if (argv[0] !== 'nft') return runProgram(argv, options)
      if (argv[1] === '-f') this.nft = options.input ?? ''
      return { exitCode: 0, stdout: this.nft, stderr: '', truncated: false }
    }
    const loopback = addressOf(this.id)
    const environment = { K3S_CONTRACT_LOOPBACK: loopback, K3S_CONTRACT_TIME_SCALE: '0.05' }
    const components = { services: this.services, exec, wallClock: () => new Date() }
    const nodePassword = nodePasswordOf(Buffer.alloc(32, this.id))
    return createK3s(components, { binary, root: this.root, nodePassword, environment, loopback })
  }

  /** As after a crash of the agent: only what is durable is left. */
  restartAgent(): void {
    this.services.close()
    this.services = this.makeServices()
    this.driver = this.makeDriver()
    this.secrets = undefined
  }

  /** A machine whose /etc and /run lie in memory: units, our files and the rules of its door are gone. */
  async losePower(): Promise<void> {
    await this.services.stop('k3s')
    await this.services.stop('k3s-agent')
    for (const path of ['etc', 'run', 'services'])
      rmSync(join(this.root, path), { recursive: true, force: true })
    this.nft = ''
    this.observation = undefined
    this.decision = undefined
    this.restartAgent()
  }

  get config(): string {
    return readFileSync(join(this.root, configPath), 'utf8')
  }
}

class Cluster {
  readonly directory = mkdtempSync(join(tmpdir(), 'muster-k3s-'))
  readonly nodes = ids.map((id) => new TestNode(id, this.directory))
  plan = plan({ phase: 'granted' }, ['n1', 'n2', 'n3'])
  initialised: InitialisedStatement | undefined
  ready: ReadyStatement['members'] | undefined
  /** Steps carried out, in order. */
  readonly log: string[] = []

  async turn(node: TestNode): Promise<void> {
    node.observation = await node.driver.observe()
    const decision = decideK3s({
      self: node.id,
      plan: this.plan,
      activeGrants: this.plan.header.phase === 'active' ? [1] : [],
      record: node.record,
      observation: node.observation,
      initialised: this.initialised,
      secrets: node.secrets,
      lists: this.nodes.flatMap(({ id, observation }) => {
        const members = observation?.members
        return members === undefined ? [] : [{ from: id, generation: this.plan.header.generation, members }]
      }),
      overlayUp: true,
      aliveNodes: ids,
      haltedServers: [],
      peers: this.nodes.map(({ id, decision: last }) => ({
        id,
        phase: last?.phase ?? 'waiting',
        generation: this.plan.header.generation,
      })),
      busy: false,
      now: 0,
    })
    node.decision = decision
    node.record = decision.record
    const { initialised, ready } = decision.say
    if (initialised !== undefined) this.initialised = statementOf(initialised.grant, initialised.caHash)
    if (ready !== undefined) this.ready = ready.members
    const [asked] = decision.needSecretsFrom
    const from = this.nodes.find(({ id }) => id === asked)?.record
    if (from?.secrets) node.secrets = { grant: from.grant, secrets: from.secrets }
    for (const step of decision.steps) {
      const result = await node.driver.run(step)
      this.log.push(`${node.id} ${step.kind}${result.kind === 'failed' ? `: ${result.detail}` : ''}`)
      if (result.kind === 'authority') node.secrets = { grant: result.grant, secrets: result.secrets }
    }
  }

  /** Lets every node take turns until the condition holds. */
  async until(what: string, condition: () => boolean): Promise<void> {
    const end = performance.now() + 60_000 * factor
    while (!condition()) {
      if (performance.now() > end) {
        const notes = this.nodes.map(
          ({ id, decision, observation }) => `${id}: ${decision?.note} | ${observation?.detail}`,
        )
        throw new Error(`never: ${what}\n${notes.join('\n')}\n${this.log.join('\n')}`)
      }
      for (const node of this.nodes) await this.turn(node)
      await delay(100)
    }
  }

  async close(): Promise<void> {
    for (const node of this.nodes) {
      await node.services.stop('k3s')
      await node.services.stop('k3s-agent')
      node.services.close()
    }
    rmSync(this.directory, { recursive: true, force: true })
  }
}

describe.skipIf(!can)(`the k3s driver${can ? '' : ` (NOT RUN: ${missingTools} missing)`}`, () => {
  let cluster: Cluster
  const node = (id: NodeId): TestNode => {
    const found = cluster.nodes.find((entry) => entry.id === id)
    if (found === undefined) throw new Error(`no node ${id}`)
    return found
  }
  const allReady = (): boolean => cluster.nodes.every(({ decision }) => decision?.phase === 'k3s-ready')

  beforeAll(() => {
    cluster = new Cluster()
    reapAfterThisProcess(cluster.directory)
  })
  afterAll(() => cluster.close())

  it(
    'brings the team from nothing to Ready, one server after another',
    async () => {
      await cluster.until('Ready', () => cluster.ready !== undefined)
      expect(cluster.ready?.map((member) => member.address).toSorted()).toEqual(
        ['n1', 'n2', 'n3'].map(addressOf),
      )
      const starts = cluster.log.filter((line) => line.endsWith(' start'))
      expect(starts).toEqual(['n1 start', 'n2 start', 'n3 start'])
      expect(cluster.log.filter((line) => line.includes(':'))).toEqual([])
      expect(node('n1').config).not.toContain('cluster-init')
      expect(node('n4').observation).toMatchObject({ unit: 'absent', configured: '' })
      for (const id of ['n1', 'n2', 'n3']) expect(node(id).nft).toContain('dport != { 6443')
    },
    longMs,
  )

  it(
    'activates: the worker joins, the door opens, and no server restarts',
    async () => {
      const pids = await Promise.all(ids.slice(0, 3).map((id) => node(id).services.state('k3s')))
      cluster.plan = plan({ phase: 'active', generation: 2 }, ['n1', 'n2', 'n3'], cluster.initialised?.caHash)
      await cluster.until('all ready', allReady)
      for (const id of ['n1', 'n2', 'n3']) expect(node(id).observation?.access).toBe('all')
      const after = await Promise.all(ids.slice(0, 3).map((id) => node(id).services.state('k3s')))
      expect(after.map((state) => state.pid)).toEqual(pids.map((state) => state.pid))
      const rest = readFileSync(join(node('n4').root, '/etc/rancher/k3s/muster-token'), 'utf8')
      expect(rest).toMatch(/^K10[0-9a-f]{64}::node:/)
      expect(await node('n1').driver.kubeconfig('https://10.0.0.1:6443')).toContain(
        'server: https://10.0.0.1:6443',
      )
      expect(await node('n4').driver.kubeconfig('https://10.0.0.1:6443')).toBeUndefined()
    },
    longMs,
  )

  it(
    'finds everything as it was after the agents were restarted: no step at all',
    async () => {
      for (const entry of cluster.nodes) entry.restartAgent()
      cluster.log.length = 0
      for (const entry of cluster.nodes) await cluster.turn(entry)
      expect(allReady()).toBe(true)
      expect(cluster.log).toEqual([])
    },
    longMs,
  )

  it(
    'resumes after all machines lost power, and with it /etc: same roles and members, no second cluster',
    async () => {
      const members = (): readonly unknown[] => node('n1').observation?.members ?? []
      const [membersBefore, caBefore, roles] = [
        members(),
        node('n1').observation?.caHash,
        ids.map((id) => node(id).record?.role),
      ]
      for (const entry of cluster.nodes) await entry.losePower()
      cluster.log.length = 0
      await cluster.turn(node('n1'))
      // Nothing of k3s may run before its door is closed to strangers again.
      expect(cluster.log).toEqual(['n1 start'])
      expect(node('n1').nft).toContain('comment "access all"')
      await cluster.until('all are back', allReady)
      expect(cluster.log.toSorted()).toEqual(ids.map((id) => `${id} start`))
      expect(ids.map((id) => node(id).record?.role)).toEqual(roles)
      expect(members()).toEqual(membersBefore)
      expect(node('n1').observation?.caHash).toBe(caBefore)
      for (const id of ids) expect(node(id).config).not.toContain('cluster-init')
      for (const entry of cluster.nodes) {
        const data = join(entry.root, 'var/lib/rancher/k3s')
        expect(readdirSync(data).filter((name) => name.includes('backup'))).toEqual([])
      }
      cluster.log.length = 0
      for (const entry of cluster.nodes) await cluster.turn(entry)
      expect(cluster.log).toEqual([])
    },
    longMs,
  )

  it(
    'lets a worker whose disk was wiped register again under its name: its identity is its password',
    async () => {
      const { root, services } = node('n4')
      const before = readFileSync(join(root, nodePasswordPath), 'utf8')
      await services.stop('k3s-agent')
      for (const path of ['etc/rancher', 'var/lib/rancher']) rmSync(join(root, path), { recursive: true })
      node('n4').record = undefined
      node('n4').decision = undefined
      node('n4').restartAgent()
      await cluster.until('n4 is ready again', allReady)
      expect(readFileSync(join(root, nodePasswordPath), 'utf8')).toBe(before)
      expect(before).toMatch(/^[0-9a-f]{32}$/)
    },
    longMs,
  )

  it(
    'restarts with new flags one after another, the servers first',
    async () => {
      cluster.log.length = 0
      const before = cluster.plan
      const k3s = {
        ...before.body.spec.k3s,
        serverArgs: { 'kube-apiserver-arg': ['v=4'] },
        agentArgs: { debug: ['true'] },
      }
      const body = { ...before.body, spec: { ...before.body.spec, k3s } }
      cluster.plan = { header: { ...before.header, generation: 3 }, body }
      await cluster.until('all restarted', () =>
        cluster.nodes.every(({ decision }) => decision?.note.includes('older spec')),
      )
      await cluster.until('all ready', allReady)
      const starts = cluster.log.filter((line) => line.endsWith(' start'))
      expect(starts).toEqual(['n1 start', 'n2 start', 'n3 start', 'n4 start'])
      expect(node('n2').config).toContain('kube-apiserver-arg')
      cluster.log.length = 0
      for (const entry of cluster.nodes) await cluster.turn(entry)
      expect(cluster.log).toEqual([])
      cluster.plan = { header: { ...before.header, generation: 4 }, body: before.body }
      await cluster.until('all are as before', () => allReady() && !node('n4').config.includes('debug'))
      expect(cluster.log.filter((line) => line.endsWith(' start'))).toHaveLength(4)
    },
    longMs,
  )

  it(
    'demotes a server: removed from etcd, data kept as a backup, then a worker',
    async () => {
      const member = node('n1').observation?.members?.find(({ address }) => address === addressOf('n3'))
      const openChange = { kind: 'remove', node: 'n3', etcdMemberId: member?.id ?? '' } as const
      cluster.plan = plan(
        { phase: 'active', generation: 5, openChange },
        ['n1', 'n2'],
        cluster.initialised?.caHash,
      )
      await cluster.until('n3 is a worker', () => allReady() && node('n3').record?.role === 'agent')
      expect(
        node('n1')
          .observation?.members?.map(({ address }) => address)
          .toSorted(),
      ).toEqual(['n1', 'n2'].map(addressOf))
      const data = join(node('n3').root, 'var/lib/rancher/k3s')
      const [backup = ''] = readdirSync(data).filter((name) => name.startsWith('server.backup-'))
      expect(existsSync(join(data, backup, 'db/etcd/member/wal'))).toBe(true)
      expect(existsSync(join(data, 'server'))).toBe(false)
      expect(node('n3').config).not.toContain('etcd-arg')
      expect(existsSync(join(node('n3').root, '/etc/rancher/k3s/muster-agent-token'))).toBe(false)
      expect(cluster.log.findIndex((line) => line.endsWith('remove-member'))).toBeLessThan(
        cluster.log.indexOf('n3 clear'),
      )
    },
    longMs,
  )

  it('answers with a failure and its reason instead of throwing', async () => {
    const result = await node('n1').driver.run({ kind: 'remove-member', memberId: 'ffff' })
    expect(result.kind, 'an id that etcd does not know is gone already').toBe('done')
    const authority = await node('n1').driver.run({ kind: 'make-authority', grant: 99 })
    expect(authority).toMatchObject({
      kind: 'failed',
      detail: expect.stringContaining('another grant') as unknown,
    })
  })
})
