// Proves the main job end to end on real agents, real libp2p, real interfaces and a real etcd: five hosts from one
// file become one cluster; what is claimed is read from etcd and the network, not from the agents alone.
import { expect, it } from 'vitest'
import type { Lab } from '../../src/lab/lab.ts'
import { clustersOf, rolesOf, type Said, silentPairs, timeFactor, until, withLab } from '../support/site.ts'
import { oneEtcd } from './support/etcd.ts'
import { isSkipped, skipNote } from './support/obstacle.ts'
import { Witness } from './support/witness.ts'

it.skipIf(isSkipped)(
  `five hosts become one cluster, grow, and keep their roles through kills and a power cut${skipNote}`,
  async () => {
    await withLab({ name: 'main-job', nodes: 5 }, async (lab) => {
      const witness = new Witness(lab)
      const etcd = await form(lab)
      await grow(lab)
      const before = rolesOf(await witness.look())

      for (const host of ['h1', 'h3', 'h6']) {
        await lab.kill(host)
        await lab.start(host)
      }
      const killed = await allActive(lab, 'killed agents are back')
      expect(rolesOf(killed)).toEqual(before)
      expect(await oneEtcd(lab, killed)).toBe(etcd)

      const generation = killed.get('h1')!.plan!.generation
      await Promise.all(lab.hosts.map(({ name }) => lab.cutPower(name)))
      expect((await lab.status()).map(({ agent }) => agent)).toEqual(lab.hosts.map(() => 'off'))
      await Promise.all(lab.hosts.map(({ name }) => lab.start(name)))
      const returned = await allActive(lab, 'all are back after the power cut')
      expect(rolesOf(returned)).toEqual(before)
      expect(await oneEtcd(lab, returned)).toBe(etcd)
      // No redraw: nothing was decided at all.
      const settled = await witness.look()
      expect([...settled.values()].map(({ plan }) => plan!.generation)).toEqual(
        lab.hosts.map(() => generation),
      )
      expect(await silentPairs(lab, settled)).toEqual([])
      expect(witness.clusters).toHaveLength(1)
    })
  },
)

/** One plan on all five, three of them servers of one etcd, everybody in reach. Returns etcd's cluster id. */
async function form(lab: Lab): Promise<string> {
  const awaited = await lab.await('active', { timeoutMs: 240_000 * timeFactor })
  expect(awaited.lacking).toEqual([])
  const formed = await until(lab, 'one plan on all', 30, (said) => {
    const plans = [...said.values()].map(({ plan }) => `${plan?.generation} ${plan?.hash}`)
    return said.size === 5 && new Set(plans).size === 1
  })
  expect(clustersOf(formed).size).toBe(1)
  const roles = [...formed.values()].map(({ assignment }) => assignment?.role)
  expect(roles.filter((role) => role === 'control-plane')).toHaveLength(3)
  expect(roles.filter((role) => role === 'worker')).toHaveLength(2)
  expect(await silentPairs(lab, formed)).toEqual([])
  return oneEtcd(lab, formed)
}

/** A sixth host is a worker with an address of its own ten seconds after its start, and everybody reaches it. */
async function grow(lab: Lab): Promise<void> {
  const startedAt = performance.now()
  const sixth = await lab.add()
  await until(lab, 'the sixth host has an address', 10, (said) => {
    const assignment = said.get(sixth)?.assignment ?? null
    return assignment !== null && assignment.address4 !== ''
  })
  const seconds = (performance.now() - startedAt) / 1_000
  process.stdout.write(`the sixth host has its address after ${seconds.toFixed(1)} s\n`)
  expect(seconds).toBeLessThanOrEqual(10 * timeFactor)
  const grown = await until(lab, 'all know of the sixth', 30, (said) => {
    const generations = new Set([...said.values()].map(({ plan }) => plan?.generation))
    return said.size === 6 && generations.size === 1
  })
  expect(grown.get(sixth)!.assignment!.role).toBe('worker')
  const addresses = [...grown.values()].flatMap(({ assignment }) => [
    assignment!.address4,
    assignment!.address6,
  ])
  expect(new Set(addresses).size).toBe(12)
  expect(await silentPairs(lab, grown)).toEqual([])
}

async function allActive(lab: Lab, what: string): Promise<Said> {
  return until(
    lab,
    what,
    120,
    (said) =>
      said.size === 6 &&
      [...said.values()].every(({ plan, members }) => plan?.phase === 'active' && members.alive === 6),
  )
}
