// Proves that the double keeps the contract it claims, rule by rule, with real etcd processes that meet on
// addresses of the loopback device.
import { existsSync, mkdirSync, readdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { caHashOf } from './token.ts'
import { ensureAuthorities } from './certificates.ts'
import { contract } from './contract.ts'
import { agentPassword, Host, missingTools, password, Site, until } from './harness.ts'
import { ask } from './http.ts'
import { read } from './process.ts'

const can = missingTools === ''
const why = can ? '' : ` (NOT RUN: ${missingTools} missing)`
const longMs = 120_000 * Number(process.env['MUSTER_TEST_TIME_FACTOR'] ?? '1')

const serverFlags = ['--token', password, '--agent-token', agentPassword]

describe.skipIf(!can)(`one server${why}`, () => {
  let site: Site
  let first: Host
  let madeBefore: string | undefined

  beforeAll(async () => {
    site = new Site()
    first = site.host('one')
    ensureAuthorities(join(first.data, 'server/tls'))
    madeBefore = read(join(first.data, 'server/tls/server-ca.crt'))
    first.start('server', '--cluster-init', ...serverFlags)
    await first.ready()
    await first.says('k3s is up and running')
  }, longMs)

  afterAll(() => site[Symbol.asyncDispose]())

  it('keeps the authorities that it finds', async () => {
    const served = await ask(`${first.url}/cacerts`)
    expect(served.body).toBe(madeBefore)
    expect(read(join(first.data, 'server/token'))).toBe(`K10${caHashOf(served.body)}::server:${password}\n`)
  })

  it('an agent exits on a key of the server, a server only warns', async () => {
    const agent = site.host('strict')
    agent.configure({ 'cluster-init': true })
    agent.start('agent', '--server', first.url, '--token', agentPassword)
    expect(await agent.ended()).toBe(1)
    expect(agent.output).toContain('flag provided but not defined: -cluster-init')

    const server = site.host('lenient')
    server.configure({ 'no-such-flag': 1 })
    server.start('server', ...serverFlags)
    expect(await server.ended()).toBe(1)
    expect(server.output).toContain('Unknown flag --no-such-flag found in config.yaml, skipping')
    expect(server.output).toContain('SQLite')
  })

  it('reads drop-ins in order, the last one wins, and `+` adds', async () => {
    const joiner = site.host('merged')
    joiner.configure({ 'cluster-cidr': '10.1.0.0/16', 'service-cidr': '10.9.0.0/16' })
    joiner.configure({ 'cluster-cidr': '10.42.0.0/16' }, 'config.yaml.d/50-a.yaml')
    joiner.configure({ 'etcd-arg+': ['x=y'] }, 'config.yaml.d/60-b.yaml')
    joiner.start('server', '--server', first.url, ...serverFlags)
    expect(await joiner.ended()).toBe(1)
    // Only the value that no later file replaced still differs: this is also how it refuses other critical values.
    expect(joiner.output).toContain('critical configuration value mismatch between servers: service-cidr"')
  })

  it('refuses other critical values', async () => {
    const joiner = site.host('other-cidr')
    joiner.start('server', '--server', first.url, '--flannel-backend', 'host-gw', ...serverFlags)
    expect(await joiner.ended()).toBe(1)
    expect(joiner.output).toContain('critical configuration value mismatch between servers: flannel-backend')
  })

  it('refuses a server with another CA than the token names', async () => {
    const joiner = site.host('wrong-ca')
    const token = `K10${'0'.repeat(64)}::server:${password}`
    joiner.start('server', '--server', first.url, '--token', token)
    expect(await joiner.ended()).toBe(1)
    expect(joiner.output).toContain('token CA hash does not match')
  })

  it('refuses to join with authorities of another cluster', async () => {
    const joiner = site.host('stale')
    ensureAuthorities(join(joiner.data, 'server/tls'))
    joiner.start('server', '--server', first.url, ...serverFlags)
    expect(await joiner.ended()).toBe(1)
    expect(joiner.output).toContain('newer than datastore and could cause a cluster outage')
  })

  it('waits for its token file', async () => {
    const agent = site.host('patient')
    const file = join(agent.root, 'token')
    agent.start('agent', '--server', first.url, '--token-file', file)
    await agent.says('Waiting for')
    mkdirSync(agent.root, { recursive: true })
    writeFileSync(file, agentPassword)
    await agent.says('registered')
    expect(agent.output.indexOf('Waiting for')).toBeLessThan(agent.output.indexOf('registered'))
    await agent.stop()
  })

  it('refuses a second server of the same name', async () => {
    const twin = site.host('one')
    const second = new Host('one', twin.address, join(site.directory, 'twin'))
    second.start('server', '--server', first.url, ...serverFlags)
    expect(await second.ended()).toBe(1)
    expect(second.output).toContain('duplicate node name found')
  })

  it('gives a worker no keys, and strangers nothing but /ping and /cacerts', async () => {
    const as = (user: string, secret: string): { headers: { authorization: string } } => ({
      headers: { authorization: `Basic ${Buffer.from(`${user}:${secret}`).toString('base64')}` },
    })
    const at = (path: string): string => `${first.url}${path}`
    expect((await ask(at('/v1-k3s/config'), as('node', agentPassword))).status).toBe(200)
    expect((await ask(at('/v1-k3s/server-bootstrap'), as('node', agentPassword))).status).toBe(403)
    expect((await ask(at('/v1-k3s/server-bootstrap'), as('server', password))).status).toBe(200)
    expect((await ask(at('/v1-k3s/config'), as('node', 'guess'))).status).toBe(401)
    expect((await ask(at('/readyz'))).status).toBe(401)
    expect((await ask(at('/ping'))).body).toBe('pong')
  })

  it('refuses a second machine with the same node name', async () => {
    const agents = ['a', 'b'].map(() => site.host('same-name'))
    const [one, other] = agents.map(
      ({ address }, index) => new Host('same-name', address, join(site.directory, `same-${index}`)),
    )
    const flags = ['--server', first.url, '--token', agentPassword]
    // The node password lies beside the configuration, so each root is another machine.
    one?.start('agent', ...flags)
    await one?.says('registered')
    await one?.stop()
    other?.start('agent', ...flags)
    await other?.says('Node password rejected')
    expect(other?.output).not.toContain('registered')
    await other?.stop()
  })

  it('resumes from its disk whatever its flags say, but not with another token', async () => {
    const name = read(join(first.data, 'server/db/etcd/name'))
    await first.kill()
    first.start('server', '--server', 'https://127.255.255.254:6443', ...serverFlags)
    await first.ready()
    expect(first.output).toContain('cluster-init and server are ignored')
    expect((await first.members()).map((member) => member.name)).toEqual([name])
    await first.stop()

    first.start('server', '--cluster-init', '--token', 'another')
    expect(await first.ended()).toBe(1)
    expect(first.output).toContain('encrypted with different token')
  })
})

describe.skipIf(!can)(`a control plane${why}`, () => {
  it(
    'three servers that start at once become three voters; a removed one leaves a tombstone and rejoins',
    { timeout: longMs },
    async () => {
      await using site = new Site()
      const [a, b, c] = [site.host('a'), site.host('b'), site.host('c')]
      a.start('server', '--cluster-init', ...serverFlags)
      await a.ready()
      const joining = ['--server', a.url, ...serverFlags]
      b.start('server', ...joining)
      c.start('server', ...joining)
      await a.voters(3)
      await Promise.all([b.ready(), c.ready()])

      const worker = site.host('w')
      worker.start('agent', '--server', b.url, '--token', agentPassword)
      await worker.says('registered')
      const nodes = await a.api('/api/v1/nodes')
      expect(nodes.body).toContain('"name":"w"')

      const tombstone = join(c.data, 'server/db/etcd/tombstone')
      await until(
        'c can be removed',
        async () => (await a.api('/api/v1/nodes/c', { method: 'DELETE' })).status === 200,
      )
      expect(await c.ended()).toBe(1)
      expect(existsSync(tombstone)).toBe(true)
      expect(c.output).toContain('this server has been removed from the cluster')
      await a.voters(2)

      c.start('server', '--cluster-init', ...serverFlags)
      expect(await c.ended()).toBe(1)
      expect(c.output).toContain('refusing to start without --server')

      c.start('server', ...joining)
      await a.voters(3)
      expect(readdirSync(join(c.data, 'server/db')).some((name) => name.startsWith('etcd-backup-'))).toBe(
        true,
      )
    },
  )
})

describe('the list of rules', () => {
  it('names tests that exist', () => {
    const source = read(join(import.meta.dirname, 'contract.spec.ts')) ?? ''
    const titles = source
      .split('\n')
      .filter((line) => /^\s+(it\()?'/.test(line))
      .join('\n')
    for (const rule of contract) expect(titles, rule.id).toContain(rule.test)
    expect(new Set(contract.map((rule) => rule.id)).size).toBe(contract.length)
  })
})
