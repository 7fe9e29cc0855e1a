// Proves on real agents and a real etcd that the cluster outlives its servers: one that dies while it makes the cluster,
// and one that dies for good afterwards. Both come back with old data on their disks, and none makes a second etcd.
import { existsSync, readdirSync } from 'node:fs'
import { join } from 'node:path'
import { expect, it } from 'vitest'
import { callAgent } from '../../src/agent/api/client.ts'
import type { PlanResource, StatusResource } from '../../src/agent/api/resources.ts'
import type { Lab } from '../../src/lab/lab.ts'
import { type Said, clustersOf, timeFactor, until, withLab } from '../support/site.ts'
import { labConfig } from './support/config.ts'
import { oneEtcd, readEtcd } from './support/etcd.ts'
import { isSkipped, skipNote } from './support/obstacle.ts'
import { Witness } from './support/witness.ts'

/** The protocol's times, short enough for a test: a stalled initialiser and a dead server are given up soon. */
const timers = (): string =>
  ['init_timeout: 15s', 'boot_grace: 10s', 'dead_after: 20s', 'promote_after: 5s']
    .map((timer) => timer.replace(/\d+/, (seconds) => `${Math.round(Number(seconds) * timeFactor)}`))
    .join(', ')

it.skipIf(isSkipped)(
  `another team takes over from a dead initialiser, and a worker from a dead server${skipNote}`,
  async () => {
    const config = labConfig('{expect: 5}', `  timers: {${timers()}}\n`)
    await withLab({ name: 'initialiser', nodes: 5, config }, async (lab) => {
      const witness = new Witness(lab, { rolesMayChange: true })
      await dieWhileInitialising(lab, witness)
      await dieForGood(lab, witness)
      expect(witness.clusters).toHaveLength(1)
    })
  },
)

async function dieWhileInitialising(lab: Lab, witness: Witness): Promise<void> {
  await until(lab, 'granted', 60, (said) => said.size === 5 && all(said, 'granted'))
  const before = await planOf(lab, 'h1')
  const first = hostOf(await witness.look(), before.grant!.team[0]!)
  // It dies with a cluster of its own on its disk: an etcd that answers, of which others may be members already.
  const oldEtcd = await eventually('the first etcd answers', 60, async () => {
    expect((await planOf(lab, first)).summary.phase).toBe('granted')
    return (await readEtcd(lab, first))?.clusterId
  })
  await lab.cutPower(first)
  expect(existsSync(etcdData(lab, first))).toBe(true)

  const survivors = lab.hosts.map(({ name }) => name).filter((name) => name !== first)
  await until(lab, 'active without the first', 240, (said) => all(said, 'active', survivors))
  const after = await planOf(lab, survivors[0]!)
  expect(after.grant!.number).toBeGreaterThan(before.grant!.number)
  expect(after.grant!.team[0]).not.toBe(before.grant!.team[0])
  expect(after.grant!.team.toSorted()).not.toEqual(before.grant!.team.toSorted())
  const newEtcd = await oneEtcd(lab, await witness.look())
  expect(newEtcd).not.toBe(oldEtcd)

  await lab.start(first)
  const back = await eventually('the first is back', 120, async () => {
    const said = await witness.look()
    const etcd = await readEtcd(lab, first)
    expect(etcd?.clusterId ?? newEtcd, 'the first serves its old data').toBe(newEtcd)
    return isReady(said.get(first)) ? said : undefined
  })
  expect(clustersOf(back).size).toBe(1)
  expect(back.get(first)!.plan).toEqual(back.get(survivors[0]!)!.plan)
  expect(await oneEtcd(lab, back)).toBe(newEtcd)
  expect(backupsOf(lab, first), 'its old data were put aside').not.toEqual([])
}

async function dieForGood(lab: Lab, witness: Witness): Promise<void> {
  const formed = await witness.look()
  const clusterBefore = await oneEtcd(lab, formed)
  const [victim] = [...formed].find(([, status]) => status.assignment?.role === 'control-plane')!
  const workers = hostsOf(formed, 'worker')
  await lab.cutPower(victim)

  const replaced = await eventually('a worker is promoted', 180, async () => {
    const said = await witness.look()
    const settled = said.size === 4 && hostsOf(said, 'control-plane').length === 3
    return settled ? said : undefined
  })
  const [promoted] = hostsOf(replaced, 'control-plane').filter((host) => workers.includes(host))
  expect(workers).toContain(promoted)
  expect(await oneEtcd(lab, replaced, 120)).toBe(clusterBefore)

  await lab.start(victim)
  const whole = await eventually('the dead server is back as a worker', 120, async () => {
    const said = await witness.look()
    return said.get(victim)?.assignment?.role === 'worker' && isReady(said.get(victim)) ? said : undefined
  })
  expect(await oneEtcd(lab, whole)).toBe(clusterBefore)
  expect(clustersOf(whole).size).toBe(1)
  expect(backupsOf(lab, victim), 'its old data were put aside').not.toEqual([])
}

function all(said: Said, phase: string, hosts: readonly string[] = [...said.keys()]): boolean {
  return hosts.every((host) => said.get(host)?.plan?.phase === phase)
}

function isReady(status: StatusResource | undefined): boolean {
  const ready = status?.conditions.find(({ type }) => type === 'K3sReady')?.status === 'true'
  return ready && status?.plan?.phase === 'active'
}

function hostsOf(said: Said, role: string): readonly string[] {
  return [...said].flatMap(([host, { assignment }]) => (assignment?.role === role ? [host] : []))
}

function hostOf(said: Said, nodeId: string): string {
  return [...said].find(([, status]) => status.nodeId === nodeId)![0]
}

function planOf(lab: Lab, host: string): Promise<PlanResource> {
  return callAgent<PlanResource>(lab.socket(host), 'GET', '/v1/plan')
}

function k3sDirectory(lab: Lab, host: string): string {
  return join(lab.hosts.find(({ name }) => name === host)!.root, 'var/lib/rancher/k3s')
}

function etcdData(lab: Lab, host: string): string {
  return join(k3sDirectory(lab, host), 'server/db/etcd/member/wal')
}

/** Dated backups of a server's data. */
function backupsOf(lab: Lab, host: string): readonly string[] {
  return readdirSync(k3sDirectory(lab, host)).filter((name) => name.startsWith('server.backup-'))
}

async function eventually<T>(what: string, seconds: number, look: () => Promise<T | undefined>): Promise<T> {
  const end = performance.now() + seconds * 1_000 * timeFactor
  for (;;) {
    const found = await look()
    if (found !== undefined) return found
    if (performance.now() > end) throw new Error(`${what}: not after ${seconds} s`)
    await new Promise((resolve) => setTimeout(resolve, 200))
  }
}
