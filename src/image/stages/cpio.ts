import { lstatSync, readdirSync, readFileSync, readlinkSync } from 'node:fs'
import { join } from 'node:path'

/** One entry of an initrd. */
export interface CpioEntry {
  readonly path: string
  /** File type and permission bits, as in `stat`. */
  readonly mode: number
  /** Content of a file, target of a symbolic link; empty for a directory. */
  readonly content: Buffer
  /** Major and minor number of a device. */
  readonly device?: readonly [number, number]
}

const directoryType = 0o040000
const fileType = 0o100000
const linkType = 0o120000

/** Entries of a directory of files, directories and links; modes as they are, owners and times are not taken over. */
export function entriesBelow(directory: string, prefix = ''): readonly CpioEntry[] {
  return readdirSync(join(directory, prefix)).flatMap((name): CpioEntry[] => {
    const path = prefix === '' ? name : `${prefix}/${name}`
    const full = join(directory, path)
    const stat = lstatSync(full)
    if (stat.isSymbolicLink())
      return [{ path, mode: linkType | 0o777, content: Buffer.from(readlinkSync(full)) }]
    const mode = stat.mode & 0o777
    if (!stat.isDirectory()) return [{ path, mode: fileType | mode, content: readFileSync(full) }]
    return [{ path, mode: directoryType | mode, content: Buffer.alloc(0) }, ...entriesBelow(directory, path)]
  })
}

/**
 * A cpio archive in the format that the kernel reads (`newc`). The same entries give the same bytes: sorted by path, with
 * inode numbers in that order, all of root, all of one time.
 */
export function cpioArchive(entries: readonly CpioEntry[], epochSeconds: number): Buffer {
  const sorted = entries.toSorted((a, b) => Buffer.compare(Buffer.from(a.path), Buffer.from(b.path)))
  const parts = sorted.map((entry, index) => entryBytes(entry, index + 1, epochSeconds))
  const trailer = entryBytes({ path: 'TRAILER!!!', mode: 0, content: Buffer.alloc(0) }, 0, 0)
  return padTo(Buffer.concat([...parts, trailer]), 512)
}

function entryBytes(entry: CpioEntry, inode: number, epochSeconds: number): Buffer {
  const name = Buffer.from(`${entry.path}\0`)
  const [major, minor] = entry.device ?? [0, 0]
  const links = (entry.mode & directoryType) === directoryType ? 2 : 1
  const numbers = [
    inode,
    entry.mode,
    0,
    0,
    links,
    epochSeconds,
    entry.content.length,
    0,
    0,
    major,
    minor,
    name.length,
    0,
  ]
  const header = `070701${numbers.map((number) => number.toString(16).padStart(8, '0')).join('')}`
  return Buffer.concat([padTo(Buffer.concat([Buffer.from(header), name]), 4), padTo(entry.content, 4)])
}

function padTo(bytes: Buffer, alignment: number): Buffer {
  const rest = bytes.length % alignment
  return rest === 0 ? bytes : Buffer.concat([bytes, Buffer.alloc(alignment - rest)])
}
