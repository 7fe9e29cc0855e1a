import type { DiskTarget } from '../core/ports.ts'
import { lookForTable } from './inspect.ts'

/**
 * Makes the first partition table whole from its copy at the disk's end. An installation writes the copy first, when all
 * else is on the disk and was read back: a power cut between the two leaves a system that is complete, and that no firmware
 * finds. Only sectors that such a cut leaves empty are written: where anything else lies, another system may have taken the
 * disk and left the old copy behind. Whether there was something to repair, and it is repaired.
 */
export async function repairTable(disk: DiskTarget): Promise<boolean> {
  const found = await lookForTable(disk)
  if (found.kind !== 'cut') return false
  for (const batch of found.missing) {
    for (const { offset, bytes } of batch) await disk.write(offset, bytes)
    await disk.flush()
  }
  return true
}
