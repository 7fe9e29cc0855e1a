// Proves on real firmware, loader and kernel that a bad image costs a machine three tries and nothing more: it is back on the good one
// by itself, says so, and never takes the bad one again.
import { expect, it } from 'vitest'
import { timeFactor } from '../support/site.ts'
import { versionOf } from './support/images.ts'
import { mustExec, withVms } from './support/machines.ts'
import { isSkipped, skipNote } from './support/obstacle.ts'
import { prepareDisk } from './support/prepared-disk.ts'
import { becomesGood, upgrade } from './support/slots.ts'

it.skipIf(isSkipped)(
  `an image whose first program ends is tried three times, and the machine is back on the good one${skipNote}`,
  async () => {
    await withVms({ name: 'bad', nodes: 1, iso: '', start: false }, async (lab) => {
      await prepareDisk(lab.paths('m1').disk, 'a', 'panics')
      await lab.start('m1')
      // Three boots of the bad image, and one of the good one.
      const boots = 3 + 1
      const { rejected } = await becomesGood(lab, 'm1', 'a', boots, 360)
      expect((await lab.status())[0]?.console.boots).toBe(boots)
      expect(lab.console('m1').match(/Kernel panic - not syncing/g)).toHaveLength(3)
      expect(rejected.map(({ version }) => version)).toEqual([versionOf('panics')])
      const table = await mustExec(lab, 'm1', ['muster', 'slots'])
      process.stdout.write(table)
      const row = table.split('\n').find((line) => line.includes(versionOf('panics')))
      expect(row).toContain('no boot of it was healthy')

      const again = await upgrade(lab, 'm1', 'panics')
      expect(again.code).not.toBe(0)
      expect(again.said).toContain('ERR_IMAGE_REJECTED')
    })
  },
  3_600_000 * timeFactor,
)
