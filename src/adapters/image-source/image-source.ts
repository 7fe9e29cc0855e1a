import { createReadStream } from 'node:fs'
import { open, readFile, stat } from 'node:fs/promises'
import { join } from 'node:path'
import { imageFiles } from '../../core/install/layout.ts'
import type { ImageSource } from '../../core/ports.ts'
import { MusterError } from '../../errors.ts'

const readBytes = 1_024 * 1_024
const recordBytes = 512

/**
 * Opens `dir:PATH` (the files of an image, or a medium that has them below `muster/`) or `file:PATH` (a tar of them).
 * Throws ERR_IMAGE_SOURCE.
 */
export async function openImageSource(reference: string): Promise<ImageSource> {
  const [, kind, path] = /^(dir|file):(.+)$/s.exec(reference) ?? []
  if (kind === undefined || path === undefined)
    throw unreadable(reference, 'it is neither `dir:PATH` nor `file:PATH`')
  return kind === 'dir' ? openDirectory(reference, path) : openTar(reference, path)
}

async function openDirectory(reference: string, path: string): Promise<ImageSource> {
  const below = join(path, imageFiles.directory)
  const top =
    (await isFile(join(path, imageFiles.manifest))) || !(await isFile(join(below, imageFiles.manifest)))
      ? path
      : below
  return {
    name: reference,
    async read(file, bytesMax) {
      const full = join(top, file)
      if (!(await isFile(full))) return undefined
      if ((await stat(full)).size > bytesMax)
        throw unreadable(reference, `${file} is larger than ${bytesMax} bytes`)
      return readFile(full).catch((error: unknown) => {
        throw unreadable(reference, (error as Error).message, error)
      })
    },
    open: (file) => guarded(reference, createReadStream(join(top, file), { highWaterMark: readBytes })),
    close: async () => {},
  }
}

/** Where a file lies in an archive. */
interface TarEntry {
  readonly offset: number
  readonly bytes: number
}

async function openTar(reference: string, path: string): Promise<ImageSource> {
  const entries = await readTar(path).catch((error: unknown) => {
    throw unreadable(reference, (error as Error).message, error)
  })
  const stream = (file: string): AsyncIterable<Uint8Array> => {
    const entry = entries.get(file)
    if (entry === undefined) throw unreadable(reference, `there is no ${file} in it`)
    const { offset, bytes } = entry
    if (bytes === 0) return (async function* () {})()
    return guarded(
      reference,
      createReadStream(path, { start: offset, end: offset + bytes - 1, highWaterMark: readBytes }),
    )
  }
  return {
    name: reference,
    async read(file, bytesMax) {
      const entry = entries.get(file)
      if (entry === undefined) return undefined
      if (entry.bytes > bytesMax) throw unreadable(reference, `${file} is larger than ${bytesMax} bytes`)
      const parts: Uint8Array[] = []
      for await (const part of stream(file)) parts.push(part)
      return Buffer.concat(parts)
    },
    open: stream,
    close: async () => {},
  }
}

/** Plain files of a tar archive (POSIX and GNU) by their last name: an archive with or without a directory will do. */
async function readTar(path: string): Promise<ReadonlyMap<string, TarEntry>> {
  const file = await open(path, 'r')
  try {
    const { size } = await file.stat()
    const entries = new Map<string, TarEntry>()
    const header = Buffer.alloc(recordBytes)
    for (let at = 0; at + recordBytes <= size;) {
      await file.read(header, 0, recordBytes, at)
      if (header.every((byte) => byte === 0)) break
      if (!hasChecksum(header)) throw new Error(`it is no tar archive at byte ${at}`)
      const bytes = tarNumber(header.subarray(124, 136))
      const kind = String.fromCharCode(header[156]!)
      const name = header.subarray(0, 100).toString().replace(/\0.*$/s, '')
      const offset = at + recordBytes
      if (offset + bytes > size) throw new Error(`it is cut within ${name}`)
      if (kind === '0' || kind === '\0') entries.set(name.split('/').at(-1)!, { offset, bytes })
      at = offset + Math.ceil(bytes / recordBytes) * recordBytes
    }
    return entries
  } finally {
    await file.close()
  }
}

function hasChecksum(header: Buffer): boolean {
  const sum = header.reduce((total, byte, index) => total + (index >= 148 && index < 156 ? 0x20 : byte), 0)
  return sum === tarNumber(header.subarray(148, 156))
}

/** Octal digits, or GNU's binary form for what they cannot hold. */
function tarNumber(field: Buffer): number {
  if ((field[0]! & 0x80) !== 0) return field.subarray(-6).readUIntBE(0, 6)
  return Number.parseInt(field.toString().replace(/[\0 ]/g, '') || '0', 8)
}

async function* guarded(reference: string, source: AsyncIterable<Uint8Array>): AsyncGenerator<Uint8Array> {
  try {
    yield* source
  } catch (error) {
    throw unreadable(reference, (error as Error).message, error)
  }
}

async function isFile(path: string): Promise<boolean> {
  return stat(path).then(
    (status) => status.isFile(),
    () => false,
  )
}

function unreadable(source: string, detail: string, cause?: unknown): MusterError {
  return new MusterError('ERR_IMAGE_SOURCE', { source, detail }, cause === undefined ? {} : { cause })
}
