import { tableRegions } from '../core/install/gpt.ts'
import { edgeBytes } from '../core/install/partitions.ts'
import type { DiskRegion, DiskTarget } from '../core/ports.ts'

/**
 * Erases both copies of the partition table. Nothing else of the disk may be written before this resolves: cut short, it leaves
 * the old table, which may come back whole, or none. Throws ERR_DISK.
 *
 * Each region is durable before the next one goes. The copy is first: where another system has taken the disk, it is what is left
 * of an installation before, and an empty beginning would bring it back. The first sector is second: alone, it looks like
 * the table of another system, and the medium would keep away from the disk for ever.
 */
export async function eraseTables(disk: DiskTarget): Promise<void> {
  const { primary, backup } = tableRegions(disk)
  const { sectorBytes } = disk
  const firstSector = { offset: primary.offset, bytes: sectorBytes }
  const rest = { offset: primary.offset + sectorBytes, bytes: primary.bytes - sectorBytes }
  for (const region of [backup, firstSector, rest]) await erase(disk, region)
}

/**
 * Erases what marks the whole device as a file system or a member of something: it lies before and behind all partitions, where an
 * installation writes nothing, and would make the installed disk another system's. Call it when no table is left. Throws ERR_DISK.
 */
export async function eraseSignatures(disk: DiskTarget): Promise<void> {
  const end = Math.floor(disk.sizeBytes / disk.sectorBytes) * disk.sectorBytes
  await erase(disk, { offset: 0, bytes: edgeBytes })
  await erase(disk, { offset: end - edgeBytes, bytes: edgeBytes })
}

async function erase(disk: DiskTarget, { offset, bytes }: DiskRegion): Promise<void> {
  await disk.write(offset, new Uint8Array(bytes))
  await disk.flush()
}
