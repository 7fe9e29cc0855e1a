// Proves that each stage of a build makes what the next one and the firmware need, and the same bytes a second time, on trees
// small enough for every test run. The whole image is built twice in test/vm.
import { execFileSync } from 'node:child_process'
import { mkdtempSync, readFileSync, rmSync, statSync, truncateSync, utimesSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { Readable } from 'node:stream'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { skipNote } from '../support/skip-note.ts'
import { espPaths } from '../../src/core/install/layout.ts'
import { peSection, readPe } from '../../src/image/pe.ts'
import { makeEsp, makeIso } from '../../src/image/stages/iso.ts'
import { makeSquashfs } from '../../src/image/stages/root.ts'
import { commandLineOf, entryRelease, makeUki } from '../../src/image/stages/uki.ts'
import { addVerity, asUuid } from '../../src/image/stages/verity.ts'
import { type NewEntry, tarBytes, tarEnd } from '../../src/image/tar.ts'
import { efiFiles } from '../../src/image/tools.ts'
import { imageToolsLacking } from '../support/image-tools.ts'

const epochSeconds = 1_700_000_000
const verity = { imageId: 'a'.repeat(64), blocks: 25, salt: 'b'.repeat(64) }
if (imageToolsLacking !== '') process.stderr.write(`skipped: stages of an image: ${imageToolsLacking}\n`)

let directory = ''
const at = (name: string): string => join(directory, name)
beforeEach(() => (directory = mkdtempSync(join(tmpdir(), 'muster-stages-'))))
afterEach(() => rmSync(directory, { recursive: true, force: true }))

describe.skipIf(imageToolsLacking !== '')(`the root${skipNote(imageToolsLacking)}`, () => {
  const base = (time: number): Buffer =>
    Buffer.concat([
      tarBytes({ path: 'etc', kind: 'directory', mode: 0o755 }, time),
      tarBytes({ path: 'etc/kept', kind: 'file', mode: 0o644, content: Buffer.from('kept') }, time),
      tarBytes({ path: 'etc/replaced', kind: 'file', mode: 0o644, content: Buffer.from('old') }, time),
      tarBytes({ path: 'lib', kind: 'symlink', mode: 0o777, target: 'usr/lib' }, time),
      tarBytes({ path: 'usr', kind: 'directory', mode: 0o755 }, time),
      tarBytes({ path: 'usr/lib', kind: 'directory', mode: 0o755 }, time),
      tarEnd,
    ])
  const files: readonly NewEntry[] = [
    { path: 'etc/replaced', kind: 'file', mode: 0o600, content: Buffer.from('new') },
    { path: 'new/place/file', kind: 'file', mode: 0o755, content: Buffer.alloc(200_000, 'x') },
    { path: 'lib/through-a-link', kind: 'file', mode: 0o644, content: Buffer.from('there') },
  ]
  const make = (name: string, time: number, order: readonly NewEntry[]): Promise<void> =>
    makeSquashfs({ base: Readable.from([base(time)]), files: order }, at(name), {
      epochSeconds,
      compression: 3,
    })

  it('has our files on top of the base, and directories for them', async () => {
    await make('root.img', 1, files)
    const listing = execFileSync('unsquashfs', ['-ll', '-no-progress', at('root.img')], { encoding: 'utf8' })
    // A root that everybody may write to lets everybody rename /etc.
    expect(listing).toMatch(/^drwxr-xr-x root\/root .* squashfs-root$/m)
    const line = (path: string): string =>
      listing.split('\n').find((each) => each.endsWith(` squashfs-root/${path}`)) ?? ''
    expect(line('etc/kept')).toMatch(/^-rw-r--r--/)
    expect(line('etc/replaced')).toMatch(/^-rw------- root\/root +3 /)
    expect(line('new/place')).toMatch(/^drwxr-xr-x/)
    expect(line('usr/lib/through-a-link')).toMatch(/^-rw/)
    expect(listing.match(/etc\/replaced/g)).toHaveLength(1)
  })

  it('is the same a second time, with another order and other times, and so is its hash tree', async () => {
    await make('one', 1, files)
    await make('two', 2, files.toReversed())
    const [first, second] = [await addVerity(at('one')), await addVerity(at('two'))]
    expect(second).toEqual(first)
    expect(readFileSync(at('two')).equals(readFileSync(at('one')))).toBe(true)
  })

  it('verifies against its root hash, and not with one bit turned', async () => {
    await make('root.img', 1, files)
    const { imageId, blocks, salt } = await addVerity(at('root.img'))
    const bytes = readFileSync(at('root.img'))
    expect(bytes.toString('latin1', blocks * 4_096, blocks * 4_096 + 6)).toBe('verity')
    expect(bytes.subarray(blocks * 4_096 + 88, blocks * 4_096 + 120).toString('hex')).toBe(salt)
    const verify = (): string =>
      execFileSync(
        'veritysetup',
        ['verify', at('root.img'), at('root.img'), imageId, `--hash-offset=${blocks * 4_096}`],
        {
          encoding: 'utf8',
          stdio: 'pipe',
        },
      )
    expect(verify).not.toThrow()
    bytes[100] = (bytes[100] ?? 0) ^ 1
    writeFileSync(at('root.img'), bytes)
    expect(verify).toThrow()
  })

  it('refuses a tail that is no whole block', async () => {
    await make('root.img', 1, files)
    truncateSync(at('root.img'), statSync(at('root.img')).size - 1)
    await expect(addVerity(at('root.img'))).rejects.toMatchObject({ code: 'ERR_IMAGE_CONTENT' })
  })
})

describe.skipIf(imageToolsLacking !== '')(`a unified kernel image${skipNote(imageToolsLacking)}`, () => {
  const kernel = Buffer.alloc(3_000_001, 'kernel ')
  const initrd = Buffer.alloc(1_234_567, 'initrd ')
  const make = async (name: string): Promise<Buffer> => {
    writeFileSync(at('kernel'), kernel)
    writeFileSync(at('initrd'), initrd)
    const parts = { stub: efiFiles.stub, kernel: at('kernel'), initrd: at('initrd') }
    const entry = {
      osRelease: entryRelease('installed', '1.2.3'),
      commandLine: commandLineOf('installed', verity),
    }
    await makeUki({ ...parts, ...entry }, at(name))
    return readFileSync(at(name))
  }

  it('holds what it was made of, in sections none of which lies over another', async () => {
    const bytes = await make('one.efi')
    expect(peSection(bytes, '.linux')?.equals(kernel)).toBe(true)
    expect(peSection(bytes, '.initrd')?.equals(initrd)).toBe(true)
    expect(peSection(bytes, '.cmdline')?.toString()).toContain(
      `muster.root=${verity.imageId} muster.blocks=25`,
    )
    expect(peSection(bytes, '.osrel')?.toString()).toContain('IMAGE_VERSION=1.2.3\n')
    const sections = readPe(bytes)?.sections ?? []
    const sorted = sections.toSorted((a, b) => a.virtualAddress - b.virtualAddress)
    expect(sorted.length).toBeGreaterThan(4)
    for (const [index, section] of sorted.entries()) {
      const next = sorted[index + 1]?.virtualAddress ?? Number.MAX_SAFE_INTEGER
      expect(section.virtualAddress + section.virtualSize).toBeLessThanOrEqual(next)
    }
  })

  it('is the same in another second', async () => {
    const first = await make('one.efi')
    await sleep(1_100)
    expect((await make('two.efi')).equals(first)).toBe(true)
  })

  it('has a recovery entry that the loader sorts behind every other one', () => {
    const key = (text: string): string => /^IMAGE_ID=(.*)$/m.exec(text)?.[1] ?? ''
    expect(key(entryRelease('recovery', '9.9.9')) > key(entryRelease('installed', '0.0.1'))).toBe(true)
  })
})

describe.skipIf(imageToolsLacking !== '')(`the medium${skipNote(imageToolsLacking)}`, () => {
  it('has a partition that the firmware finds its loader and the live entry in, the same a second time', async () => {
    writeFileSync(at('loader.efi'), 'the loader')
    writeFileSync(at('live.efi'), Buffer.alloc(2_000_000, 'live'))
    const files = { loader: at('loader.efi'), live: at('live.efi') }
    const make = (name: string): Promise<void> =>
      makeEsp(files, at(name), { epochSeconds, volumeId: 'cafe0001' })
    await make('one.img')
    await sleep(2_100)
    utimesSync(at('live.efi'), 1, 1)
    await make('two.img')
    expect(readFileSync(at('two.img')).equals(readFileSync(at('one.img')))).toBe(true)
    for (const path of espPaths.loaders) {
      expect(execFileSync('mtype', ['-i', at('one.img'), `::/${path}`], { encoding: 'utf8' })).toBe(
        'the loader',
      )
    }
    const listing = execFileSync('mdir', ['-b', '-i', at('one.img'), '::/EFI/Linux'], { encoding: 'utf8' })
    expect(listing).toContain('muster-live.efi')
  })

  it('is the same a second time', async () => {
    writeFileSync(at('esp.img'), Buffer.alloc(1_048_576, 'esp'))
    writeFileSync(at('root.img'), Buffer.alloc(300_000, 'root'))
    const make = (name: string): Promise<void> =>
      makeIso([at('root.img')], at('esp.img'), at(name), { epochSeconds, volume: 'MUSTER' })
    await make('one.iso')
    await sleep(1_100)
    // As a build does: whatever is written beside the files changes the time of their directory.
    writeFileSync(at('beside'), '')
    utimesSync(directory, epochSeconds + 777, epochSeconds + 777)
    await make('two.iso')
    expect(readFileSync(at('two.iso')).equals(readFileSync(at('one.iso')))).toBe(true)
  })
})

it('makes a UUID of every hash', () => {
  expect(asUuid('0'.repeat(64))).toMatch(/^[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-8[0-9a-f]{3}-[0-9a-f]{12}$/)
})
