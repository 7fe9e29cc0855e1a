import { readFileSync } from 'node:fs'
import { MusterError } from '../../errors.ts'

/** What a unified kernel image carries, as far as the lab starts it itself. */
export interface UkiParts {
  readonly kernel: Buffer
  readonly initrd: Buffer
  readonly commandLine: string
}

/** Takes a UKI apart: sections of a PE file by their names. Throws ERR_VM_IMAGE. */
export function readUki(path: string): UkiParts {
  const file = readFileSync(path)
  const section = (name: string): Buffer => {
    const found = sectionsOf(file).find((each) => each.name === name)
    if (found === undefined)
      throw new MusterError('ERR_VM_IMAGE', { path, detail: `it has no section ${name}` })
    return file.subarray(found.offset, found.offset + found.bytes)
  }
  return {
    kernel: section('.linux'),
    initrd: section('.initrd'),
    commandLine: section('.cmdline').toString('utf8').replaceAll('\0', '').trim(),
  }
}

interface Section {
  readonly name: string
  readonly offset: number
  readonly bytes: number
}

/** PE/COFF: a header at the offset that stands at 0x3c, then 40 bytes for each section. */
function sectionsOf(file: Buffer): Section[] {
  if (file.length < 64 || file.toString('latin1', 0, 2) !== 'MZ') return []
  const header = file.readUInt32LE(0x3c)
  const count = file.readUInt16LE(header + 6)
  const first = header + 24 + file.readUInt16LE(header + 20)
  return Array.from({ length: count }, (_, index) => {
    const at = first + index * 40
    const virtualBytes = file.readUInt32LE(at + 8)
    const rawBytes = file.readUInt32LE(at + 16)
    return {
      name: file.toString('latin1', at, at + 8).replace(/\0+$/, ''),
      offset: file.readUInt32LE(at + 20),
      // The smaller one: a section is padded on disk, and may be longer in memory.
      bytes: Math.min(virtualBytes, rawBytes),
    }
  })
}
