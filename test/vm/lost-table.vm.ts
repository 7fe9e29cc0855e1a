// Proves that a machine whose first partition table is gone, as a power cut at the end of an installation leaves it, is started from
// its disk again by the medium that is in it: the table is made whole from its copy, and nothing is installed anew.
import { closeSync, openSync, writeSync } from 'node:fs'
import { expect, it } from 'vitest'
import { tableRegions } from '../../src/core/install/gpt.ts'
import { isoOf } from './support/images.ts'
import { mustExec, reached, vmUntil, withVms } from './support/machines.ts'
import { isSkipped, skipNote } from './support/obstacle.ts'

it.skipIf(isSkipped)(
  `a machine that lost its first partition table starts again by itself${skipNote}`,
  async () => {
    await withVms({ name: 'lost-table', nodes: 1, iso: isoOf('a') }, async (lab) => {
      await reached(lab, 'installed', 240)
      const machineId = (): Promise<string> =>
        vmUntil(lab, 'the machine answers', 240, () =>
          mustExec(lab, 'm1', ['cat', '/etc/machine-id']).catch(() => undefined),
        )
      const before = await machineId()
      await lab.cut('m1')
      const { primary } = tableRegions({ sizeBytes: lab.state.settings.diskBytes, sectorBytes: 512 })
      const disk = openSync(lab.paths('m1').disk, 'r+')
      writeSync(disk, new Uint8Array(primary.bytes), 0, primary.bytes, primary.offset)
      closeSync(disk)
      await lab.start('m1')
      await vmUntil(lab, 'the table is made whole', 240, () =>
        lab.console('m1').includes('was not whole: it was written anew from its copy') ? true : undefined,
      )
      await vmUntil(lab, 'the disk is started', 240, async () => {
        const [seen] = await lab.status()
        return seen?.console.boots === 4 && seen.console.stage === 'installed' ? true : undefined
      })
      expect(await machineId()).toBe(before)
    })
  },
)
