// Proves on real firmware, loader and kernel that a bad image costs a machine three tries and nothing more: it is back on the good one
// by itself, says so and why, and never takes the bad one again.
import { expect, it } from 'vitest'
import type { HealthBaseline } from '../../src/core/install/records.ts'
import { timeFactor } from '../support/site.ts'
import { type VariantName, versionOf } from './support/images.ts'
import { mustExec, withVms } from './support/machines.ts'
import { isSkipped, skipNote } from './support/obstacle.ts'
import { prepareDisk } from './support/prepared-disk.ts'
import { becomesGood, upgrade } from './support/slots.ts'

/** A machine that was well among others: it had a link, somebody at its other end, and a k3s that was ready. */
const wellBefore: HealthBaseline = {
  agent: true,
  peers: '12D3KooWsomebody',
  k3sReady: true,
  links: 1,
  full: '',
}

/** What the console says at each try, and the reason that is kept. */
interface BadImage {
  readonly name: VariantName
  readonly what: string
  readonly baseline: HealthBaseline | null
  readonly sign: RegExp
  readonly reason: string
}

const badImages: readonly BadImage[] = [
  {
    name: 'panics',
    what: 'whose first program ends',
    baseline: null,
    sign: /Kernel panic - not syncing/g,
    reason: 'no boot of it was healthy',
  },
  {
    name: 'hangs',
    what: 'that hangs',
    baseline: null,
    sign: /this image hangs/g,
    reason: 'no boot of it was healthy',
  },
  {
    name: 'no-network',
    what: 'that never gets onto the network',
    baseline: wellBefore,
    sign: /this boot is not good: network: none of 1 machines known before is connected/g,
    reason: 'none of 1 machines known before is connected',
  },
  {
    name: 'no-k3s',
    what: 'whose k3s ends at once',
    baseline: { ...wellBefore, peers: '' },
    sign: /this boot is not good: k3s: k3s was ready before and is not yet/g,
    reason: 'k3s was ready before and is not yet',
  },
]

it.skipIf(isSkipped).each(badImages)(
  `an image $what is tried three times, and the machine is back on the good one${skipNote}`,
  async ({ name, baseline, sign, reason }) => {
    await withVms({ name: `bad-${name}`, nodes: 1, iso: '', start: false }, async (lab) => {
      await prepareDisk(lab.paths('m1').disk, 'a', name, baseline)
      await lab.start('m1')
      // Three boots of the bad image, and one of the good one.
      const boots = 3 + 1
      const { rejected } = await becomesGood(lab, 'm1', 'a', boots, 360)
      expect((await lab.status())[0]?.console.boots).toBe(boots)
      expect(lab.console('m1').match(sign)).toHaveLength(3)
      expect(rejected.map(({ version }) => version)).toEqual([versionOf(name)])
      const table = await mustExec(lab, 'm1', ['muster', 'slots'])
      process.stdout.write(table)
      const row = table.split('\n').find((line) => line.includes(versionOf(name)))
      expect(row).toContain(reason)

      const again = await upgrade(lab, 'm1', name)
      expect(again.code).not.toBe(0)
      expect(again.said).toContain('ERR_IMAGE_REJECTED')
    })
  },
  3_600_000 * timeFactor,
)
