import type { DiskGeometry, Gpt, GptPiece } from './gpt.ts'
import { decodeGpt, encodeGpt, isProtectiveMbr } from './gpt.ts'

// Whose a disk is, as far as its partition table says so. The copy at its end outlives whoever takes the disk later: it counts only
// where nothing else lies at the beginning.

/** What both ends of a disk say of its partition table. */
export type FoundTable =
  /** No copy of a table can be read. */
  | { readonly kind: 'none' }
  /** The first copy is whole, and the first sector leads to it. */
  | { readonly kind: 'whole'; readonly table: Gpt }
  /**
   * Parts of the beginning are missing, and nothing else lies in their place: a power cut leaves this. `missing` makes it whole:
   * batches, each to be durable before the next one.
   */
  | { readonly kind: 'cut'; readonly table: Gpt; readonly missing: readonly (readonly GptPiece[])[] }
  /** A copy can be read, and something else lies at the beginning: another system took the disk and left the copy behind. */
  | { readonly kind: 'stale'; readonly table: Gpt }

/** Both ends of a disk: the bytes of its `tableRegions`. */
export interface TableBytes {
  readonly primary: Uint8Array
  readonly backup: Uint8Array
}

/** Looks for a table at both ends of a disk. */
export function findTable({ primary, backup }: TableBytes, disk: DiskGeometry): FoundTable {
  const { sectorBytes } = disk
  const first = decodeGpt(
    primary.subarray(sectorBytes, 2 * sectorBytes),
    primary.subarray(2 * sectorBytes),
    1,
  )
  if (first !== undefined && isProtectiveMbr(primary.subarray(0, sectorBytes)))
    return { kind: 'whole', table: first }
  const lastLba = Math.floor(disk.sizeBytes / sectorBytes) - 1
  const table = first ?? decodeGpt(backup.subarray(-sectorBytes), backup.subarray(0, -sectorBytes), lastLba)
  if (table === undefined) return { kind: 'none' }
  const { protectiveMbr, primaryEntries, primaryHeader } = encodeGpt(table, disk)
  // A first copy that can be read stays as it is: partitioners write parts of it otherwise than we do.
  const batches = first === undefined ? [[protectiveMbr, primaryEntries], [primaryHeader]] : [[protectiveMbr]]
  const missing = batches.map((batch) =>
    batch.filter((piece) => comparePiece(primary, piece, sectorBytes) !== 'whole'),
  )
  const isForeign = missing.flat().some((piece) => comparePiece(primary, piece, sectorBytes) === 'foreign')
  if (isForeign) return { kind: 'stale', table }
  return { kind: 'cut', table, missing: missing.filter((batch) => batch.length > 0) }
}

/** What is in the place of a piece: the piece, part of it with zeroes where sectors are missing, or something else. */
function comparePiece(
  disk: Uint8Array,
  { offset, bytes }: GptPiece,
  sectorBytes: number,
): 'whole' | 'unwritten' | 'foreign' {
  let state: 'whole' | 'unwritten' = 'whole'
  for (let at = 0; at < bytes.byteLength; at += sectorBytes) {
    const found = disk.subarray(offset + at, offset + at + sectorBytes)
    const wanted = bytes.subarray(at, at + sectorBytes)
    if (found.every((byte, index) => byte === wanted[index])) continue
    if (found.some((byte) => byte !== 0)) return 'foreign'
    state = 'unwritten'
  }
  return state
}
