// Proves on real agents what may and what may not found a cluster: partitions at birth, surplus machines, and `auto`.
import { expect, it } from 'vitest'
import type { StatusResource } from '../../src/agent/api/resources.ts'
import type { Lab } from '../../src/lab/lab.ts'
import { parsePartition } from '../../src/lab/network-faults.ts'
import { type Said, clustersOf, statuses, timeFactor, until, withLab } from '../support/site.ts'
import { labConfig } from './support/config.ts'
import { oneEtcd } from './support/etcd.ts'
import { isSkipped, skipNote } from './support/obstacle.ts'

it.skipIf(isSkipped)(
  `neither side of a birth partition founds a cluster; both say why; healed, one does${skipNote}`,
  async () => {
    await withLab({ name: 'birth', nodes: 5, startAgents: false }, async (lab) => {
      await lab.partition(parsePartition(['h1,h2 / h3,h4,h5']))
      for (const { name } of lab.hosts) await lab.start(name)
      const explained = (said: Said): boolean =>
        said.size === 5 && [...said].every(([host, status]) => saysWhy(status, sideOf(host)))
      await until(lab, 'both sides say why', 60, explained)
      await holds(lab, 15, (said) => {
        expect(clustersOf(said).size).toBe(0)
        for (const [host, status] of said) expect(status.waiting[0]).toMatchObject(whyOf(sideOf(host)))
        expect(explained(said)).toBe(true)
      })
      await lab.heal()
      const healed = await until(lab, 'one active cluster', 240, (said) => all(said, 5, 'active'))
      expect(clustersOf(healed).size).toBe(1)
      await oneEtcd(lab, healed)
    })
  },
)

it.skipIf(isSkipped)(
  `ten machines that know each other refuse to found one for three, and all say why${skipNote}`,
  async () => {
    const delaySeconds = Math.round(40 * timeFactor)
    const config = labConfig(`{expect: 3, delay: ${delaySeconds}s}`)
    await withLab({ name: 'crowd', nodes: 10, k3s: '', config }, async (lab) => {
      const startedAt = performance.now()
      const explained = (said: Said): boolean =>
        said.size === 10 && [...said.values()].every((status) => refusesCrowd(status, 10))
      await until(lab, 'all know all and say why', 60, explained)
      const knownAfterMs = performance.now() - startedAt
      expect(knownAfterMs, 'voting was enabled before all knew all').toBeLessThan(delaySeconds * 1_000)
      // Voting is enabled meanwhile, and nobody votes.
      await holds(lab, (delaySeconds * 1_000 - knownAfterMs) / 1_000 / timeFactor + 15, (said) => {
        expect(clustersOf(said).size).toBe(0)
        expect(explained(said)).toBe(true)
      })
      const { stdout } = await lab.exec('h1', ['muster', 'why'])
      expect(stdout).toMatch(/`?expect: 3`? is set, but 10 identities with this token were seen/)
    })
  },
)

it.skipIf(isSkipped)(
  `auto founds one cluster of five, and says what it does not promise${skipNote}`,
  async () => {
    const config = labConfig('{auto: true}', '  timers: {settle: 8s}\n')
    await withLab({ name: 'auto', nodes: 5, k3s: '', config }, async (lab) => {
      await until(lab, 'agents speak', 30, (said) => said.size === 5)
      const { stdout } = await lab.exec('h1', ['muster', 'why'])
      expect(stdout).toContain('a bet on time')
      const said = await until(lab, 'chartered', 120, (now) => all(now, 5))
      expect(clustersOf(said).size).toBe(1)
    })
  },
)

/** Machines on a host's side of the partition. */
function sideOf(host: string): number {
  return host === 'h1' || host === 'h2' ? 2 : 3
}

/** What a side of so many machines waits for. The others were never heard of, so they can only be counted. */
function whyOf(side: number): object {
  const message = `Waiting for machines (expect: 5): ${side} of 5 are here; ${5 - side} never heard of.`
  return { for: 'machines', have: side, need: 5, missing: [`${5 - side} unknown`], message }
}

function saysWhy({ waiting }: StatusResource, side: number): boolean {
  return waiting[0]?.for === 'machines' && waiting[0].have === side
}

function refusesCrowd({ conditions }: StatusResource, seen: number): boolean {
  return conditions.some(
    ({ type, status, reason, message, hint }) =>
      type === 'Chartered' &&
      status === 'false' &&
      reason === 'TooManyIdentities' &&
      message.includes(`is set, but ${seen} identities with this token were seen`) &&
      message.includes('two clusters could be made, so this node does not vote') &&
      hint.startsWith('Correct the number on all machines'),
  )
}

function all(said: Said, count: number, phase?: string): boolean {
  return (
    said.size === count &&
    [...said.values()].every(({ plan }) => plan !== null && (phase === undefined || plan.phase === phase))
  )
}

/** Looks again and again for so long (scaled), at every agent each time. */
async function holds(lab: Lab, seconds: number, check: (said: Said) => void): Promise<void> {
  const end = performance.now() + seconds * 1_000 * timeFactor
  while (performance.now() < end) {
    check(await statuses(lab))
    await new Promise((resolve) => setTimeout(resolve, 500))
  }
}
