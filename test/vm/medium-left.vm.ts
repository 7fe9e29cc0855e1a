// Proves what a medium does that was left in a machine: it mends a first partition table that is gone, as a power cut at the end of an
// installation leaves it, and installs nothing anew; and it gives the machine back to its disk as often as the firmware starts the
// medium, since the installed system counts from the beginning each time.
import { closeSync, openSync, writeSync } from 'node:fs'
import { expect, it } from 'vitest'
import { tableRegions } from '../../src/core/install/gpt.ts'
import { isoOf } from './support/images.ts'
import { mustExec, reached, vmUntil, withVms } from './support/machines.ts'
import { isSkipped, skipNote } from './support/obstacle.ts'
import { restart } from './support/slots.ts'

it.skipIf(isSkipped)(
  `a medium left in a machine mends its partition table, and gives it back each time${skipNote}`,
  async () => {
    await withVms({ name: 'medium-left', nodes: 1, iso: isoOf('a') }, async (lab) => {
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
      const started = (boots: number): Promise<true> =>
        vmUntil(lab, `the disk is started, after ${boots} boots`, 240, async () => {
          const [seen] = await lab.status()
          return seen?.console.boots === boots && seen.console.stage === 'installed' ? true : undefined
        })
      await started(4)
      expect(await machineId()).toBe(before)

      // The firmware starts the medium next, three times: once more than it may give the machine back in a row.
      for (const boots of [6, 8, 10]) {
        const entry = "efibootmgr | sed -n 's/^Boot\\([0-9A-F]*\\).*CD-ROM.*/\\1/p' | head -n 1"
        const startMedium = `n=$(${entry}); [ -n "$n" ] && efibootmgr --quiet --bootnext "$n"`
        await mustExec(lab, 'm1', ['sh', '-c', startMedium])
        await restart(lab, 'm1')
        await started(boots)
        expect(await machineId()).toBe(before)
        // Four bytes of attributes, then the count.
        const count = await vmUntil(lab, 'the count begins anew', 240, async () => {
          const read = 'od -An -tu4 -j4 /sys/firmware/efi/efivars/MusterHandovers-*'
          const said = (await mustExec(lab, 'm1', ['sh', '-c', read])).trim()
          return said === '0' ? said : undefined
        })
        expect(count).toBe('0')
      }
    })
  },
)
