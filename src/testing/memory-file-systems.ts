import type { FileSystemImages } from '../core/ports.ts'

/** A file in a file system in memory. */
export interface MemoryFile {
  readonly path: string
  readonly mode: number
  readonly bytes: Uint8Array
}

const magic = 'muster memory file system'
/** Room for the list of files; what follows are their bytes. */
const headBytes = 4_096

/** Fake of port `FileSystemImages`: a list of files and their bytes, which a judge reads from the disk again. */
export function createMemoryFileSystems(pieceBytes = 4_096): FileSystemImages {
  return {
    async build({ type, bytes, sectorBytes, label, files }) {
      const contents: Uint8Array[] = []
      const rows: object[] = []
      let offset = headBytes
      for (const { path, mode, content } of files) {
        const parts: Uint8Array[] = []
        for await (const part of content?.() ?? []) parts.push(part)
        const length = parts.reduce((sum, part) => sum + part.byteLength, 0)
        contents.push(...parts)
        rows.push({ path, mode, offset, length, isFile: content !== undefined })
        offset += length
      }
      const all = new Uint8Array(offset)
      new TextEncoder().encodeInto(`${JSON.stringify({ magic, type, sectorBytes, label, rows })}\n`, all)
      let at = headBytes
      for (const part of contents) {
        all.set(part, at)
        at += part.byteLength
      }
      if (all.byteLength > bytes) throw new Error(`the files do not fit into ${bytes} bytes`)
      return {
        async *pieces() {
          for (let start = 0; start < all.byteLength; start += pieceBytes) {
            yield { offset: start, bytes: all.subarray(start, start + pieceBytes) }
          }
        },
        async close() {},
      }
    },
  }
}

/**
 * The files that such an image holds, or undefined where a kernel would not mount it: it is damaged at its beginning, or was
 * made for smaller sectors than the disk has.
 */
export function readMemoryFileSystem(
  read: (offset: number, bytes: number) => Uint8Array,
  sectorBytes: number,
): readonly MemoryFile[] | undefined {
  const text = new TextDecoder().decode(read(0, headBytes))
  try {
    const head = JSON.parse(text.slice(0, text.indexOf('\n')))
    if (head.magic !== magic || head.sectorBytes < sectorBytes) return undefined
    return head.rows.map((row: { path: string; mode: number; offset: number; length: number }) => ({
      path: row.path,
      mode: row.mode,
      bytes: read(row.offset, row.length),
    }))
  } catch {
    return undefined
  }
}
