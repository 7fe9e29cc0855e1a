// Proves what the verbs print and how they end, against an agent's API with made-up answers: golden texts, formats, exit codes.
import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { parse } from 'yaml'
import { newNetwork } from '../../src/agent/api/operator.ts'
import type { MemberList, PlanResource, SpecResource } from '../../src/agent/api/resources.ts'
import { parseGoal } from '../../src/cli/commands/wait.ts'
import { decodeStrict } from '../../src/core/model/codec.ts'
import { defaultSpec } from '../../src/core/model/spec.ts'
import { signedStatementCodec } from '../../src/core/model/wire.ts'
import { statusFixture } from '../support/status-fixture.ts'
import { FakeAgent, muster } from './fake-agent.ts'

const assignment = {
  role: 'control-plane',
  name: 'h1',
  address4: '10.144.0.1',
  address6: 'fd00::1',
  reason: 'fittest',
} as const
const plan = {
  clusterId: '37302f9c33fd22d1',
  generation: 2,
  hash: 'a799445cdfd8252b',
  phase: 'active',
  epoch: 0,
} as const
const notReady = {
  apiVersion: 'muster/v1',
  kind: 'Error',
  code: 'ERR_NOT_READY',
  message: 'There is no active cluster yet.',
  hint: '`muster status` says what is awaited.',
  exitCode: 3,
}

