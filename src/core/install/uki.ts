import { kernelParameters } from './layout.ts'

// Reads what a unified kernel image says of itself: its PE section table, os-release and kernel command line.

/** What a boot entry says of itself. */
export interface UkiFacts {
  /** IMAGE_ID, else ID, of its os-release: what the loader sorts by first. */
  readonly sortKey: string
  /** IMAGE_VERSION, else VERSION_ID: what it sorts by next. */
  readonly version: string
  /** `installed`, `live`, `recovery`, or empty. */
  readonly mode: string
  /** Root hash on its command line, or empty. */
  readonly imageId: string
  readonly blocks: number
  readonly salt: string
  /** Bytes that its sections reach up to: a shorter file is cut, and firmware refuses it. */
  readonly bytes: number
}

/** Bytes at the beginning of a UKI within which its section table, os-release and command line lie. */
export const ukiHeadBytes: number = 1_024 * 1_024

interface Section {
  readonly name: string
  readonly offset: number
  readonly size: number
}

/** Reads a UKI, or its first `ukiHeadBytes`. Undefined where it is none: then the loader does not list it either. */
export function readUki(file: Uint8Array): UkiFacts | undefined {
  const sections = readSections(file)
  const release = textOf(file, sections?.get('.osrel'))
  if (sections === undefined || release === undefined) return undefined
  const values = parseRelease(release)
  const sortKey = values.get('IMAGE_ID') ?? values.get('ID')
  const version = values.get('IMAGE_VERSION') ?? values.get('VERSION_ID')
  if (sortKey === undefined || version === undefined) return undefined
  const words = (textOf(file, sections.get('.cmdline')) ?? '').trim().split(/\s+/)
  const value = (key: string): string =>
    words.findLast((word) => word.startsWith(`${key}=`))?.slice(key.length + 1) ?? ''
  return {
    sortKey,
    version,
    mode: value(kernelParameters.mode),
    imageId: value(kernelParameters.root),
    blocks: Number(value(kernelParameters.blocks)) || 0,
    salt: value(kernelParameters.salt),
    bytes: Math.max(...[...sections.values()].map(({ offset, size }) => offset + size)),
  }
}

/** Sections by name, or undefined where the file is no PE image. */
function readSections(file: Uint8Array): ReadonlyMap<string, Section> | undefined {
  const view = new DataView(file.buffer, file.byteOffset, file.byteLength)
  if (file.byteLength < 0x40 || view.getUint16(0, true) !== 0x5a4d) return undefined
  const header = view.getUint32(0x3c, true)
  if (header + 24 > file.byteLength || view.getUint32(header, true) !== 0x4550) return undefined
  const count = view.getUint16(header + 6, true)
  const table = header + 24 + view.getUint16(header + 20, true)
  if (count > 96 || table + count * 40 > file.byteLength) return undefined
  const found = new Map<string, Section>()
  for (let index = 0; index < count; index++) {
    const at = table + index * 40
    const name = new TextDecoder().decode(file.subarray(at, at + 8)).replace(/\0+$/, '')
    // The virtual size is that of the text; the raw size is padded.
    const size = Math.min(view.getUint32(at + 8, true), view.getUint32(at + 16, true))
    found.set(name, { name, offset: view.getUint32(at + 20, true), size })
  }
  return found
}

function textOf(file: Uint8Array, section: Section | undefined): string | undefined {
  if (section === undefined || section.offset + section.size > file.byteLength) return undefined
  return new TextDecoder()
    .decode(file.subarray(section.offset, section.offset + section.size))
    .replaceAll('\0', '')
}

function parseRelease(text: string): ReadonlyMap<string, string> {
  const lines = text.split('\n').map((line) => /^\s*([A-Z0-9_]+)=(.*)$/.exec(line))
  return new Map(
    lines.flatMap((line) =>
      line === null ? [] : [[line[1]!, line[2]!.trim().replace(/^(["'])(.*)\1$/, '$2')]],
    ),
  )
}
