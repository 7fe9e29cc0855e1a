import { encodeGpt, isProtectiveMbr } from '../core/install/gpt.ts'
import type { DiskTarget } from '../core/ports.ts'
import { readPrimaryTable, readTable } from './inspect.ts'

/**
 * Makes the first partition table whole from its copy at the disk's end. An installation writes the copy first, when all
 * else is on the disk and was read back: a power cut between the two leaves a system that is complete, and that no firmware
 * finds. So does whatever overwrites the beginning of a disk. Whether there was something to repair.
 */
export async function repairTable(disk: DiskTarget): Promise<boolean> {
  const isWhole =
    (await readPrimaryTable(disk)) !== undefined && isProtectiveMbr(await disk.read(0, disk.sectorBytes))
  const table = isWhole ? undefined : await readTable(disk)
  if (table === undefined) return false
  const { protectiveMbr, primaryEntries, primaryHeader } = encodeGpt(table, disk)
  for (const batch of [[protectiveMbr, primaryEntries], [primaryHeader]]) {
    for (const { offset, bytes } of batch) await disk.write(offset, bytes)
    await disk.flush()
  }
  return true
}
