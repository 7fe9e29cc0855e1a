// Proves on real agents that a cluster comes to be on every kind of network: without a default route, with IPv6 only, without
// multicast, and on links that lose frames; and that cut links change nothing once it is there. (The main job
// has a default route.)
import { expect, it } from 'vitest'
import type { StatusResource } from '../../src/agent/api/resources.ts'
import type { Condition } from '../../src/core/model/condition.ts'
import type { Lab } from '../../src/lab/lab.ts'
import { parsePartition } from '../../src/lab/network-faults.ts'
import type { Said } from '../support/site.ts'
import { clustersOf, rolesOf, silentPairs, statuses, timeFactor, until, withLab } from '../support/site.ts'
import { oneEtcd } from './support/etcd.ts'
import { isSkipped, skipNote } from './support/obstacle.ts'
import { Witness } from './support/witness.ts'

const activeMs = 240_000 * timeFactor

it.skipIf(isSkipped).each(['no-route', 'ipv6-only'] as const)(
  `five hosts become one cluster and talk on a link with %s${skipNote}`,
  async (network) => {
    await withLab({ name: network, nodes: 5, network }, async (lab) => {
      expect((await lab.await('active', { timeoutMs: activeMs })).lacking).toEqual([])
      const said = await statuses(lab)
      expect(clustersOf(said).size).toBe(1)
      await oneEtcd(lab, said)
      expect(await silentPairs(lab, said)).toEqual([])
    })
  },
)

it.skipIf(isSkipped)(
  `finds everybody through one static peer and the DHT, without multicast${skipNote}`,
  async () => {
    await withLab({ name: 'static', nodes: 5, k3s: '', mdns: false }, async (lab) => {
      const said = await until(
        lab,
        'chartered',
        120,
        (now) => now.size === 5 && [...now.values()].every((one) => one.plan !== null),
      )
      expect(clustersOf(said).size).toBe(1)
    })
  },
)

it.skipIf(isSkipped)(
  `forms on links that lose every tenth frame; cut links change nothing afterwards and are named${skipNote}`,
  async () => {
    await withLab({ name: 'faults', nodes: 5, startAgents: false }, async (lab) => {
      const witness = new Witness(lab)
      await loseEverywhere(lab, 10)
      expect(await echoLoss(lab, 'h1', '10.77.0.2')).toBeGreaterThan(0)
      await Promise.all(lab.hosts.map(({ name }) => lab.start(name)))
      expect((await lab.await('active', { timeoutMs: activeMs })).lacking).toEqual([])
      const etcd = await oneEtcd(lab, await witness.look())
      await lab.heal()
      const before = await until(lab, 'every link is used', 60, (said) =>
        [...said.values()].every((status) => apartOf(status) === ''),
      )

      await cut(lab, 'h1 > h2', before, { h1: ['h2'], h2: ['h1'] })
      await cut(lab, 'h1 / h2,h3', before, { h1: ['h2', 'h3'], h2: ['h1'], h3: ['h1'] })
      await lab.partition(parsePartition(['h1 / h2,h3,h4,h5']))
      // Membership hears silence sooner than a connection breaks: wait for both.
      const alone = await until(lab, 'both sides say who is missing', 120, (said) =>
        [...said].every(([host, status]) =>
          host === 'h1'
            ? status.members.alive === 1 && conditionOf(status, 'PeersFound')?.status === 'false'
            : status.members.alive === 4,
        ),
      )
      for (const [host, status] of alone) {
        const [found, quorum] = [conditionOf(status, 'PeersFound'), conditionOf(status, 'VotersQuorum')]
        if (host === 'h1') {
          expect(found).toMatchObject({ status: 'false', reason: 'Disconnected' })
          expect(quorum).toMatchObject({ status: 'false', reason: 'NoMajority' })
          for (const other of ['h2', 'h3', 'h4', 'h5']) expect(quorum?.message).toContain(other)
        } else {
          expect(quorum).toMatchObject({ status: 'true', reason: 'Majority' })
          expect(quorum?.message).toContain('4 of 5 voters alive; not heard: h1')
        }
      }
      expect(plansOf(alone)).toEqual(plansOf(before))

      await lab.heal()
      const healed = await until(lab, 'every link is used again', 120, (said) =>
        [...said.values()].every((status) => status.members.alive === 5 && apartOf(status) === ''),
      )
      expect(plansOf(healed)).toEqual(plansOf(before))
      expect(rolesOf(healed)).toEqual(rolesOf(before))
      expect(await oneEtcd(lab, await witness.look())).toBe(etcd)
      expect(await silentPairs(lab, healed)).toEqual([])
    })
  },
)

/** Cuts links and waits until exactly the hosts at their ends name whom they do not reach. Nothing else changes. */
async function cut(
  lab: Lab,
  partition: string,
  before: Said,
  apart: Readonly<Record<string, readonly string[]>>,
): Promise<void> {
  await lab.partition(parsePartition([partition]))
  const said = await until(lab, `${partition} is named`, 120, (now) =>
    [...now].every(([host, status]) => apartOf(status) === (apart[host] ?? []).join(', ')),
  )
  // The others vouch for whom one does not reach: nobody is called dead.
  expect([...said.values()].map(({ members }) => members.alive)).toEqual([5, 5, 5, 5, 5])
  expect(plansOf(said)).toEqual(plansOf(before))
  expect(rolesOf(said)).toEqual(rolesOf(before))
}

/** Every link of the lab loses this share of its frames, in both directions. */
async function loseEverywhere(lab: Lab, lossPercent: number): Promise<void> {
  const names = lab.hosts.map(({ name }) => name)
  for (const [index, name] of names.entries()) {
    const right = names.slice(index + 1)
    if (right.length > 0) await lab.partition({ left: [name], right, direction: 'both' }, lossPercent)
  }
}

/** The share of a hundred echoes that is lost on the way there and back, in percent. */
async function echoLoss(lab: Lab, from: string, address: string): Promise<number> {
  const { stdout } = await lab.exec(from, ['ping', '-q', '-c', '100', '-i', '0.01', '-W', '1', address])
  return Number(/([\d.]+)% packet loss/.exec(stdout)?.[1] ?? 0)
}

/** Whom a host says it has no connection to, sorted. */
function apartOf(status: StatusResource): string {
  const [, named = ''] =
    /no connection to (.*)\.$/.exec(conditionOf(status, 'PeersFound')?.message ?? '') ?? []
  return named.split(', ').toSorted().join(', ')
}

function conditionOf({ conditions }: StatusResource, type: string): Condition | undefined {
  return conditions.find((condition) => condition.type === type)
}

function plansOf(said: Said): readonly string[] {
  return [...said.values()].map(({ plan }) => `${plan?.generation} ${plan?.hash}`)
}
