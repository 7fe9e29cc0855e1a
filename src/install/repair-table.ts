import type { GptPiece } from '../core/install/gpt.ts'
import { encodeGpt } from '../core/install/gpt.ts'
import type { DiskTarget } from '../core/ports.ts'
import { readTable } from './inspect.ts'

/**
 * Makes the first partition table whole from its copy at the disk's end. An installation writes the copy first, when all
 * else is on the disk and was read back: a power cut between the two leaves a system that is complete, and that no firmware
 * finds. Only sectors that such a cut leaves empty are written: where anything else lies, another system may have taken the
 * disk and left the old copy behind. Whether there was something to repair, and it is repaired.
 */
export async function repairTable(disk: DiskTarget): Promise<boolean> {
  const table = await readTable(disk)
  if (table === undefined) return false
  const { protectiveMbr, primaryEntries, primaryHeader } = encodeGpt(table, disk)
  const states = await Promise.all(
    [protectiveMbr, primaryEntries, primaryHeader].map((piece) => compare(disk, piece)),
  )
  if (states.includes('foreign') || !states.includes('unwritten')) return false
  for (const batch of [[protectiveMbr, primaryEntries], [primaryHeader]]) {
    for (const { offset, bytes } of batch) await disk.write(offset, bytes)
    await disk.flush()
  }
  return true
}

/** What is in the place of a piece: the piece, part of it with zeroes where sectors are missing, or something else. */
async function compare(
  disk: DiskTarget,
  { offset, bytes }: GptPiece,
): Promise<'whole' | 'unwritten' | 'foreign'> {
  const found = await disk.read(offset, bytes.byteLength)
  let state: 'whole' | 'unwritten' = 'whole'
  for (let at = 0; at < bytes.byteLength; at += disk.sectorBytes) {
    const sector = found.subarray(at, at + disk.sectorBytes)
    if (Buffer.compare(sector, bytes.subarray(at, at + disk.sectorBytes)) === 0) continue
    if (sector.some((byte) => byte !== 0)) return 'foreign'
    state = 'unwritten'
  }
  return state
}
