// Proves the whole way on real firmware, kernel, disk and network interfaces: three machines boot one and the same ISO, install
// themselves, become one cluster with three voters, and are who they were after all lose power at once.
import { readFileSync } from 'node:fs'
import { expect, it } from 'vitest'
import type { VmLab } from '../../src/lab/vm/vm-lab.ts'
import { oneEtcdAt } from '../lab/support/etcd.ts'
import { rolesOf, type Said, silentPairs, timeFactor } from '../support/site.ts'
import { isoOf } from './support/images.ts'
import { etcdSiteOf, mustExec, reached, vmStatuses, vmUntil, withVms } from './support/machines.ts'
import { isSkipped, skipNote } from './support/obstacle.ts'

const names = ['m1', 'm2', 'm3']

it.skipIf(isSkipped)(
  `three machines from one ISO become a cluster and outlive a power cut${skipNote}`,
  async () => {
    await withVms({ name: 'three', nodes: 3, iso: isoOf('a') }, async (lab) => {
      const startedAt = performance.now()
      expect(isosOf(lab)).toEqual(names.map(() => lab.state.settings.iso))
      await reached(lab, 'chartered', 240)
      report('chartered', startedAt)
      await reached(lab, 'active', 240)
      report('active', startedAt)
      const before = await threeServers(lab)
      report('three voters', startedAt)
      expect(await silentPairs(lab, before)).toEqual([])
      const etcd = await oneEtcdAt(etcdSiteOf(lab), before, 600 * timeFactor)
      await expectInstalled(lab, 2)

      await lab.cutAll()
      expect((await lab.status()).map(({ power }) => power)).toEqual(names.map(() => 'off'))
      const cutAt = performance.now()
      for (const name of names) await lab.start(name)
      await reached(lab, 'ready', 360)
      report('ready again', cutAt)
      const after = await settled(lab)
      expect(rolesOf(after)).toEqual(rolesOf(before))
      expect([...after.values()].map(({ plan }) => plan?.generation)).toEqual(
        [...before.values()].map(({ plan }) => plan?.generation),
      )
      expect(await oneEtcdAt(etcdSiteOf(lab), after, 600 * timeFactor)).toBe(etcd)
      expect(await silentPairs(lab, after)).toEqual([])
      // The ISO was in the drive all the time, and the disk was booted.
      await expectInstalled(lab, 3)
    })
  },
)

/** All three are servers by one plan, and ready. */
async function threeServers(lab: VmLab): Promise<Said> {
  return vmUntil(lab, 'three servers that are ready', 360, async () => {
    const said = await vmStatuses(lab)
    const plans = new Set([...said.values()].map(({ plan }) => `${plan?.generation} ${plan?.hash}`))
    const servers = [...said.values()].filter(
      ({ assignment, conditions }) =>
        assignment?.role === 'control-plane' &&
        conditions.some(({ type, status }) => type === 'K3sReady' && status === 'true'),
    )
    return servers.length === names.length && plans.size === 1 ? said : undefined
  })
}

/** All three hold one plan and answer at once. */
async function settled(lab: VmLab): Promise<Said> {
  return vmUntil(lab, 'one plan on all', 60, async () => {
    const said = await vmStatuses(lab)
    const plans = new Set([...said.values()].map(({ plan }) => `${plan?.generation} ${plan?.hash}`))
    return said.size === names.length && plans.size === 1 ? said : undefined
  })
}

/** Each runs from its own disk, as itself, and has booted so often. */
async function expectInstalled(lab: VmLab, boots: number): Promise<void> {
  const ids = new Set<string>()
  for (const name of names) {
    const boot = JSON.parse(await mustExec(lab, name, ['cat', '/run/muster/boot.json'])) as { mode: string }
    expect(boot.mode).toBe('installed')
    ids.add((await mustExec(lab, name, ['cat', '/etc/machine-id'])).trim())
  }
  expect(ids.size).toBe(names.length)
  expect((await lab.status()).map(({ console }) => console.boots)).toEqual(names.map(() => boots))
}

/** The ISO that each QEMU really has, by its command line. */
function isosOf(lab: VmLab): string[] {
  return lab.machines.map(({ process }) => {
    const words = readFileSync(`/proc/${process?.pid}/cmdline`, 'utf8').split('\0')
    return words.flatMap((word) => /id=iso,.*file=([^,]+)/.exec(word)?.[1] ?? []).join(' ')
  })
}

function report(what: string, startedAt: number): void {
  process.stdout.write(`${what} after ${((performance.now() - startedAt) / 1_000).toFixed(1)} s\n`)
}
