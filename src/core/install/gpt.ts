import { crc32 } from './crc32.ts'

// The GUID partition table (UEFI 2.10, chapter 5) with its protective MBR and its copy at the end of the disk.

/** One partition. */
export interface GptPartition {
  readonly name: string
  /** GUID of its type, lower case. */
  readonly type: string
  /** Its own GUID, lower case. */
  readonly id: string
  readonly firstLba: number
  /** Inclusive. */
  readonly lastLba: number
}

export interface Gpt {
  readonly diskId: string
  readonly partitions: readonly GptPartition[]
}

/** Where a piece of the table lies, and its bytes. */
export interface GptPiece {
  readonly offset: number
  readonly bytes: Uint8Array
}

/** The table as pieces, in the order in which they are to be written: the primary header makes the disk an installed one. */
export interface EncodedGpt {
  readonly backupEntries: GptPiece
  readonly backupHeader: GptPiece
  readonly protectiveMbr: GptPiece
  readonly primaryEntries: GptPiece
  readonly primaryHeader: GptPiece
}

/** Size of a disk, in bytes and in bytes of a sector. */
export interface DiskGeometry {
  readonly sizeBytes: number
  readonly sectorBytes: number
}

const entryCount = 128
const entryBytes = 128
const headerBytes = 92
const signature = 'EFI PART'

/** Sectors that the entries take. */
function entrySectors({ sectorBytes }: DiskGeometry): number {
  return Math.ceil((entryCount * entryBytes) / sectorBytes)
}

/** First and last sector that partitions may use. */
export function usableSectors(disk: DiskGeometry): { readonly first: number; readonly last: number } {
  const sectors = Math.floor(disk.sizeBytes / disk.sectorBytes)
  return { first: 2 + entrySectors(disk), last: sectors - 2 - entrySectors(disk) }
}

/** Encodes both copies of a table. */
export function encodeGpt(gpt: Gpt, disk: DiskGeometry): EncodedGpt {
  const { sectorBytes } = disk
  const lastLba = Math.floor(disk.sizeBytes / sectorBytes) - 1
  const entries = new Uint8Array(entrySectors(disk) * sectorBytes)
  for (const [index, partition] of gpt.partitions.entries()) {
    entries.set(encodeEntry(partition), index * entryBytes)
  }
  const entriesCrc = crc32(entries.subarray(0, entryCount * entryBytes))
  const header = (own: number, other: number, entriesLba: number): Uint8Array => {
    const sector = new Uint8Array(sectorBytes)
    const view = new DataView(sector.buffer)
    sector.set(new TextEncoder().encode(signature))
    view.setUint32(8, 0x00010000, true)
    view.setUint32(12, headerBytes, true)
    view.setBigUint64(24, BigInt(own), true)
    view.setBigUint64(32, BigInt(other), true)
    view.setBigUint64(40, BigInt(usableSectors(disk).first), true)
    view.setBigUint64(48, BigInt(usableSectors(disk).last), true)
    sector.set(encodeGuid(gpt.diskId), 56)
    view.setBigUint64(72, BigInt(entriesLba), true)
    view.setUint32(80, entryCount, true)
    view.setUint32(84, entryBytes, true)
    view.setUint32(88, entriesCrc, true)
    view.setUint32(16, crc32(sector.subarray(0, headerBytes)), true)
    return sector
  }
  const backupEntriesLba = lastLba - entrySectors(disk)
  const at = (lba: number, bytes: Uint8Array): GptPiece => ({ offset: lba * sectorBytes, bytes })
  return {
    backupEntries: at(backupEntriesLba, entries),
    backupHeader: at(lastLba, header(lastLba, 1, backupEntriesLba)),
    protectiveMbr: at(0, protectiveMbr(lastLba, sectorBytes)),
    primaryEntries: at(2, entries),
    primaryHeader: at(1, header(1, lastLba, 2)),
  }
}

/** Regions that hold a table's two copies: what must be erased so that a disk counts as not installed. */
export function tableRegions(
  disk: DiskGeometry,
): Readonly<Record<'primary' | 'backup', { readonly offset: number; readonly bytes: number }>> {
  const bytes = (2 + entrySectors(disk)) * disk.sectorBytes
  const sectors = Math.floor(disk.sizeBytes / disk.sectorBytes)
  return {
    primary: { offset: 0, bytes },
    backup: {
      offset: (sectors - 1 - entrySectors(disk)) * disk.sectorBytes,
      bytes: bytes - disk.sectorBytes,
    },
  }
}

/**
 * Reads a table from its header sector and its entries. Undefined where either is damaged: checksums, place, and
 * sizes are all checked.
 */