describe('the verbs', () => {
  let agent: FakeAgent

  beforeEach(async () => {
    agent = new FakeAgent()
    await agent.listen()
  })
  afterEach(() => agent.close())

  it('status names what is awaited: have, need, who, since when, when next', async () => {
    agent.answer({ '/v1/status': statusFixture() })
    expect(await agent.run('status')).toEqual({
      code: 0,
      stderr: '',
      stdout: `Node:     h1 (12D3KooWaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaah1h1h1h1), muster 0.1.0
Phase:    membership
Role:     none yet
Plan:     none yet
Members:  2 of 2 alive, 1 connected

WAITING FOR   HAVE   MISSING   SINCE   NEXT TRY   WHY
machines      2/3    h3        41s     in 3s      Two of three machines are here.

CONDITION     STATUS   REASON           SINCE   MESSAGE
AddressFree   false    AddressOverlap   60s     The overlay is in the way.
`,
    })
  })

  it('status says so when nothing is awaited, and wide shows what holds', async () => {
    agent.answer({ '/v1/status': statusFixture({ waiting: [], assignment, plan, phase: 'k3s' }) })
    const { stdout } = await agent.run('status', '-o', 'wide')
    expect(stdout).toContain('Waiting for nothing.\n')
    expect(stdout).toContain('Role:     control-plane as h1, 10.144.0.1, fd00::1\n')
    expect(stdout).toContain('Plan:     generation 2, active, a799445cdfd8 of cluster 37302f9c33fd\n')
    expect(stdout).toMatch(/^PeersFound +true/m)
    expect(stdout).toMatch(/Start the others\.$/m)
  })

  it('json and yaml are what the agent said, whole', async () => {
    const status = statusFixture()
    agent.answer({ '/v1/status': status })
    expect(JSON.parse((await agent.run('status', '-o', 'json')).stdout)).toEqual(status)
    expect(parse((await agent.run('status', '-o', 'yaml')).stdout)).toEqual(status)
  })

  it('status --watch prints every change, one JSON value a line, until it is stopped', async () => {
    const controller = new AbortController()
    agent.answer({ '/v1/watch': [statusFixture(), statusFixture({ phase: 'plan' })] })
    const watching = muster(
      ['status', '-w', '-o', 'json'],
      { MUSTER_SOCKET: agent.socket },
      '',
      controller.signal,
    )
    while (agent.requests.length === 0) await new Promise((resolve) => setTimeout(resolve, 10))
    await new Promise((resolve) => setTimeout(resolve, 100))
    controller.abort()
    const lines = (await watching).stdout.trim().split('\n')
    expect(lines.slice(0, 2).map((line) => (JSON.parse(line) as { phase: string }).phase)).toEqual([
      'membership',
      'plan',
    ])
  })

  it('get members shows ages, marks this node, and has more columns when wide', async () => {
    const member = {
      nodeId: '12D3KooWxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx1',
      hostname: 'h1',
      self: true,
      liveness: 'alive',
      phase: 'k3s-ready',
      note: '',
      role: 'control-plane',
      name: 'h1',
      address4: '10.144.0.1',
      address6: 'fd00::1',
      version: '0.1.0',
      k3sVersion: 'v1',
      generation: 2,
      incarnation: 1,
      endpoints: ['/ip4/10.77.0.1/tcp/1'],
      since: 0,
      lastHeard: 0,
    } as const
    const other = {
      ...member,
      self: false,
      name: '',
      hostname: 'h2',
      role: '',
      address4: '',
      generation: -1,
    } as const
    const list: MemberList = {
      apiVersion: 'muster/v1',
      kind: 'MemberList',
      now: 4_200,
      items: [member, { ...other, liveness: 'suspect', phase: 'waiting', lastHeard: 1_200 }],
    }
    agent.answer({ '/v1/members': list })
    expect((await agent.run('get', 'members')).stdout)
      .toBe(`NAME   STATE     PHASE       ROLE            ADDRESS      PLAN   HEARD   NOTE
h1*    alive     k3s-ready   control-plane   10.144.0.1   2      -       -
h2     suspect   waiting     -               -            -      3s      -
`)
    expect((await agent.run('get', 'members', '-o', 'wide')).stdout).toContain('/ip4/10.77.0.1/tcp/1')
  })

  it('get plan and role list show names, not keys', async () => {
    const node = { ...assignment, nodeId: '12D3KooWxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx1' }
    const resource: PlanResource = {
      apiVersion: 'muster/v1',
      kind: 'Plan',
      summary: plan,
      parentHash: '',
      voters: [node.nodeId],
      grant: { number: 1, team: [node.nodeId] },
      openChange: null,
      caHash: '',
      operatorKey: 'none',
      operatorSerial: 0,
      certificate: { ballot: 3, proposer: node.nodeId, votes: [node.nodeId] },
      items: [node],
    }
    agent.answer({ '/v1/plan': resource })
    const { stdout } = await agent.run('get', 'plan')
    expect(stdout).toContain('Votes:    h1 (ballot 3)\nGrant:    1 to h1\n')
    expect(stdout).toContain('Parent:   none: this is the charter\n')
    expect((await agent.run('role', 'list')).stdout).toBe(
      'NAME   ROLE            ADDRESS      REASON\nh1     control-plane   10.144.0.1   fittest\n',
    )
  })

  it('plan explain asks for the node as it was written', async () => {
    agent.answer({
      '/v1/explain?node=h%26x': { kind: 'Explanation', reasons: ['It is a worker.', 'So be it.'] },
    })
    expect((await agent.run('plan', 'explain', 'h&x')).stdout).toBe('It is a worker.\nSo be it.\n')
  })

  it.each(['kubeconfig', 'get-kubeconfig'])(
    '%s with nothing to give is an error, never an empty line',
    async (verb) => {
      agent.answer({ '/v1/kubeconfig': { status: 404, body: notReady } })
      expect(await agent.run(verb)).toEqual({
        code: 3,
        stdout: '',
        stderr:
          'muster: There is no active cluster yet.\n        `muster status` says what is awaited. (ERR_NOT_READY)\n',
      })
      agent.answer({ '/v1/kubeconfig': { kubeconfig: '\n' } })
      expect(await agent.run(verb)).toMatchObject({ code: 3, stdout: '' })
      agent.answer({ '/v1/kubeconfig': { kubeconfig: 'apiVersion: v1' } })
      expect(await agent.run(verb)).toMatchObject({ code: 0, stdout: 'apiVersion: v1\n' })
    },
  )

  it('says when there is no agent, or something else behind the socket', async () => {
    agent.answer({ '/v1/status': { status: 200, body: '<html>' }, '/v1/why': { status: 500, body: {} } })
    for (const verb of ['status', 'why']) {
      expect(await agent.run(verb)).toMatchObject({
        code: 3,
        stdout: '',
        stderr: expect.stringContaining('No agent answers'),
      })
    }
    expect(await muster(['why', '--root', '/nowhere'])).toMatchObject({
      code: 3,
      stderr: expect.stringContaining('No agent answers at /nowhere/run/muster/agent.sock.'),
    })
  })

  it('wait ends when the goal is reached, and says what was awaited when it is not', async () => {
    agent.answer({ '/v1/status': statusFixture() })
    expect(await agent.run('wait', 'active', '--timeout', '1ms')).toMatchObject({
      code: 3,
      stdout: '',
      stderr: expect.stringContaining(
        'Gave up after 0 s: not active; still waiting for machines 2/3, missing h3, for 41s, next try in 3s: Two of three machines are here.\n',
      ),
    })
    agent.answer({ '/v1/status': statusFixture({ plan }) })
    expect(await agent.run('wait', 'active')).toEqual({ code: 0, stdout: '', stderr: '' })
  })

  it.each([
    ['chartered', true],
    ['granted', true],
    ['active', true],
    ['plan=2', true],
    ['plan=3', false],
    ['membership', true],
    ['overlay', true],
    ['k3s', false],
    ['PeersFound', true],
    ['Chartered', false],
    ['NeverHeardOf', false],
    ['ready', false],
  ])('goal %s', (goal, isReached) => {
    expect(parseGoal(goal)(statusFixture({ plan, phase: 'overlay' }))).toBe(isReached)
    expect(parseGoal('chartered')(statusFixture())).toBe(false)
  })

  describe('spec', () => {
    const network = newNetwork({ name: 'test' })
    const present: SpecResource = {
      apiVersion: 'muster/v1',
      kind: 'Spec',
      source: 'plan',
      networkId: 'ab'.repeat(32),
      epoch: 0,
      clusterId: 'cd'.repeat(16),
      generation: 4,
      hash: '',
      operatorKey: network.operatorKey.publicKey,
      operatorSerial: 6,
      spec: defaultSpec,
    }
    let key: string

    beforeEach(() => {
      key = join(agent.directory, 'operator.key')
      writeFileSync(key, network.operatorKey.privateKeyText)
      const body = { accepted: true, reason: 'HandedToVoters', message: 'the order was handed to the voters' }
      agent.answer({ '/v1/spec': present, '/v1/order': body })
    })

    it('show gives a file that diff and apply take back', async () => {
      const path = join(agent.directory, 'spec.yaml')
      writeFileSync(path, (await agent.run('spec', 'show')).stdout)
      expect(await agent.run('spec', 'diff', path)).toMatchObject({
        code: 0,
        stdout: '',
        stderr: 'nothing differs\n',
      })
      writeFileSync(path, readFileSync(path, 'utf8').replace('controlPlane: 3', 'controlPlane: 5'))
      expect((await agent.run('spec', 'diff', path)).stdout).toBe(
        'KEY            IS   WILL BE\ncontrolPlane   3    5\n',
      )
      writeFileSync(path, (await agent.run('spec', 'show', '-o', 'yaml')).stdout)
      expect(await agent.run('spec', 'diff', path)).toMatchObject({ stdout: '' })
    })

    it('set signs exactly one order, with the next serial, that the operator key verifies', async () => {
      const ran = await agent.run('spec', 'set', 'controlPlane=5', 'k3s.disable=[traefik]', '--key', key)
      expect(ran).toMatchObject({ code: 0, stderr: expect.stringContaining('`muster wait plan=5`') })
      const order = agent.requests.filter(({ method }) => method === 'POST')
      expect(order).toHaveLength(1)
      const { signed } = JSON.parse(order[0]!.body) as { signed: string }
      const decoded = decodeStrict(signedStatementCodec, Buffer.from(signed, 'hex'))
      expect(decoded.signer).toBe(network.operatorKey.publicKey)
      expect(decoded.statement).toEqual({
        kind: 'spec',
        networkId: present.networkId,
        epoch: 0,
        clusterId: present.clusterId,
        serial: 7,
        spec: { ...defaultSpec, controlPlane: 5, k3s: { ...defaultSpec.k3s, disable: ['traefik'] } },
      })
    })

    it.each([
      [['spec', 'set', 'controlPlane=5'], 2, '--key FILE'],
      [['spec', 'set', 'controlPlane=9', '--dry-run'], 4, '.controlPlane: expected an integer from 1 to 7'],
      [['spec', 'set', 'controlPlanes=5', '--dry-run'], 2, "no key 'controlPlanes'"],
      [['spec', 'set', '__proto__.x=5', '--dry-run'], 2, 'KEY=VALUE'],
      [['spec', 'set', 'controlPlane', '--dry-run'], 2, 'KEY=VALUE'],
    ])('%j orders nothing', async (words, code, message) => {
      expect(await agent.run(...words)).toMatchObject({
        code,
        stdout: '',
        stderr: expect.stringContaining(message),
      })
      expect(agent.requests.some(({ method }) => method === 'POST')).toBe(false)
    })

    it('refuses the key of another operator, and passes on a refusal of the voters', async () => {
      writeFileSync(key, newNetwork({ name: 'other' }).operatorKey.privateKeyText)
      expect(await agent.run('spec', 'set', 'controlPlane=5', '--key', key)).toMatchObject({
        stderr: expect.stringContaining("is not the key of this cluster's operator"),
      })
      writeFileSync(key, network.operatorKey.privateKeyText)
      const body = { ...notReady, code: 'ERR_ORDER_REFUSED', message: 'The order was refused.', exitCode: 1 }
      agent.answer({ '/v1/spec': present, '/v1/order': { status: 409, body } })
      expect(await agent.run('spec', 'set', 'controlPlane=5', '--key', key)).toMatchObject({
        code: 1,
        stdout: '',
        stderr: expect.stringContaining('The order was refused.'),
      })
    })
  })
})
