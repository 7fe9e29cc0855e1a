// Proves what the verbs about one machine send and say, against an agent's API with made-up answers: the goodbye is
// waited for, and orders about a key or a silent machine are signed by the operator and name exactly one thing.
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { newNetwork } from '../../src/agent/api/operator.ts'
import { decodeStrict } from '../../src/core/model/codec.ts'
import { signedStatementCodec } from '../../src/core/model/wire.ts'
import { statusFixture } from '../support/status-fixture.ts'
import { FakeAgent } from './fake-agent.ts'

const network = newNetwork({ name: 'site' })
const nodeId = '12D3KooWLcgHx88JxDXvxK4YZKSMimKG6PU7XD498t4YVkk5Cew5'
const silent = '12D3KooWNeHKzct89p4oG1PwJ7q12DGk8svE731whNuvTR4WGeid'
const identity = {
  apiVersion: 'muster/v1',
  kind: 'Identity',
  nodeId,
  boot: 'ab'.repeat(16),
  quarantine: 'the disk is in another machine',
  networkId: '11'.repeat(32),
  epoch: 0,
  clusterId: '22'.repeat(16),
  operatorKey: network.operatorKey.publicKey,
}
const accepted = { accepted: true, reason: 'Ok', message: 'it is done' }
const departed = (status: 'true' | 'false'): object =>
  statusFixture({
    conditions: [{ type: 'Departed', status, reason: '', message: '', hint: '', since: 0 }],
  })

let agent: FakeAgent
let key: string

beforeEach(async () => {
  agent = new FakeAgent()
  await agent.listen()
  key = join(agent.directory, 'operator.key')
  writeFileSync(key, network.operatorKey.privateKeyText)
})
afterEach(() => agent.close())

/** The one statement that was sent as an order. */
function ordered(): object {
  const posts = agent.requests.filter(({ method }) => method === 'POST')
  expect(posts.map(({ url }) => url)).toEqual(['/v1/order'])
  const { signed } = JSON.parse(posts[0]!.body) as { signed: string }
  const { statement, signer } = decodeStrict(signedStatementCodec, Buffer.from(signed, 'hex'))
  expect(signer).toBe(network.operatorKey.publicKey)
  return statement
}

describe('leave', () => {
  it('says goodbye and waits until the node is out', async () => {
    agent.answer({ '/v1/leave': accepted, '/v1/status': departed('true') })
    expect(await agent.run('leave')).toEqual({
      code: 0,
      stdout: '',
      stderr: 'it is done\nthis node has left the cluster\n',
    })
    expect(agent.requests[0]).toMatchObject({ method: 'POST', url: '/v1/leave', body: '{"cancel":false}' })
  })

  it('gives up with exit code 3 and says what is awaited', async () => {
    agent.answer({ '/v1/leave': accepted, '/v1/status': departed('false') })
    expect(await agent.run('leave', '--timeout', '1ms')).toMatchObject({
      code: 3,
      stderr: expect.stringContaining('still waiting for machines 2/3'),
    })
  })

  it('passes on a refusal, and takes a goodbye back at once', async () => {
    const body = {
      code: 'ERR_ORDER_REFUSED',
      message: 'The order was refused: no spare.',
      hint: '',
      exitCode: 1,
    }
    agent.answer({ '/v1/leave': { status: 409, body } })
    expect(await agent.run('leave')).toMatchObject({ code: 1, stderr: expect.stringContaining('no spare') })
    agent.answer({ '/v1/leave': accepted })
    expect(await agent.run('leave', '--cancel')).toMatchObject({ code: 0, stderr: 'it is done\n' })
    expect(agent.requests.at(-1)?.body).toBe('{"cancel":true}')
  })
})

describe('identity keep', () => {
  it('signs an order for this start of this machine alone', async () => {
    agent.answer({ '/v1/identity': identity, '/v1/order': accepted })
    expect(await agent.run('identity', 'keep', '--key', key)).toMatchObject({
      code: 0,
      stderr: 'it is done\n',
    })
    const { networkId, epoch, clusterId, boot } = identity
    expect(ordered()).toEqual({ kind: 'keep', networkId, epoch, clusterId, subject: nodeId, boot })
  })

  it('needs the key, but where there is none root decides', async () => {
    agent.answer({ '/v1/identity': identity })
    expect(await agent.run('identity', 'keep')).toMatchObject({
      code: 2,
      stderr: expect.stringContaining('--key FILE'),
    })
    agent.answer({ '/v1/identity': { ...identity, operatorKey: 'none' }, '/v1/identity/keep': accepted })
    expect(await agent.run('identity', 'keep')).toMatchObject({ code: 0, stderr: 'it is done\n' })
  })

  it('does nothing where nothing is in doubt', async () => {
    agent.answer({ '/v1/identity': { ...identity, quarantine: null } })
    expect(await agent.run('identity', 'keep', '--key', key)).toMatchObject({
      code: 0,
      stderr: 'the identity of this node is not in doubt\n',
    })
    expect(agent.requests.some(({ method }) => method === 'POST')).toBe(false)
  })
})

describe('start --without', () => {
  const spec = { ...identity, kind: 'Spec', operatorSerial: 0, generation: -1 }
  const members = { kind: 'MemberList', now: 0, items: [{ nodeId: silent, hostname: 'h4' }] }

  it.each(['h4', silent, silent.slice(-8)])('finds %s and signs an order that names it', async (text) => {
    agent.answer({ '/v1/spec': spec, '/v1/members': members, '/v1/order': accepted })
    expect(await agent.run('start', '--without', text, '--key', key)).toMatchObject({ code: 0 })
    expect(ordered()).toMatchObject({ kind: 'without', networkId: spec.networkId, without: [silent] })
  })

  it('where the network has no operator key, root decides', async () => {
    agent.answer({
      '/v1/spec': { ...spec, operatorKey: 'none' },
      '/v1/members': members,
      '/v1/start': accepted,
    })
    expect(await agent.run('start', '--without', 'h4')).toMatchObject({ code: 0, stderr: 'it is done\n' })
    expect(agent.requests.at(-1)?.body).toBe(JSON.stringify({ without: [silent] }))
  })

  it.each([
    [['start'], 'name whom'],
    [['start', '--without', 'h5', '--key', 'k'], 'no machine h5'],
    [['start', '--without', 'h4'], '--key FILE'],
  ])('%j orders nothing', async (words, message) => {
    agent.answer({ '/v1/spec': spec, '/v1/members': members })
    expect(await agent.run(...words)).toMatchObject({ code: 2, stderr: expect.stringContaining(message) })
    expect(agent.requests.some(({ method }) => method === 'POST')).toBe(false)
  })
})