export function decodeGpt(header: Uint8Array, entries: Uint8Array, ownLba: number): Gpt | undefined {
  if (header.byteLength < headerBytes || entries.byteLength < entryCount * entryBytes) return undefined
  const view = new DataView(header.buffer, header.byteOffset, header.byteLength)
  if (new TextDecoder().decode(header.subarray(0, 8)) !== signature) return undefined
  // A copy: slice() of a Buffer is none.
  const unsealed = new Uint8Array(header.subarray(0, headerBytes))
  unsealed.fill(0, 16, 20)
  const intact =
    view.getUint32(12, true) === headerBytes &&
    crc32(unsealed) === view.getUint32(16, true) &&
    view.getBigUint64(24, true) === BigInt(ownLba) &&
    view.getUint32(80, true) === entryCount &&
    view.getUint32(84, true) === entryBytes &&
    crc32(entries.subarray(0, entryCount * entryBytes)) === view.getUint32(88, true)
  if (!intact) return undefined
  const partitions: GptPartition[] = []
  for (let index = 0; index < entryCount; index++) {
    const partition = decodeEntry(entries.subarray(index * entryBytes, (index + 1) * entryBytes))
    if (partition !== undefined) partitions.push(partition)
  }
  return { diskId: decodeGuid(header.subarray(56, 72)), partitions }
}

/** Where the primary header and entries lie. */
export function primaryTable(
  disk: DiskGeometry,
): Readonly<Record<'header' | 'entries', { offset: number; bytes: number }>> {
  return {
    header: { offset: disk.sectorBytes, bytes: disk.sectorBytes },
    entries: { offset: 2 * disk.sectorBytes, bytes: entrySectors(disk) * disk.sectorBytes },
  }
}

/** Whether a first sector says that the disk has a GPT: firmware looks for no table, nor for its copy, without that. */
export function isProtectiveMbr(sector: Uint8Array): boolean {
  const hasGpt = [446, 462, 478, 494].some((entry) => sector[entry + 4] === 0xee)
  return hasGpt && sector[510] === 0x55 && sector[511] === 0xaa
}

function encodeEntry({ name, type, id, firstLba, lastLba }: GptPartition): Uint8Array {
  const entry = new Uint8Array(entryBytes)
  const view = new DataView(entry.buffer)
  entry.set(encodeGuid(type), 0)
  entry.set(encodeGuid(id), 16)
  view.setBigUint64(32, BigInt(firstLba), true)
  view.setBigUint64(40, BigInt(lastLba), true)
  for (let index = 0; index < Math.min(name.length, 36); index++) {
    view.setUint16(56 + index * 2, name.charCodeAt(index), true)
  }
  return entry
}

function decodeEntry(entry: Uint8Array): GptPartition | undefined {
  const type = decodeGuid(entry.subarray(0, 16))
  if (/^[0-]+$/.test(type)) return undefined
  const view = new DataView(entry.buffer, entry.byteOffset, entry.byteLength)
  let name = ''
  for (let at = 56; at < entryBytes && view.getUint16(at, true) !== 0; at += 2) {
    name += String.fromCharCode(view.getUint16(at, true))
  }
  return {
    name,
    type,
    id: decodeGuid(entry.subarray(16, 32)),
    firstLba: Number(view.getBigUint64(32, true)),
    lastLba: Number(view.getBigUint64(40, true)),
  }
}

/** One partition of type EE over the whole disk keeps old tools away. */
function protectiveMbr(lastLba: number, sectorBytes: number): Uint8Array {
  const sector = new Uint8Array(sectorBytes)
  const view = new DataView(sector.buffer)
  sector.set([0x00, 0x00, 0x02, 0x00, 0xee, 0xff, 0xff, 0xff], 446)
  view.setUint32(454, 1, true)
  view.setUint32(458, Math.min(lastLba, 0xffffffff), true)
  view.setUint16(510, 0xaa55, true)
  return sector
}

/** Byte order of a GUID on disk: the first three groups are little endian. */
const guidOrder = [3, 2, 1, 0, 5, 4, 7, 6, 8, 9, 10, 11, 12, 13, 14, 15]

function encodeGuid(guid: string): Uint8Array {
  const digits = guid.replaceAll('-', '')
  return Uint8Array.from(guidOrder, (index) => Number.parseInt(digits.slice(index * 2, index * 2 + 2), 16))
}

function decodeGuid(bytes: Uint8Array): string {
  const digits = guidOrder.map((index) => (bytes[index] ?? 0).toString(16).padStart(2, '0')).join('')
  return digits.replace(/^(.{8})(.{4})(.{4})(.{4})(.{12})$/, '$1-$2-$3-$4-$5')
}
