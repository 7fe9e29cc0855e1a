// Proves that fifty real machines find each other with no multicast at all, from one known address: the first host.
// Prints the time to the first peer and to full membership; only that they come is asserted. It says nothing of the
// founding, which asks that all fifty are heard at one moment: 25 agents a core starve each other for longer than that.
import { fileURLToPath } from 'node:url'
import { setTimeout as sleep } from 'node:timers/promises'
import { beforeAll, describe, expect, it } from 'vitest'
import { bundleCommand } from '../../scripts/bundle-command.ts'
import { callAgent } from '../../src/agent/api/client.ts'
import type { PeerList, StatusResource } from '../../src/agent/api/resources.ts'
import { address4Of, hostDevice, macOf } from '../../src/lab/addresses.ts'
import type { Lab } from '../../src/lab/lab.ts'
import { silentPairs, timeFactor, until, withLab } from '../support/site.ts'
import { isSkipped, skipNote } from './support/obstacle.ts'

/** Below node_modules, where the bundle finds its native module. */
const bundle = fileURLToPath(new URL('../../node_modules/.cache/muster-lab/muster.js', import.meta.url))

const multicastRules = `table inet no_multicast {
  counter tried {}
  chain out {
    type filter hook output priority 0; policy accept;
    meta l4proto udp ip daddr 224.0.0.0/4 counter name tried drop
    meta l4proto udp ip6 daddr ff00::/8 counter name tried drop
  }
}
`

describe.skipIf(isSkipped)(`discovery without multicast${skipNote}`, () => {
  beforeAll(() => bundleCommand(bundle))

  it(
    'fifty hosts, one static peer: everybody knows everybody',
    async () => {
      const count = 50
      const options = { name: 'fifty', nodes: count, k3s: '', mdns: false, startAgents: false }
      await withLab({ ...options, program: [process.execPath, bundle] }, async (lab) => {
        await Promise.all(lab.hosts.map(({ name }) => prepare(lab, name)))
        const times = await Promise.all(lab.hosts.map(async ({ name }) => watch(lab, name, count)))
        report('first peer', times, 'firstPeerS')
        report('full membership', times, 'everybodyS')

        for (const { name } of lab.hosts) expect(await multicastPackets(lab, name)).toBe(0)
        const ways = new Set(times.flatMap(({ foundBy }) => foundBy))
        expect(ways).not.toContain('mdns')
        expect(ways).not.toContain('beacon')
        expect(ways).toContain('static')
        expect(ways).toContain('dht')
      })
    },
    600_000 * timeFactor,
  )

  it('five hosts, one static peer: all measure their links and reach each other over the overlay', async () => {
    await withLab({ name: 'static', nodes: 5, k3s: '', mdns: false, startAgents: false }, async (lab) => {
      await Promise.all(lab.hosts.map(({ name }) => prepare(lab, name)))
      await Promise.all(lab.hosts.map(({ name }) => lab.start(name)))
      const said = await until(
        lab,
        'the overlay is up on all',
        120,
        (now) =>
          now.size === 5 &&
          [...now.values()].every((one) =>
            one.conditions.some(({ type, status }) => type === 'OverlayReady' && status === 'true'),
          ),
      )
      expect(await silentPairs(lab, said)).toEqual([])
      for (const { name } of lab.hosts) {
        await expect.poll(() => measuredLinks(lab, name), { timeout: 30_000 * timeFactor }).toBe(4)
        expect(await multicastPackets(lab, name)).toBe(0)
      }
    })
  })
})

interface Times {
  readonly firstPeerS: number
  readonly everybodyS: number
  readonly foundBy: readonly string[]
}

/** Starts a host's agent and asks it once a second how far it is. */
async function watch(lab: Lab, host: string, count: number): Promise<Times> {
  const begin = performance.now()
  await lab.start(host)
  const ask = <Answer>(path: string): Promise<Answer> =>
    callAgent<Answer>(lab.socket(host), 'GET', path, undefined, { timeoutMs: 60_000 * timeFactor })
  let status: StatusResource | undefined
  const since = async (what: string, holds: (said: StatusResource) => boolean): Promise<number> => {
    for (;;) {
      if (status !== undefined && holds(status)) return (performance.now() - begin) / 1_000
      if (performance.now() > begin + 500_000 * timeFactor) {
        throw new Error(
          `${host}: no ${what}: ${JSON.stringify(status?.members)} ${status?.waiting[0]?.message}`,
        )
      }
      await sleep(1_000)
      status = await ask<StatusResource>('/v1/status').catch(() => status)
    }
  }
  const firstPeerS = await since('peer', ({ peers }) => peers.connected > 0)
  const everybodyS = await since('full membership', ({ members }) => members.known === count)
  const { items } = await ask<PeerList>('/v1/peers')
  return { firstPeerS, everybodyS, foundBy: items.map(({ via }) => via) }
}

/**
 * No multicast by UDP leaves the host, whatever the agent does. And it knows the others' MAC addresses: the kernel
 * keeps 1024 that it asked for, over all namespaces together, and fifty hosts that talk to fifty need 2450.
 */
async function prepare(lab: Lab, host: string): Promise<void> {
  const neighbours = lab.hosts
    .filter(({ name }) => name !== host)
    .map(
      ({ index }) =>
        `neigh replace ${address4Of(index)} lladdr ${macOf(index)} nud permanent dev ${hostDevice}\n`,
    )
  for (const [command, input] of [
    [['ip', '-batch', '-'], neighbours.join('')],
    [['nft', '-f', '-'], multicastRules],
  ] as const) {
    const { code, stderr } = await lab.exec(host, command, input)
    if (code !== 0) throw new Error(`${host}: ${command[0]}: ${stderr}`)
  }
}

/** Connected peers of a host whose round trip is known. */
async function measuredLinks(lab: Lab, host: string): Promise<number> {
  const { items } = await callAgent<PeerList>(lab.socket(host), 'GET', '/v1/peers')
  return items.filter(({ connected, rttMs }) => connected && (rttMs ?? 0) > 0).length
}

async function multicastPackets(lab: Lab, host: string): Promise<number> {
  const { stdout } = await lab.exec(host, ['nft', '-j', 'list', 'counter', 'inet', 'no_multicast', 'tried'])
  return Number(/"packets": (\d+)/.exec(stdout)?.[1])
}

function report(what: string, times: readonly Times[], key: 'firstPeerS' | 'everybodyS'): void {
  const sorted = times.map((one) => one[key]).toSorted((a, b) => a - b)
  const at = (share: number): string => sorted[Math.ceil(share * sorted.length) - 1]?.toFixed(1) ?? '?'
  console.log(`${what} after the agent's start, ${sorted.length} hosts: p50 ${at(0.5)} s, max ${at(1)} s`)
}
