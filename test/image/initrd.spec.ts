// Proves that an initrd is made of what a kernel's own lists say, that its bytes follow from its content alone, and that its
// script is one that a shell can read.
import { execFileSync } from 'node:child_process'
import { chmodSync, mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { cpioArchive, type CpioEntry, entriesBelow } from '../../src/image/stages/cpio.ts'
import { moduleClosure, moduleName } from '../../src/image/stages/modules.ts'

describe('cpioArchive', () => {
  it('gives the same bytes for the same files, whatever their order, owners and times were', () => {
    const [first, second] = [tree(['b', 'a', 'c']), tree(['c', 'b', 'a'])]
    try {
      const one = cpioArchive(entriesBelow(first), 1_700_000_000)
      const two = cpioArchive(entriesBelow(second).toReversed(), 1_700_000_000)
      expect(one.equals(two)).toBe(true)
      expect(cpioArchive(entriesBelow(first), 1_700_000_001).equals(one)).toBe(false)
    } finally {
      for (const each of [first, second]) rmSync(each, { recursive: true, force: true })
    }
  })

  it('writes parents before what is in them, and every field where the kernel looks for it', () => {
    const entries: CpioEntry[] = [
      { path: 'dev/console', mode: 0o020600, content: Buffer.alloc(0), device: [5, 1] },
      { path: 'init', mode: 0o100755, content: Buffer.from('#!/bin/sh\n') },
      { path: 'dev', mode: 0o040755, content: Buffer.alloc(0) },
    ]
    const found = readCpio(cpioArchive(entries, 42))
    expect(found).toEqual([
      { path: 'dev', mode: 0o040755, device: [0, 0], time: 42, content: '' },
      { path: 'dev/console', mode: 0o020600, device: [5, 1], time: 42, content: '' },
      { path: 'init', mode: 0o100755, device: [0, 0], time: 42, content: '#!/bin/sh\n' },
    ])
  })
})

describe('moduleClosure', () => {
  const modulesDep = `kernel/fs/ext4/ext4.ko: kernel/fs/jbd2/jbd2.ko kernel/lib/crc16.ko
kernel/fs/jbd2/jbd2.ko:
kernel/lib/crc16.ko:
kernel/drivers/usb/storage/usb-storage.ko: kernel/drivers/usb/core/usbcore.ko
kernel/drivers/usb/core/usbcore.ko:
kernel/drivers/net/other.ko:
`

  it('takes along what a module needs, and nothing else', () => {
    expect(moduleClosure(modulesDep, ['ext4', 'usb_storage'])).toEqual([
      'kernel/drivers/usb/core/usbcore.ko',
      'kernel/drivers/usb/storage/usb-storage.ko',
      'kernel/fs/ext4/ext4.ko',
      'kernel/fs/jbd2/jbd2.ko',
      'kernel/lib/crc16.ko',
    ])
  })

  it('passes over what is part of the kernel', () => {
    expect(moduleClosure(modulesDep, ['loop', 'other'])).toEqual(['kernel/drivers/net/other.ko'])
  })

  it('knows a name in each of its spellings', () => {
    expect(['dm-verity', 'kernel/drivers/md/dm-verity.ko.xz', 'dm_verity.ko'].map(moduleName)).toEqual(
      Array.from({ length: 3 }, () => 'dm_verity'),
    )
  })
})

describe('the script', () => {
  it('is read by a shell without an error', () => {
    const script = new URL('../../src/image/initrd/init.sh', import.meta.url).pathname
    expect(() => execFileSync('sh', ['-n', script])).not.toThrow()
  })
})

function tree(names: readonly string[]): string {
  const directory = mkdtempSync(join(tmpdir(), 'muster-cpio-'))
  mkdirSync(join(directory, 'lib'), { mode: 0o755 })
  for (const name of names) {
    writeFileSync(join(directory, 'lib', name), `content of ${name}`)
    chmodSync(join(directory, 'lib', name), 0o640)
  }
  symlinkSync('lib/a', join(directory, 'link'))
  return directory
}

/** A reader of its own, written from the kernel's description of the format (`buffer-format.rst`). */
function readCpio(
  archive: Buffer,
): { path: string; mode: number; device: [number, number]; time: number; content: string }[] {
  const found = []
  for (let at = 0; ;) {
    expect(archive.toString('latin1', at, at + 6)).toBe('070701')
    const field = (index: number): number =>
      Number.parseInt(archive.toString('latin1', at + 6 + index * 8, at + 14 + index * 8), 16)
    const nameEnd = at + 110 + field(11)
    const path = archive.toString('utf8', at + 110, nameEnd - 1)
    if (path === 'TRAILER!!!') return found
    const begin = Math.ceil(nameEnd / 4) * 4
    const content = archive.toString('utf8', begin, begin + field(6))
    found.push({
      path,
      mode: field(1),
      device: [field(9), field(10)] as [number, number],
      time: field(5),
      content,
    })
    at = Math.ceil((begin + field(6)) / 4) * 4
  }
}
