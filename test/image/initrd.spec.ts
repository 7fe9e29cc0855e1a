// Proves that an initrd is made of what a kernel's own lists say, that its bytes follow from its content alone, and that its
// script is one that a shell can read.
import { execFileSync } from 'node:child_process'
import {
  chmodSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { distrustedEntryName } from '../../src/core/install/entry-name.ts'
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

describe('distrust of the initrd', () => {
  it('counts the entry of the image that does not start, and no other one', () => {
    const directory = mkdtempSync(join(tmpdir(), 'muster-esp-'))
    try {
      const names = ['muster_1.efi', 'muster_2.efi', 'muster_3+2-1.efi', 'muster-recovery.efi']
      const entries = join(directory, 'EFI/Linux')
      mkdirSync(entries, { recursive: true })
      const image = (name: string): string => (/[0-9]/.exec(name)?.[0] ?? '2').repeat(64)
      for (const name of names) {
        const mode = name.includes('recovery') ? 'recovery' : 'installed'
        const line = `muster.mode=${mode} muster.root=${image(name)} muster.blocks=1`
        writeFileSync(join(entries, name), Buffer.concat([Buffer.alloc(4_096, 0xff), Buffer.from(line)]))
      }
      const script = readFileSync(new URL('../../src/image/initrd/init.sh', import.meta.url), 'utf8')
      const distrust = /^distrust\(\) \{\n[^]*?^\}$/m.exec(script)?.[0].replaceAll('/run/efi', directory)
      const stubs = 'partition_of() { echo vda1; }\nmount() { :; }\numount() { :; }\nwarn() { echo "$*"; }'
      const run = (root: string): string =>
        execFileSync('sh', ['-c', `${stubs}\nmode=installed disk=vda root=${root}\n${distrust}\ndistrust`], {
          encoding: 'utf8',
        })
      expect(run('2'.repeat(64))).toContain('muster_2.efi was known to be good: it has one more try')
      expect(readdirSync(entries).toSorted()).toEqual(
        names.with(1, distrustedEntryName('muster_2')).toSorted(),
      )
      // Those that are counted, and those of other images, stay as they are.
      for (const root of ['2', '3', '4']) expect(run(root.repeat(64))).toBe('')
    } finally {
      rmSync(directory, { recursive: true, force: true })
    }
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
