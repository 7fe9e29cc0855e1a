// Proves an installation on a disk with sectors of 4096 bytes: every file system is made for them, in memory and by the real
// tools, since the kernel mounts none with smaller units. The real tools are skipped, and that is said, where they are missing.
import { spawnSync } from 'node:child_process'
import { describe, expect, it } from 'vitest'
import { createFileSystems } from '../../src/adapters/disk/file-systems.ts'
import { runProgram } from '../../src/adapters/exec.ts'
import { planPartitions } from '../../src/core/install/partitions.ts'
import { readTable } from '../../src/install/inspect.ts'
import { skipNote } from '../support/skip-note.ts'
import { fakeImage } from './support/fake-image.ts'
import { blankMachine, bootsOneOf, diskBytes, install, MemoryMachine, mounted } from './support/world.ts'

const image = fakeImage({ version: '1' })
const mebibyte = 2 ** 20

describe('a disk with sectors of 4096 bytes', () => {
  it('gets a table and file systems in its own units, and boots', async () => {
    const machine = new MemoryMachine({ ...blankMachine, sectorBytes: 4_096 })
    await install(machine, image)
    expect((await readTable(machine.disk))?.partitions[0]).toMatchObject({ firstLba: 256 })
    expect(await bootsOneOf([image])(machine.content)).toBeUndefined()
    const { entries } = await mounted(machine.content)
    expect([...(entries ?? new Map()).keys()]).toContain('muster_1+3.efi')
  })

  it('takes no boot partition that firmware would read as FAT16', () => {
    const plan = (sectorBytes: number): string => {
      const sizes = { rootBytes: mebibyte, entryBytes: mebibyte }
      const wishes = { espBytes: 256 * mebibyte, extra: [] }
      const planned = planPartitions({ sizeBytes: diskBytes, sectorBytes }, sizes, wishes)
      return planned.ok ? 'fits' : planned.detail
    }
    expect(plan(512)).toBe('fits')
    expect(plan(4_096)).toContain('too small for FAT32')
  })
})

const missing = ['mkfs.vfat', 'mcopy', 'mke2fs'].filter((tool) => spawnSync('which', [tool]).status !== 0)
if (missing.length > 0) process.stderr.write(`SKIPPED: real file systems need ${missing.join(', ')}\n`)

describe.skipIf(missing.length > 0)(`the real tools${skipNote(missing.join(', '))}`, () => {
  /** The first piece of a file system of this type for such a disk. */
  const firstPiece = async (type: 'ext4' | 'vfat', sectorBytes: number, bytes: number): Promise<Buffer> => {
    const file = async function* (): AsyncGenerator<Uint8Array> {
      yield Buffer.from('content')
    }
    const built = await createFileSystems({ run: runProgram }).build({
      type,
      bytes,
      sectorBytes,
      label: 'TEST',
      files: [{ path: 'a/b', mode: 0o600, content: file }],
    })
    try {
      for await (const piece of built.pieces()) return Buffer.from(piece.bytes)
      throw new Error('it is empty')
    } finally {
      await built.close()
    }
  }

  it.each([512, 4_096])('make a FAT32 of sectors of %i bytes', async (sectorBytes) => {
    const boot = await firstPiece('vfat', sectorBytes, 512 * mebibyte)
    expect(boot.readUInt16LE(11)).toBe(sectorBytes)
    expect(boot.toString('latin1', 82, 90)).toBe('FAT32   ')
  })

  it('make a small ext4 of blocks no smaller than the sectors', async () => {
    // The superblock lies at byte 1024; its field at 24 is the block size, as a power of two above 1024.
    const blockBytes = async (sectorBytes: number): Promise<number> =>
      1_024 << (await firstPiece('ext4', sectorBytes, 64 * mebibyte)).readUInt32LE(1_024 + 24)
    expect(await blockBytes(4_096)).toBe(4_096)
    expect(await blockBytes(512)).toBeGreaterThanOrEqual(1_024)
  })
})
