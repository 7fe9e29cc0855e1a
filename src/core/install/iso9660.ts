// Reads just enough of ISO 9660 (ECMA-119) to find a file: the volume descriptor and directory records. Names are those
// of Rock Ridge where it has them, else the plain ones without version.

const sectorBytes = 2_048

/** Reads exactly so many bytes of a medium, or undefined where it is shorter. */
export type ReadMedium = (offset: number, bytes: number) => Uint8Array | undefined

/** Where a file lies on a medium. */
export interface IsoFile {
  readonly path: string
  readonly offset: number
  readonly bytes: number
}

/** Directories nest no deeper than this on a medium of ours; a damaged one must not keep us reading. */
const depthMax = 8
/** Largest directory, in bytes. */
const directoryBytesMax = 1_024 * 1_024

/** All files of an ISO 9660 file system, or undefined where the medium holds none. */
export function readIsoFiles(read: ReadMedium): readonly IsoFile[] | undefined {
  // Descriptors begin at sector 16; the first is the primary one on every medium that we know.
  const volume = read(16 * sectorBytes, sectorBytes)
  if (volume === undefined || volume[0] !== 1 || plainText(volume.subarray(1, 6)) !== 'CD001')
    return undefined
  const top = recordAt(volume, 156)
  return top === undefined ? undefined : filesBelow(read, top, '', 0)
}

interface DirectoryRecord {
  readonly name: string
  readonly isDirectory: boolean
  readonly extent: number
  readonly bytes: number
  readonly length: number
}

function filesBelow(
  read: ReadMedium,
  directory: DirectoryRecord,
  prefix: string,
  depth: number,
): readonly IsoFile[] | undefined {
  if (depth > depthMax || directory.bytes > directoryBytesMax) return undefined
  const content = read(directory.extent * sectorBytes, directory.bytes)
  if (content === undefined) return undefined
  const files: IsoFile[] = []
  for (let at = 0; at < content.length;) {
    // A record never crosses a sector: a zero fills the rest of one.
    if (content[at] === 0) {
      at = (Math.floor(at / sectorBytes) + 1) * sectorBytes
      continue
    }
    const record = recordAt(content, at)
    if (record === undefined) return undefined
    at += record.length
    // The first two are the directory itself and the one above.
    if (record.name === '\0' || record.name === '\u0001') continue
    const path = `${prefix}${record.name}`
    if (!record.isDirectory) {
      files.push({ path, offset: record.extent * sectorBytes, bytes: record.bytes })
      continue
    }
    const below = filesBelow(read, record, `${path}/`, depth + 1)
    if (below === undefined) return undefined
    files.push(...below)
  }
  return files
}

/** A directory record (ECMA-119, 9.1); undefined where it is damaged. */
function recordAt(bytes: Uint8Array, at: number): DirectoryRecord | undefined {
  const length = bytes[at] ?? 0
  const nameLength = bytes[at + 32] ?? 0
  if (length < 34 || at + length > bytes.length || 33 + nameLength > length) return undefined
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength)
  const plain = plainText(bytes.subarray(at + 33, at + 33 + nameLength))
  const systemUse = bytes.subarray(at + 33 + nameLength + ((nameLength + 1) % 2), at + length)
  return {
    name: rockRidgeName(systemUse) ?? plain.replace(/\.?;\d+$/, '').toLowerCase(),
    isDirectory: ((bytes[at + 25] ?? 0) & 2) !== 0,
    extent: view.getUint32(at + 2, true),
    bytes: view.getUint32(at + 10, true),
    length,
  }
}

/** The name in `NM` entries of the system use field, or undefined. */
function rockRidgeName(systemUse: Uint8Array): string | undefined {
  let name: string | undefined
  for (let at = 0; at + 4 <= systemUse.length;) {
    const length = systemUse[at + 2] ?? 0
    if (length < 4 || at + length > systemUse.length) break
    const isName = plainText(systemUse.subarray(at, at + 2)) === 'NM' && length > 5
    // Flags 2 and 4 stand for `.` and `..`.
    if (isName && ((systemUse[at + 4] ?? 0) & 6) === 0) {
      name = (name ?? '') + new TextDecoder().decode(systemUse.subarray(at + 5, at + length))
    }
    at += length
  }
  return name
}

/** One character for each byte. */
function plainText(bytes: Uint8Array): string {
  return String.fromCharCode(...bytes)
}
