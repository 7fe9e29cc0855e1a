// Proves that a lab makes hosts that are apart and linked, loses frames as told, and leaves nothing behind,
// with a stand-in for the agent. Runs as root and, where root can become somebody else, as an ordinary user.
import { spawnSync } from 'node:child_process'
import {
  existsSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  rmSync,
  writeFileSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { endLab } from '../../src/lab/down.ts'
import { createLab, type Lab, openLab } from '../../src/lab/lab.ts'
import { namespaceObstacle } from '../../src/lab/namespaces.ts'
import { parsePartition } from '../../src/lab/network-faults.ts'
import { labNames } from '../../src/lab/state.ts'
import { missingTools } from '../../src/lab/tools.ts'

const factor = Number(process.env['MUSTER_TEST_TIME_FACTOR'] ?? '1')
const dummy = fileURLToPath(new URL('fixtures/dummy-agent.ts', import.meta.url))
const isRoot = process.getuid?.() === 0
const obstacle = await namespaceObstacle(!isRoot)
const lacking = missingTools(['ip', 'nft', 'ping', 'unshare'], '')
const cannot = obstacle !== undefined || lacking.length > 0 || !existsSync('/dev/net/tun')

describe('a lab', () => {
  let directory: string

  beforeEach(() => {
    directory = mkdtempSync(join(tmpdir(), 'muster-lab-test-'))
    process.env['MUSTER_LAB_DIRECTORY'] = directory
  })

  afterEach(async () => {
    for (const name of labNames()) await endLab(name)
    delete process.env['MUSTER_LAB_DIRECTORY']
    rmSync(directory, { recursive: true, force: true })
  })

  it.skipIf(cannot)(
    `links hosts, runs agents and leaves nothing (needs rights: ${obstacle ?? 'present'})`,
    async () => {
      const lab = await smallLab(3)
      const { hosts } = lab
      expect(hosts.map((host) => host.name)).toEqual(['h1', 'h2', 'h3'])
      const machineIds = new Set(hosts.map((host) => readFileSync(join(host.root, 'etc/machine-id'), 'utf8')))
      expect(machineIds.size).toBe(3)
      const configs = new Set(
        hosts.map((host) => readFileSync(join(host.root, 'etc/muster/config.yaml'), 'utf8')),
      )
      expect(configs.size).toBe(1)
      expect((await lab.exec('h2', ['hostname'])).stdout.trim()).toBe('h2')
      expect(await reaches(lab, 'h1', '10.77.0.3')).toBe(true)
      expect(await reaches(lab, 'h3', 'fd77::2')).toBe(true)

      const early = await lab.await('active', { timeoutMs: 0 })
      expect(early.reached).toBe(false)
      await waitForAgents(lab)
      expect((await lab.await('active', { timeoutMs: 0 })).lacking[0]).toBe(
        'h1: waiting for machines 1/3 (missing h9)',
      )
      for (const host of hosts) writeFileSync(join(host.root, 'etc/active'), '')
      expect((await lab.await('active', { timeoutMs: 20_000 * factor })).reached).toBe(true)

      const inits = [lab.state.init, ...hosts.map((host) => host.init)]
      const namespaces = inits.map(({ pid }) => namespaceOf(pid))
      expect(new Set(namespaces).size).toBe(4)
      expect(processesIn(namespaces).length).toBeGreaterThan(4)
      await lab.down()
      expect(readdirSync(directory)).toEqual([])
      expect(processesIn(namespaces)).toEqual([])
    },
  )

  it.skipIf(cannot)('cuts, thins and heals links in the directions asked for', async () => {
    const lab = await smallLab(3, false)
    await lab.partition(parsePartition(['h1', '/', 'h2,h3']))
    expect(await pings(lab, 'h1', '10.77.0.2')).toBe(false)
    expect(await pings(lab, 'h1', 'fd77::3')).toBe(false)
    expect(await reaches(lab, 'h2', '10.77.0.3')).toBe(true)
    await lab.heal()
    expect(await reaches(lab, 'h1', '10.77.0.2')).toBe(true)
    await lab.partition(parsePartition(['h1', '>', 'h2']))
    expect(await received(lab, 'h2', () => pings(lab, 'h1', '10.77.0.2'))).toBe(0)
    expect(await received(lab, 'h1', () => pings(lab, 'h2', '10.77.0.1'))).toBeGreaterThan(0)
    const late = await lab.add()
    expect(late).toBe('h4')
    expect(await reaches(lab, 'h4', '10.77.0.2')).toBe(true)
  })

  it.skipIf(cannot)('kills, restarts, pauses, switches off and wipes single hosts', async () => {
    const lab = await smallLab(2)
    await waitForAgents(lab)
    const agents = async (): Promise<string[]> => (await lab.status()).map((host) => host.agent)
    await lab.kill('h1')
    expect(await agents()).toEqual(['stopped', 'running'])
    expect((await lab.exec('h1', ['pgrep', '-c', 'sleep'])).stdout.trim()).toBe('2')
    await lab.restart('h1')
    expect(await agents()).toEqual(['running', 'running'])
    await lab.pause('h2')
    expect(await agents()).toEqual(['running', 'paused'])
    await lab.resume('h2')
    expect(await agents()).toEqual(['running', 'running'])
    await lab.stop('h2')
    expect(await agents()).toEqual(['running', 'stopped'])

    const machineId = (): string => readFileSync(join(lab.hosts[0]!.root, 'etc/machine-id'), 'utf8')
    const old = machineId()
    await lab.cutPower('h1')
    expect(await agents()).toEqual(['off', 'stopped'])
    await expect(lab.exec('h1', ['true'])).rejects.toMatchObject({ code: 'ERR_LAB_HOST_OFF' })
    await lab.start('h1')
    expect(await agents()).toEqual(['running', 'stopped'])
    expect(machineId()).toBe(old)
    expect(await reaches(lab, 'h2', '10.77.0.1')).toBe(true)
    writeFileSync(join(lab.hosts[0]!.root, 'var/lib/state'), '')
    await lab.wipe('h1')
    expect(machineId()).not.toBe(old)
    expect(existsSync(join(lab.hosts[0]!.root, 'var/lib/state'))).toBe(false)
  })

  it.skipIf(cannot)('gives hosts the network that was asked for', async () => {
    const modes = { 'default-route': [1, 1], 'no-route': [1, 0], 'ipv6-only': [0, 0] } as const
    for (const [network, [ipv4, route]] of Object.entries(modes)) {
      const options = { name: network, nodes: 1, network: network as keyof typeof modes, k3s: '' }
      const lab = await createLab({ ...options, startAgents: false, config: '' })
      const addresses = (await lab.exec('h1', ['ip', '-4', '-o', 'addr', 'show', 'dev', 'eth0'])).stdout
      expect(addresses.split('\n').filter(Boolean)).toHaveLength(ipv4)
      const routes = (await lab.exec('h1', ['ip', 'route', 'show', 'default'])).stdout
      expect(routes.split('\n').filter(Boolean)).toHaveLength(route)
      await lab.down()
    }
  })

  it.skipIf(cannot)('refuses a second lab of one name, and a host that is not there', async () => {
    const lab = await smallLab(1, false)
    await expect(smallLab(1)).rejects.toMatchObject({ code: 'ERR_LAB_EXISTS' })
    await expect(lab.kill('h7')).rejects.toMatchObject({
      code: 'ERR_LAB_HOST_UNKNOWN',
      hint: 'Its hosts are: h1.',
    })
    expect(() => openLab('nowhere')).toThrow(/no lab named nowhere/)
  })

  it.skipIf(cannot || !isRoot)(
    'works for an ordinary user, in a user namespace (needs root to become one)',
    () => {
      const script = fileURLToPath(new URL('fixtures/rootless.ts', import.meta.url))
      // A private copy of /dev/net/tun that everybody may open, as on most machines; gone with its namespace.
      const outside = `
      set -e
      mount -t tmpfs none /mnt
      mknod -m 666 /mnt/tun c 10 200
      mount --bind /mnt/tun /dev/net/tun
      mkdir -m 700 /mnt/labs; chown 65534:65534 /mnt/labs
      MUSTER_LAB_DIRECTORY=/mnt/labs exec setpriv --reuid=65534 --regid=65534 --clear-groups "$@"`
      const ran = spawnSync(
        'unshare',
        ['--mount', 'sh', '-c', outside, 'sh', process.execPath, script, dummy],
        {
          encoding: 'utf8',
          env: { PATH: process.env['PATH'] ?? '' },
        },
      )
      expect(ran.stderr).toBe('')
      expect(JSON.parse(ran.stdout)).toEqual({
        rootless: true,
        hostname: 'h2',
        pinged: true,
        cut: true,
        tun: true,
        agents: ['running', 'running'],
        left: [],
        alive: [],
      })
    },
  )

  function smallLab(nodes: number, startAgents = true): Promise<Lab> {
    return createLab({
      name: 'unit',
      nodes,
      k3s: '',
      config: 'x: 1\n',
      program: [process.execPath, dummy],
      startAgents,
    })
  }

  async function waitForAgents(lab: Lab): Promise<void> {
    const giveUpAt = performance.now() + 20_000 * factor
    while ((await lab.status()).some((host) => host.status === undefined)) {
      if (performance.now() > giveUpAt) throw new Error(`agents do not answer: ${lab.log('h1')}`)
    }
  }
})

/** Whether one echo is answered within a second. */
async function pings(lab: Lab, from: string, address: string): Promise<boolean> {
  return (await lab.exec(from, ['ping', '-c1', '-W1', address])).code === 0
}

/** Whether an answer comes at all: a neighbour that was lost is asked for anew only after a while. */
async function reaches(lab: Lab, from: string, address: string): Promise<boolean> {
  const giveUpAt = performance.now() + 20_000 * factor
  while (performance.now() < giveUpAt) if (await pings(lab, from, address)) return true
  return false
}

/** Echo requests that a host's own stack saw during an action. */
async function received(lab: Lab, host: string, action: () => Promise<unknown>): Promise<number> {
  const count = async (): Promise<number> => {
    const lines = (await lab.exec(host, ['grep', '^Icmp:', '/proc/net/snmp'])).stdout.trim().split('\n')
    const titles = lines[0]?.split(' ') ?? []
    return Number(lines[1]?.split(' ')[titles.indexOf('InEchos')])
  }
  const start = await count()
  await action()
  return (await count()) - start
}

function namespaceOf(pid: number): string {
  return readlinkSync(`/proc/${pid}/ns/pid`)
}

/** Processes of the whole machine that are in one of these pid namespaces. */
function processesIn(namespaces: readonly string[]): number[] {
  const pids = readdirSync('/proc').filter((name) => /^\d+$/.test(name))
  return pids.map(Number).filter((pid) => {
    try {
      return namespaces.includes(namespaceOf(pid))
    } catch {
      // It ended meanwhile.
      return false
    }
  })
}
