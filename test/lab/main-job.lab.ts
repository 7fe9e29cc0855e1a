// Proves the main job end to end on real agents, real libp2p, real interfaces and a real etcd: five hosts from one
// file become one cluster; what is claimed is read from etcd and the network, not from the agents alone.
import { expect, it } from 'vitest'
import { namespaceObstacle } from '../../src/lab/namespaces.ts'
import { clustersOf, etcdMembers, rolesOf, silentPairs, timeFactor, until, withLab } from '../support/site.ts'

const obstacle = await namespaceObstacle(process.getuid?.() !== 0)
it.skipIf(obstacle !== undefined)(
  `five hosts become one cluster, grow, and keep their roles through kills and a power cut${obstacle === undefined ? '' : ` (skipped: ${obstacle})`}`,
  async () => {
    await withLab({ name: 'main-job', nodes: 5 }, async (lab) => {
      const awaited = await lab.await('active', { timeoutMs: 240_000 * timeFactor })
      expect(awaited.lacking).toEqual([])
      const formed = await until(lab, 'one plan on all', 30, (said) => {
        const hashes = new Set(
          [...said.values()].map((status) => `${status.plan?.generation} ${status.plan?.hash}`),
        )
        return said.size === 5 && hashes.size === 1
      })
      expect(clustersOf(formed).size).toBe(1)

      const servers = [...formed].filter(([, status]) => status.assignment?.role === 'control-plane')
      expect(servers).toHaveLength(3)
      const members = (await etcdMembers(lab, servers[0]![0])) ?? []
      const started = members.filter((member) => (member.name ?? '') !== '' && member.isLearner !== true)
      expect(started).toHaveLength(3)
      expect(new Set(started.flatMap((member) => member.peerURLs))).toEqual(
        new Set(servers.map(([, status]) => `https://${status.assignment!.address4}:2380`)),
      )
      expect(await silentPairs(lab, formed)).toEqual([])

      const sixth = await lab.add()
      const grown = await until(
        lab,
        'the sixth host has an address',
        30,
        (said) => (said.get(sixth)?.assignment ?? null) !== null,
      )
      expect(grown.get(sixth)!.assignment!.role).toBe('worker')
      const addresses = [...grown.values()].map((status) => status.assignment?.address4)
      expect(new Set(addresses).size).toBe(addresses.length)

      const before = rolesOf(grown)
      for (const host of ['h1', 'h3']) {
        await lab.kill(host)
        await lab.start(host)
      }
      const killed = await until(
        lab,
        'killed agents are back',
        60,
        (said) => said.size === 6 && [...said.values()].every((one) => one.plan !== null),
      )
      expect(rolesOf(killed)).toEqual(before)

      for (const { name: host } of lab.hosts) await lab.cutPower(host)
      for (const { name: host } of lab.hosts) await lab.start(host)
      const returned = await until(
        lab,
        'all are back after the power cut',
        120,
        (said) =>
          said.size === 6 &&
          [...said.values()].every((one) => one.plan?.phase === 'active' && one.members.alive === 6),
      )
      expect(rolesOf(returned)).toEqual(before)
      expect(clustersOf(returned)).toEqual(clustersOf(formed))
    })
  },
)
