// Proves that a machine whose slots have rotted, years after its image was found good, comes to its recovery system by itself, lets in who
// could come in before, and is mended from there.
import { closeSync, openSync, readSync, writeSync } from 'node:fs'
import { expect, it } from 'vitest'
import { decodeGpt, primaryTable } from '../../src/core/install/gpt.ts'
import { partitionNames } from '../../src/core/install/layout.ts'
import type { VmLab } from '../../src/lab/vm/vm-lab.ts'
import { timeFactor } from '../support/site.ts'
import { isoOf } from './support/images.ts'
import { mustExec, vmUntil, withVms } from './support/machines.ts'
import { isSkipped, skipNote } from './support/obstacle.ts'
import { becomesGood, restart, upgrade } from './support/slots.ts'

it.skipIf(isSkipped)(
  `a machine whose slots have rotted starts its recovery, and is mended from there${skipNote}`,
  async () => {
    await withVms({ name: 'recovery', nodes: 1, iso: isoOf('a') }, async (lab) => {
      await becomesGood(lab, 'm1', 'a', 2)
      const machineId = (await mustExec(lab, 'm1', ['cat', '/etc/machine-id'])).trim()
      await lab.cut('m1')
      rot(lab, 'm1')
      await lab.start('m1')

      const mode = await vmUntil(lab, 'the recovery runs', 240, () =>
        mustExec(lab, 'm1', ['cat', '/run/muster/boot.json']).catch(() => undefined),
      )
      expect(JSON.parse(mode)).toMatchObject({ mode: 'recovery', partition: 'muster-recovery' })
      expect(lab.console('m1')).toContain('was known to be good: it has one more try')
      expect((await mustExec(lab, 'm1', ['cat', '/etc/machine-id'])).trim()).toBe(machineId)
      // The configuration of the machine itself.
      expect(await mustExec(lab, 'm1', ['ls', '/etc/muster'])).toContain('40_')

      expect(await upgrade(lab, 'm1', 'b')).toMatchObject({ code: 0 })
      await restart(lab, 'm1')
      // Installation, image A, two starts that fail, the recovery, image B.
      await becomesGood(lab, 'm1', 'b', 6)
      expect((await mustExec(lab, 'm1', ['cat', '/etc/machine-id'])).trim()).toBe(machineId)
    })
  },
  3_600_000 * timeFactor,
)

/** Overwrites the first block of slot A: the kernel does not verify it any more. Slot B is empty. */
function rot(lab: VmLab, machine: string): void {
  const geometry = { sizeBytes: lab.state.settings.diskBytes, sectorBytes: 512 }
  const disk = openSync(lab.paths(machine).disk, 'r+')
  try {
    const at = ({ offset, bytes }: { offset: number; bytes: number }): Buffer => {
      const found = Buffer.alloc(bytes)
      readSync(disk, found, 0, bytes, offset)
      return found
    }
    const { header, entries } = primaryTable(geometry)
    const table = decodeGpt(at(header), at(entries), 1)
    const slot = table?.partitions.find(({ name }) => name === partitionNames.slotA)
    if (slot === undefined) throw new Error('there is no slot a')
    writeSync(disk, Buffer.alloc(4_096, 0x5a), 0, 4_096, slot.firstLba * geometry.sectorBytes)
  } finally {
    closeSync(disk)
  }
}
