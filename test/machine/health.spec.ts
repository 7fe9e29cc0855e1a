// Proves the wait for a good boot in virtual time: it must stay good, what is awaited is told once, and the time is
// bounded; and that a look at a directory as the machine sees what is there.
import { mkdirSync } from 'node:fs'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import type { HealthObservation } from '../../src/core/install/health.ts'
import { baselineOf } from '../../src/core/install/health.ts'
import { blessRunning } from '../../src/install/running.ts'
import { lookAtHealth } from '../../src/machine/health-look.ts'
import { lookAtNetwork } from '../../src/machine/network-look.ts'
import type { HealthOutcome } from '../../src/machine/health-wait.ts'
import { waitForHealth } from '../../src/machine/health-wait.ts'
import { FakeAgent } from '../cli/fake-agent.ts'
import { mountinfo } from '../support/mountinfo.ts'
import { DirectoryMachine } from './directory-machine.ts'

const well: HealthObservation = {
  configured: true,
  mounts: [],
  wallClock: Date.UTC(2026, 0, 1),
  links: 1,
  linksOn: 1,
  linksUp: 1,
  addressed: true,
  routed: true,
  agent: { connected: ['b'], k3sReady: true, servers: 3, serversAlive: 3, waiting: '' },
}

/** Waits on a machine that looks like this at each second. */
async function wait(
  look: (second: number) => HealthObservation,
  timeoutMs = 60_000,
): Promise<HealthOutcome & { readonly second: number; readonly said: readonly string[] }> {
  let now = 0
  const said: string[] = []
  const outcome = await waitForHealth({
    baseline: baselineOf(well),
    look: async () => look(now / 1_000),
    now: () => now,
    sleep: async (milliseconds) => void (now += milliseconds),
    say: (line) => said.push(line),
    timeoutMs,
    signal: new AbortController().signal,
  })
  return { ...outcome, second: now / 1_000, said }
}

describe('the wait for a good boot', () => {
  it('ends when it was good for a while', async () => {
    const outcome = await wait((second) => (second < 20 ? { ...well, agent: undefined } : well))
    expect(outcome).toMatchObject({ passed: true, verdict: 'good', second: 30 })
    expect(outcome.said).toEqual([
      'waiting for machine: the agent does not answer | network: none of 1 machines known before is connected | k3s: k3s was ready before and is not yet',
      'all is well; looking whether it stays so',
    ])
  })

  it('does not end with an agent that comes and goes', async () => {
    const outcome = await wait((second) => (second % 8 === 0 ? { ...well, agent: undefined } : well))
    expect(outcome).toMatchObject({ passed: false, second: 60 })
  })

  it('takes an excuse when the time is over, and not before', async () => {
    const outage = { ...well, linksUp: 0, agent: { ...well.agent!, connected: [], k3sReady: false } }
    expect(await wait(() => outage)).toMatchObject({ passed: true, verdict: 'excused', second: 60 })
    expect(await wait((second) => (second < 50 ? outage : { ...outage, linksUp: 1 }))).toMatchObject({
      passed: false,
      second: 60,
    })
  })
})

