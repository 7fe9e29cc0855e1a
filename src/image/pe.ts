/** A section of a PE file, as its table says. */
export interface PeSection {
  readonly name: string
  readonly virtualSize: number
  readonly virtualAddress: number
  readonly fileBytes: number
  readonly fileOffset: number
}

const sectionHeaderBytes = 40

/** What a build needs of a PE file's headers. */
export interface PeLayout {
  readonly sections: readonly PeSection[]
  /** Preferred address; sections are loaded relative to it. */
  readonly imageBase: number
  readonly sectionAlignment: number
}

/** Reads the section table of a PE file (an EFI program); undefined where it is none. */
export function readPe(bytes: Buffer): PeLayout | undefined {
  if (bytes.length < 64 || bytes.toString('latin1', 0, 2) !== 'MZ') return undefined
  const at = bytes.readUInt32LE(60)
  if (at + 24 > bytes.length || bytes.toString('latin1', at, at + 4) !== 'PE\0\0') return undefined
  const count = bytes.readUInt16LE(at + 6)
  const optional = at + 24
  // PE32+ alone has a base of 64 bits; x64 knows no other kind.
  if (bytes.readUInt16LE(optional) !== 0x20b) return undefined
  const table = optional + bytes.readUInt16LE(at + 20)
  if (table + count * sectionHeaderBytes > bytes.length) return undefined
  const sections = Array.from({ length: count }, (_, index): PeSection => {
    const header = table + index * sectionHeaderBytes
    return {
      name: bytes.toString('latin1', header, header + 8).replace(/\0+$/, ''),
      virtualSize: bytes.readUInt32LE(header + 8),
      virtualAddress: bytes.readUInt32LE(header + 12),
      fileBytes: bytes.readUInt32LE(header + 16),
      fileOffset: bytes.readUInt32LE(header + 20),
    }
  })
  return {
    sections,
    imageBase: Number(bytes.readBigUInt64LE(optional + 24)),
    sectionAlignment: bytes.readUInt32LE(optional + 32),
  }
}

/** Content of a section, for example `.cmdline` of a unified kernel image; undefined where there is none. */
export function peSection(bytes: Buffer, name: string): Buffer | undefined {
  const section = readPe(bytes)?.sections.find((each) => each.name === name)
  if (section === undefined) return undefined
  const used = Math.min(section.virtualSize, section.fileBytes)
  return bytes.subarray(section.fileOffset, section.fileOffset + used)
}

/**
 * The file without the time at which it was written: that and the checksum, which no firmware looks at, become zero.
 * Undefined where it is no PE file.
 */
export function withoutPeTime(bytes: Buffer): Buffer | undefined {
  if (readPe(bytes) === undefined) return undefined
  const timeless = Buffer.from(bytes)
  const at = timeless.readUInt32LE(60)
  timeless.writeUInt32LE(0, at + 8)
  timeless.writeUInt32LE(0, at + 24 + 64)
  return timeless
}
