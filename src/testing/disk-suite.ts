import assert from 'node:assert/strict'
import type { DiskTarget } from '../core/ports.ts'

/** What a disk under test is opened on: the same content each time. */
export interface DiskHarness {
  /** At least 64 MiB. */
  open(): Promise<DiskTarget>
}

/** One promise of the port: `for (const c of diskSuite) it(c.name, () => c.run(harness))`. */
export interface DiskCase {
  readonly name: string
  run(harness: DiskHarness): Promise<void>
}

const pattern = (bytes: number, seed: number): Uint8Array =>
  Uint8Array.from({ length: bytes }, (_, index) => (index * 31 + seed) % 256)

/** Everything that port `DiskTarget` promises, apart from what a power cut leaves. */
export const diskSuite: readonly DiskCase[] = [
  {
    name: 'reads what was written, before and after a flush and by the next who opens it',
    async run(harness) {
      const disk = await harness.open()
      const bytes = pattern(10_000, 1)
      await disk.write(4_096, bytes)
      assert.deepEqual(new Uint8Array(await disk.read(4_096, bytes.length)), bytes)
      await disk.flush()
      assert.deepEqual(new Uint8Array(await disk.read(4_096, bytes.length)), bytes)
      await disk.close()
      const again = await harness.open()
      assert.deepEqual(new Uint8Array(await again.read(4_096, bytes.length)), bytes)
      await again.close()
    },
  },
  {
    name: 'writes in the middle and leaves what lies around',
    async run(harness) {
      const disk = await harness.open()
      await disk.write(0, new Uint8Array(12_288).fill(7))
      await disk.write(5_000, pattern(100, 3))
      await disk.flush()
      const read = await disk.read(4_990, 120)
      assert.deepEqual(new Uint8Array(read.subarray(0, 10)), new Uint8Array(10).fill(7))
      assert.deepEqual(new Uint8Array(read.subarray(10, 110)), pattern(100, 3))
      assert.deepEqual(new Uint8Array(read.subarray(110)), new Uint8Array(10).fill(7))
      await disk.close()
    },
  },
  {
    name: 'keeps what was handed over, not what the caller made of the buffer afterwards',
    async run(harness) {
      const disk = await harness.open()
      const bytes = Buffer.from(pattern(512, 9))
      await disk.write(8_192, bytes)
      bytes.fill(0)
      assert.deepEqual(new Uint8Array(await disk.read(8_192, 512)), pattern(512, 9))
      await disk.close()
    },
  },
  {
    name: 'reaches its last byte and nothing behind it',
    async run(harness) {
      const disk = await harness.open()
      await disk.write(disk.sizeBytes - 512, pattern(512, 5))
      assert.deepEqual(new Uint8Array(await disk.read(disk.sizeBytes - 512, 512)), pattern(512, 5))
      await assert.rejects(disk.write(disk.sizeBytes - 512, pattern(1_024, 5)))
      await assert.rejects(disk.read(disk.sizeBytes - 512, 1_024))
      await disk.close()
    },
  },
  {
    name: 'makes a file system in its region only',
    async run(harness) {
      const disk = await harness.open()
      const [before, after] = [1_048_576 - 4_096, 1_048_576 * 33]
      await disk.write(before, pattern(4_096, 2))
      await disk.write(after, pattern(4_096, 4))
      await disk.makeFileSystem(
        { offset: 1_048_576, bytes: 1_048_576 * 32 },
        { type: 'ext4', label: 'suite' },
      )
      assert.deepEqual(new Uint8Array(await disk.read(before, 4_096)), pattern(4_096, 2))
      assert.deepEqual(new Uint8Array(await disk.read(after, 4_096)), pattern(4_096, 4))
      const made = await disk.read(1_048_576, 8_192)
      assert.ok(made.some((byte) => byte !== 0))
      await disk.close()
    },
  },
  {
    name: 'finds no file where there is none, nor a file system',
    async run(harness) {
      const disk = await harness.open()
      const region = { offset: 1_048_576, bytes: 1_048_576 * 32 }
      await disk.write(region.offset, new Uint8Array(8_192))
      assert.equal(await disk.readTextFile(region, 'a.json'), undefined)
      await disk.makeFileSystem(region, { type: 'ext4', label: 'suite' })
      assert.equal(await disk.readTextFile(region, 'a.json'), undefined)
      await disk.close()
    },
  },
]