describe('a look at a machine', () => {
  let machine: DirectoryMachine | undefined
  let fake: FakeAgent | undefined
  afterEach(async () => {
    machine?.remove()
    await fake?.close()
  })

  it('sees disks, links and the agent', async () => {
    machine = new DirectoryMachine()
    for (const path of [
      'var/lib/muster',
      'var/lib/rancher',
      'efi',
      'sys/class/net/eth0/device',
      'sys/class/net/eth1/device',
    ])
      mkdirSync(join(machine.root, path), { recursive: true })
    machine.file('/sys/class/net/eth0/carrier', '1\n')
    machine.file('/sys/class/net/eth0/flags', '0x1003\n')
    machine.file('/sys/class/net/eth1/flags', '0x1002\n')
    machine.file('/sys/class/net/lo/carrier', '1\n')
    machine.file('/etc/muster/40_a.yaml', 'muster: {zone: a}\n')
    fake = new FakeAgent()
    await fake.listen()
    const answer = { apiVersion: 'muster/v1', now: 0 }
    fake.answer({
      '/v1/status': {
        ...answer,
        conditions: [{ type: 'K3sReady', status: 'true' }],
        waiting: [{ message: 'x' }],
      },
      '/v1/members': {
        ...answer,
        items: [
          { nodeId: 'a', self: true, role: 'control-plane', liveness: 'alive' },
          { nodeId: 'b', role: 'control-plane', liveness: 'dead' },
          { nodeId: 'c', role: 'worker', liveness: 'alive' },
        ],
      },
      '/v1/peers': {
        ...answer,
        items: [
          { nodeId: 'b', connected: false },
          { nodeId: 'c', connected: true },
        ],
      },
    })
    const look = await lookAtHealth(machine.root, fake.socket)
    expect(look).toMatchObject({
      configured: true,
      links: 2,
      linksOn: 1,
      linksUp: 1,
      agent: { connected: ['c'], k3sReady: true, servers: 2, serversAlive: 1, waiting: 'x' },
    })
    expect(look.mounts.map(({ path, writable }) => ({ path, writable }))).toEqual(
      ['/config', '/persist', '/var/lib/muster', '/var/lib/rancher', '/efi'].map((path) => ({
        path,
        writable: true,
      })),
    )
  })

  it('sees addresses and default routes of its own links, and not those of the overlay and of pods', () => {
    machine = new DirectoryMachine()
    const route4 = (...rows: readonly string[]): void =>
      machine!.file(
        '/proc/net/route',
        [
          'Iface\tDestination\tGateway \tFlags\tRefCnt\tUse\tMetric\tMask\t\tMTU\tWindow\tIRTT',
          ...rows,
          '',
        ].join('\n'),
      )
    const route6 = (...rows: readonly string[]): void =>
      machine!.file('/proc/net/ipv6_route', rows.join('\n'))
    const seen = (): readonly [addressed: boolean, routed: boolean] => {
      const { addressed, routed } = lookAtNetwork(machine!.root)
      return [addressed, routed]
    }
    const none = '0'.repeat(32)
    const rest = `00 ${none} ${none} 00000100 00000001 00000000`
    const six = (destination: string, prefix: string, flags: string, link: string): string =>
      `${destination.padEnd(32, '0')} ${prefix} ${none} ${rest} ${flags}     ${link}`
    expect(seen()).toEqual([false, false])
    route4()
    expect(seen()).toEqual([false, false])
    route4('eth0\t000200C0\t00000000\t0001\t0\t0\t0\t00FFFFFF\t0\t0\t0')
    expect(seen()).toEqual([true, false])
    route4('br0\t00000000\t010200C0\t0003\t0\t0\t0\t00000000\t0\t0\t0')
    expect(seen()).toEqual([true, true])
    for (const link of ['muster0', 'cni0', 'lo']) {
      route4(`${link}\t0000900A\t00000000\t0001\t0\t0\t0\t0000FFFF\t0\t0\t0`)
      expect(seen()).toEqual([false, false])
    }
    route4('eth0\t0000FEA9\t00000000\t0001\t0\t0\t0\t0000FFFF\t0\t0\t0')
    route6(six('fe80', '40', '00000001', 'eth0'), six('ff', '08', '00000001', 'eth0'))
    expect(seen()).toEqual([false, false])
    route6(six('', '00', '00200200', 'lo'), six('fd', '40', '00000001', 'eth0'))
    expect(seen()).toEqual([true, false])
    route6(six('', '00', '00000003', 'eth0'))
    expect(seen()).toEqual([true, true])
  })

  it('sees a partition that is not mounted, and one that is mounted read-only', async () => {
    machine = new DirectoryMachine()
    mkdirSync(join(machine.root, 'efi'))
    const looked = async (
      mounts: Parameters<typeof mountinfo>[0],
    ): Promise<Readonly<Record<string, readonly [fault: string, writable: boolean]>>> => {
      machine!.file('/proc/self/mountinfo', mountinfo(mounts))
      const look = await lookAtHealth(machine!.root, join(machine!.root, 'no.sock'))
      return Object.fromEntries(look.mounts.map(({ path, fault, writable }) => [path, [fault, writable]]))
    }
    expect(await looked({ '/config': 'ext4', '/persist': 'ext4', '/efi': 'vfat' })).toMatchObject({
      '/config': ['', true],
      '/persist': ['', true],
      '/efi': ['', true],
    })
    expect(await looked({ '/config': 'ext4', '/efi': 'vfat ro' })).toMatchObject({
      '/persist': ['nothing is mounted there', true],
      '/efi': ['', false],
    })
    expect(await looked({ '/config': 'ext4', '/persist': 'tmpfs' })).toMatchObject({
      '/persist': ['a file system tmpfs is mounted there, not ext4', true],
      '/efi': ['nothing is mounted there', true],
    })
    // Mounted by hand after the initrd went on without it: k3s' data are in memory all the same.
    machine.file('/run/muster/persist-failed', '')
    expect(await looked({ '/config': 'ext4', '/persist': 'ext4', '/efi': 'vfat' })).toMatchObject({
      '/persist': ['it could not be mounted when this boot began', true],
    })
  })

  it('sees what is not there', async () => {
    machine = new DirectoryMachine('live')
    const look = await lookAtHealth(machine.root, join(machine.root, 'no.sock'))
    expect(look).toMatchObject({ configured: false, links: 0, agent: undefined })
    expect(look.mounts.every(({ writable }) => !writable)).toBe(true)
  })
})

