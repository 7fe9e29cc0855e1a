import type { Readable } from 'node:stream'

// Tar streams, as far as a build needs them: entries pass through as the bytes that they came in, so that nothing
// is unpacked and packed again, and files of ours are added behind them.

const blockBytes = 512

/** One entry of a passing stream: its path without leading `./` and trailing `/`, and its whole bytes. */
export interface TarEntry {
  readonly path: string
  /** Type flag: `0` file, `1` hard link, `2` symbolic link, `5` directory, … */
  readonly type: string
  /** What a link names. */
  readonly target: string
  /** Headers, extended headers before them, and content, padded: ready to be written. */
  readonly raw: readonly Buffer[]
  /** Content of a file. */
  readonly content: Buffer
}

/** A file, directory or link that a build adds. */
export interface NewEntry {
  readonly path: string
  readonly kind: 'file' | 'directory' | 'symlink'
  /** Permission bits, for example `0o755`. */
  readonly mode: number
  readonly content?: Buffer
  readonly target?: string
  readonly uid?: number
  readonly gid?: number
}

/** Reads the entries of a tar stream one after the other. Throws when it is cut. */
export async function* readTar(source: Readable): AsyncGenerator<TarEntry> {
  const input = new BlockReader(source)
  let extended: { raw: Buffer[]; path?: string; target?: string } = { raw: [] }
  for (;;) {
    const header = await input.take(blockBytes)
    if (header === undefined || header.every((byte) => byte === 0)) return
    const size = numberAt(header, 124, 12)
    const type = String.fromCharCode(header[156] ?? 0).replace('\0', '0')
    const padded = Math.ceil(size / blockBytes) * blockBytes
    const body = padded === 0 ? Buffer.alloc(0) : await input.take(padded)
    if (body === undefined) throw new Error('the tar stream is cut')
    const content = body.subarray(0, size)
    if (type === 'x' || type === 'L' || type === 'K') {
      extended.raw.push(header, body)
      if (type === 'L') extended.path = textOf(content)
      if (type === 'K') extended.target = textOf(content)
      if (type === 'x') extended = { ...extended, ...paxNames(content) }
      continue
    }
    const prefix = textOf(header.subarray(345, 500))
    const name = textOf(header.subarray(0, 100))
    const isUstar = header.subarray(257, 263).toString('latin1') === 'ustar\0'
    const path = extended.path ?? (isUstar && prefix !== '' ? `${prefix}/${name}` : name)
    yield {
      path: path.replace(/^(\.\/)+/, '').replace(/\/+$/, ''),
      type,
      target: extended.target ?? textOf(header.subarray(157, 257)),
      raw: [...extended.raw, header, body],
      content,
    }
    extended = { raw: [] }
  }
}

/** Bytes of an entry of ours, always the same for the same entry: owner, time and order are fixed by the caller. */
export function tarBytes(entry: NewEntry, epochSeconds: number): Buffer {
  const content = entry.kind === 'file' ? (entry.content ?? Buffer.alloc(0)) : Buffer.alloc(0)
  const name = entry.kind === 'directory' ? `${entry.path}/` : entry.path
  const target = entry.target ?? ''
  const records = [
    ...(Buffer.byteLength(name) > 100 ? [paxRecord('path', name)] : []),
    ...(Buffer.byteLength(target) > 100 ? [paxRecord('linkpath', target)] : []),
  ]
  const type = { file: '0', directory: '5', symlink: '2' }[entry.kind]
  const pax = Buffer.from(records.join(''))
  return Buffer.concat([
    ...(pax.length === 0
      ? []
      : [headerOf('pax', 'x', { ...entry, mode: 0o644 }, pax.length, '', epochSeconds), padded(pax)]),
    headerOf(name, type, entry, content.length, target, epochSeconds),
    padded(content),
  ])
}

/** Ends a tar stream. */
export const tarEnd: Buffer = Buffer.alloc(2 * blockBytes)

function headerOf(
  name: string,
  type: string,
  entry: NewEntry,
  size: number,
  target: string,
  epochSeconds: number,
): Buffer {
  const header = Buffer.alloc(blockBytes)
  const octal = (value: number, at: number, bytes: number): void => {
    header.write(`${value.toString(8).padStart(bytes - 1, '0')}\0`, at, 'latin1')
  }
  header.write(name.slice(0, 100), 0, 100, 'utf8')
  octal(entry.mode, 100, 8)
  octal(entry.uid ?? 0, 108, 8)
  octal(entry.gid ?? 0, 116, 8)
  octal(size, 124, 12)
  octal(epochSeconds, 136, 12)
  header.write('        ', 148, 'latin1')
  header.write(type, 156, 'latin1')
  header.write(target.slice(0, 100), 157, 100, 'utf8')
  header.write('ustar\x0000', 257, 'latin1')
  const sum = header.reduce((total, byte) => total + byte, 0)
  header.write(`${sum.toString(8).padStart(6, '0')}\0 `, 148, 'latin1')
  return header
}

function padded(content: Buffer): Buffer {
  const rest = content.length % blockBytes
  return rest === 0 ? content : Buffer.concat([content, Buffer.alloc(blockBytes - rest)])
}

/** `<length> <key>=<value>\n`, where the length counts itself. */
function paxRecord(key: string, value: string): string {
  const rest = ` ${key}=${value}\n`
  let length = Buffer.byteLength(rest)
  while (Buffer.byteLength(`${length}${rest}`) !== length) length = Buffer.byteLength(`${length}${rest}`)
  return `${length}${rest}`
}

function paxNames(content: Buffer): { path?: string; target?: string } {
  const names: { path?: string; target?: string } = {}
  let at = 0
  while (at < content.length) {
    const space = content.indexOf(0x20, at)
    const length = Number(content.subarray(at, space).toString('latin1'))
    if (space === -1 || !(length > 0)) throw new Error('an extended tar header is damaged')
    const record = content.subarray(space + 1, at + length - 1).toString('utf8')
    const [key = ''] = record.split('=', 1)
    if (key === 'path') names.path = record.slice(key.length + 1)
    if (key === 'linkpath') names.target = record.slice(key.length + 1)
    at += length
  }
  return names
}

function numberAt(header: Buffer, at: number, bytes: number): number {
  if (((header[at] ?? 0) & 0x80) !== 0) return Number(header.readBigUInt64BE(at + bytes - 8))
  return Number.parseInt(textOf(header.subarray(at, at + bytes)).trim() || '0', 8)
}

function textOf(bytes: Buffer): string {
  const end = bytes.indexOf(0)
  return bytes.subarray(0, end === -1 ? bytes.length : end).toString('utf8')
}

/** Takes exact numbers of bytes from a stream. */
class BlockReader {
  readonly #chunks: AsyncIterator<Buffer>
  #held: Buffer[] = []
  #bytes = 0

  constructor(source: Readable) {
    this.#chunks = source[Symbol.asyncIterator]() as AsyncIterator<Buffer>
  }

  /** Undefined at the end of the stream. */
  async take(bytes: number): Promise<Buffer | undefined> {
    while (this.#bytes < bytes) {
      const next = await this.#chunks.next()
      if (next.done === true) return undefined
      this.#held.push(next.value)
      this.#bytes += next.value.length
    }
    const all = this.#held.length === 1 ? (this.#held[0] ?? Buffer.alloc(0)) : Buffer.concat(this.#held)
    this.#held = [all.subarray(bytes)]
    this.#bytes -= bytes
    return all.subarray(0, bytes)
  }
}
