// Proves when `muster reset` asks for a reset of a machine that is in a cluster: after a certified goodbye, or by force.
import { existsSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { DirectoryMachine } from '../machine/directory-machine.ts'
import { statusFixture } from '../support/status-fixture.ts'
import { FakeAgent, muster } from './fake-agent.ts'

const accepted = { accepted: true, reason: 'Leaving', message: 'the voters retire this node' }
const departed = (status: 'true' | 'false'): object =>
  statusFixture({
    conditions: [{ type: 'Departed', status, reason: '', message: '', hint: '', since: 0 }],
  })

let agent: FakeAgent
let machine: DirectoryMachine
beforeEach(async () => {
  agent = new FakeAgent()
  await agent.listen()
  machine = new DirectoryMachine()
  machine.file('/config/state/a.state', 'key and votes')
})
afterEach(async () => {
  machine.remove()
  await agent.close()
})

const ordered = (): unknown => {
  const path = join(machine.root, 'config/reset.json')
  return existsSync(path) ? (JSON.parse(readFileSync(path, 'utf8')) as unknown) : undefined
}
const words = (...more: readonly string[]): readonly string[] => ['reset', '--root', machine.root, ...more]

describe('a worker', () => {
  it('is made another machine after it has left', async () => {
    agent.answer({ '/v1/leave': accepted, '/v1/status': departed('true') })
    expect(await agent.run(...words('--level', 'factory'))).toMatchObject({ code: 0 })
    expect(ordered()).toEqual({ format: 1, level: 'factory', left: true })
  })

  it('is not reset when its goodbye is not certified in time, unless by force', async () => {
    agent.answer({ '/v1/leave': accepted, '/v1/status': departed('false') })
    const late = words('--level', 'factory', '--timeout', '1ms')
    expect(await agent.run(...late)).toMatchObject({ code: 3 })
    expect(ordered()).toBeUndefined()
    expect(await agent.run(...late, '--force')).toMatchObject({
      code: 0,
      stderr: expect.stringContaining('the cluster was not left'),
    })
    expect(ordered()).toEqual({ format: 1, level: 'factory', left: false })
  })

  it('is not reset where no agent can be asked, unless by force or nobody knows it', async () => {
    const alone = { MUSTER_SOCKET: join(machine.root, 'no.sock') }
    expect(await muster(words('--level', 'factory'), alone)).toMatchObject({
      code: 1,
      stderr: expect.stringContaining('ERR_RESET_NOT_LEFT'),
    })
    expect(ordered()).toBeUndefined()
    expect(await muster(words('--level', 'data'), alone)).toMatchObject({ code: 0 })
    expect(await muster(words('--level', 'factory', '--force'), alone)).toMatchObject({ code: 0 })
    expect(ordered()).toMatchObject({ level: 'factory', left: false })
    const fresh = new DirectoryMachine()
    expect(await muster(['reset', '--level', 'factory', '--root', fresh.root], alone)).toMatchObject({
      code: 0,
    })
    fresh.remove()
  })

  it('is not reset by a command that is ended while it waits, not even by force', async () => {
    agent.answer({ '/v1/leave': accepted, '/v1/status': departed('false') })
    const environment = { MUSTER_SOCKET: agent.socket }
    const ended = AbortSignal.timeout(200)
    expect(await muster(words('--level', 'factory', '--force'), environment, '', ended)).toMatchObject({
      code: 1,
    })
    expect(ordered()).toBeUndefined()
  })
})
