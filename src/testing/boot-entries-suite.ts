import assert from 'node:assert/strict'
import type { BootEntries } from '../core/ports.ts'

/** What boot entries under test are opened on: the same directory each time. */
export interface BootEntriesHarness {
  open(): Promise<BootEntries>
}

/** One promise of the port: `for (const c of bootEntriesSuite) it(c.name, () => c.run(harness))`. */
export interface BootEntriesCase {
  readonly name: string
  run(harness: BootEntriesHarness): Promise<void>
}

async function* chunks(...parts: readonly string[]): AsyncGenerator<Uint8Array> {
  for (const part of parts) yield new TextEncoder().encode(part)
}

async function names(entries: BootEntries): Promise<readonly string[]> {
  return (await entries.list()).map(({ name }) => name).toSorted((a, b) => (a < b ? -1 : 1))
}

async function textOf(entries: BootEntries, name: string, bytesMax?: number): Promise<string> {
  return new TextDecoder().decode(await entries.read(name, bytesMax))
}

/** Everything that port `BootEntries` promises, apart from what a power cut leaves. */
export const bootEntriesSuite: readonly BootEntriesCase[] = [
  {
    name: 'is empty at first, and has room',
    async run(harness) {
      const entries = await harness.open()
      assert.deepEqual(await entries.list(), [])
      assert.ok((await entries.freeBytes()) > 0)
    },
  },
  {
    name: 'keeps a file that came in pieces, as a whole and from its beginning',
    async run(harness) {
      const entries = await harness.open()
      await entries.write('muster_1+3.efi.part', chunks('one', 'two', 'three'))
      await entries.sync()
      assert.deepEqual(await entries.list(), [{ name: 'muster_1+3.efi.part', bytes: 11 }])
      assert.equal(await textOf(entries, 'muster_1+3.efi.part'), 'onetwothree')
      assert.equal(await textOf(entries, 'muster_1+3.efi.part', 4), 'onet')
      assert.equal(await textOf(await harness.open(), 'muster_1+3.efi.part'), 'onetwothree')
    },
  },
  {
    name: 'replaces a file',
    async run(harness) {
      const entries = await harness.open()
      await entries.write('a.efi', chunks('a long text'))
      await entries.write('a.efi', chunks('short'))
      await entries.sync()
      assert.equal(await textOf(entries, 'a.efi'), 'short')
    },
  },
  {
    name: 'renames, and never onto another file',
    async run(harness) {
      const entries = await harness.open()
      await entries.write('a.part', chunks('a'))
      await entries.write('b.efi', chunks('b'))
      await entries.sync()
      await assert.rejects(entries.rename('a.part', 'b.efi'))
      assert.equal(await textOf(entries, 'b.efi'), 'b')
      await entries.rename('a.part', 'a.efi')
      await entries.sync()
      assert.deepEqual(await names(await harness.open()), ['a.efi', 'b.efi'])
    },
  },
  {
    name: 'removes, and not what is not there',
    async run(harness) {
      const entries = await harness.open()
      await entries.write('a.efi', chunks('a'))
      await entries.remove('a.efi')
      await entries.sync()
      assert.deepEqual(await entries.list(), [])
      await assert.rejects(entries.remove('a.efi'))
      await assert.rejects(entries.read('a.efi'))
    },
  },
]