describe('muster health', () => {
  const imageId = 'a'.repeat(64)
  const peers = { agent: true, peers: 'b', k3sReady: false, links: 0, full: '' }
  const records = (more: object): string =>
    JSON.stringify({
      format: 1,
      highestEpoch: 0,
      blessed: [],
      rejected: [],
      trial: null,
      baseline: null,
      ...more,
    })
  let machine: DirectoryMachine
  let fake: FakeAgent
  beforeEach(async () => {
    machine = new DirectoryMachine()
    for (const path of ['var/lib/muster', 'var/lib/rancher', 'efi/EFI/Linux'])
      mkdirSync(join(machine.root, path), { recursive: true })
    fake = new FakeAgent()
    await fake.listen()
    fake.answer({
      '/v1/status': { conditions: [], waiting: [] },
      '/v1/members': { items: [] },
      '/v1/peers': { items: [{ nodeId: 'c', connected: true }] },
    })
  })
  afterEach(async () => {
    machine.remove()
    await fake.close()
  })
  const run = (...words: readonly string[]): ReturnType<FakeAgent['run']> =>
    fake.run('health', '--root', machine.root, ...words)

  it('judges one look by what is remembered', async () => {
    expect(await run('-o', 'json')).toMatchObject({ code: 0 })
    machine.file(
      '/config/images.json',
      records({ trial: { imageId, version: '2', from: 'b', failure: '' }, baseline: peers }),
    )
    const { code, stdout } = await run('-o', 'json')
    expect(code).toBe(3)
    expect(JSON.parse(stdout)).toMatchObject({
      verdict: 'waiting',
      awaited: 'network: none of 1 machines known before is connected',
    })
    expect((await run('--bless')).code).toBe(2)
  })

  it('writes down why a boot was not good, and exits with 1', async () => {
    machine.file(
      '/config/images.json',
      records({ trial: { imageId, version: '2', from: 'b', failure: '' }, baseline: peers }),
    )
    const { code, stderr } = await run('--wait', '--bless', '--timeout', '1')
    expect(code).toBe(1)
    expect(stderr).toContain('this boot is not good: network: none of 1')
    expect(JSON.parse(machine.read('/config/images.json'))).toMatchObject({
      blessed: [],
      trial: { failure: 'network: none of 1 machines known before is connected' },
    })
  })

  it('blesses no boot without the boot partition: the loader would not learn of it', async () => {
    machine.file('/config/images.json', records({}))
    machine.file('/proc/self/mountinfo', mountinfo({ '/config': 'ext4', '/persist': 'ext4' }))
    const { code, stderr } = await run('--wait', '--bless', '--timeout', '1')
    expect(code).toBe(1)
    expect(stderr).toContain('machine: /efi is not mounted: nothing is mounted there')
    expect(JSON.parse(machine.read('/config/images.json'))).toMatchObject({ blessed: [] })
    await expect(blessRunning(machine.root)).rejects.toMatchObject({ code: 'ERR_NOT_MOUNTED' })
  })

  it('blesses a boot that stays good, and judges its image no more', async () => {
    machine.file(
      '/config/images.json',
      records({
        trial: { imageId, version: '2', from: 'b', failure: '' },
        baseline: { ...peers, peers: 'c' },
      }),
    )
    expect(await run('--wait', '--bless')).toMatchObject({
      code: 0,
      stderr: expect.stringContaining('and so is its image') as unknown,
    })
    expect(JSON.parse(machine.read('/config/images.json'))).toMatchObject({
      blessed: [imageId],
      trial: null,
      baseline: null,
    })
    fake.answer({})
    expect(await run('--wait', '--bless', '--timeout', '1')).toMatchObject({
      code: 0,
      stderr: 'muster health: this image is known to be good\n',
    })
  })
})
