// Proves that real adapters and fakes keep the promises of their ports, and that what other programs print is read strictly.
import { spawnSync } from 'node:child_process'
import {
  closeSync,
  ftruncateSync,
  mkdirSync,
  mkdtempSync,
  openSync,
  readdirSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { generateKeyPairSync, sign } from 'node:crypto'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { skipNote } from '../support/skip-note.ts'
import { createBootEntries } from '../../src/adapters/boot/boot-entries.ts'
import { createFirmware, entriesNamed } from '../../src/adapters/boot/firmware.ts'
import { createTextFile } from '../../src/adapters/boot/text-file.ts'
import { devicesOf, factsOf, isSoldered } from '../../src/adapters/disk/disk-facts.ts'
import { openDiskTarget } from '../../src/adapters/disk/disk-target.ts'
import { runProgram } from '../../src/adapters/exec.ts'
import { readImageKeys } from '../../src/adapters/image-source/image-keys.ts'
import { openImageSource } from '../../src/adapters/image-source/image-source.ts'
import { bootEntriesSuite } from '../../src/testing/boot-entries-suite.ts'
import { diskSuite } from '../../src/testing/disk-suite.ts'
import { MemoryBootEntries } from '../../src/testing/memory-boot-entries.ts'
import { MemoryDiskTarget } from '../../src/testing/memory-disk.ts'

const sizeBytes = 64 * 2 ** 20
let directory = ''
beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), 'muster-disk-'))
})
afterEach(() => rmSync(directory, { recursive: true, force: true }))

/** A loop device over a new file; empty where the kernel gives none. */
function attachLoop(path: string): string {
  const file = openSync(path, 'w')
  ftruncateSync(file, sizeBytes)
  closeSync(file)
  const { status, stdout } = spawnSync('losetup', ['--find', '--show', path], { encoding: 'utf8' })
  return status === 0 ? stdout.trim() : ''
}

/** Whether this machine has loop devices, and leave to use them. */
function canAttachLoops(): boolean {
  const scratch = mkdtempSync(join(tmpdir(), 'muster-loop-'))
  const device = attachLoop(join(scratch, 'disk'))
  if (device !== '') spawnSync('losetup', ['--detach', device])
  rmSync(scratch, { recursive: true })
  return device !== ''
}

describe('port DiskTarget', () => {
  const hasLoops = canAttachLoops()

  const hasTools = spawnSync('mke2fs', ['-V']).status === 0
  describe.skipIf(!hasTools)(`a plain file${skipNote(hasTools ? '' : 'no mke2fs here')}`, () => {
    const open = async (): Promise<Awaited<ReturnType<typeof openDiskTarget>>> => {
      const path = join(directory, 'disk')
      const file = openSync(path, 'a')
      ftruncateSync(file, sizeBytes)
      closeSync(file)
      return openDiskTarget({ run: runProgram }, path, { mode: 'write' })
    }
    it.each(diskSuite)('$name', ({ run }) => expect(run({ open })).resolves.toBeUndefined())
  })

  describe('memory', () => {
    it.each(diskSuite)('$name', async ({ run }) => {
      const disk = new MemoryDiskTarget({ sizeBytes })
      disk.close = async () => undefined
      await expect(run({ open: async () => disk })).resolves.toBeUndefined()
    })
  })

  describe.skipIf(!hasLoops)(`a block device${skipNote(hasLoops ? '' : 'no loop devices here')}`, () => {
    let device = ''
    const open = (mode: 'read' | 'write' | 'claim'): ReturnType<typeof openDiskTarget> =>
      openDiskTarget({ run: runProgram }, device, { mode })
    beforeEach(() => {
      device = attachLoop(join(directory, 'disk'))
    })
    afterEach(() => void spawnSync('losetup', ['--detach', device]))

    it.each(diskSuite)('$name', ({ run }) =>
      expect(run({ open: () => open('claim') })).resolves.toBeUndefined(),
    )

    it('is claimed by one only, and by none while it is in use', async () => {
      const first = await open('claim')
      await expect(open('claim')).rejects.toMatchObject({ code: 'ERR_DISK_BUSY', details: { disk: device } })
      // The system that runs from a disk looks at it and writes beside itself.
      for (const mode of ['read', 'write'] as const) await (await open(mode)).close()
      const region = { offset: 1_048_576, bytes: 32 * 1_048_576 }
      await first.makeFileSystem(region, { type: 'ext4', label: 'a' })
      await first.makeFileSystem(region, { type: 'vfat', label: 'A' })
      await expect(open('claim')).rejects.toMatchObject({ code: 'ERR_DISK_BUSY' })
      await first.close()
      await (await open('claim')).close()
    })
  })

  it('says what is wrong with a disk that is not there or may not be written', async () => {
    const missing = openDiskTarget({ run: runProgram }, join(directory, 'none'), { mode: 'read' })
    await expect(missing).rejects.toMatchObject({ code: 'ERR_DISK' })
    writeFileSync(join(directory, 'disk'), new Uint8Array(8_192))
    const disk = await openDiskTarget({ run: runProgram }, join(directory, 'disk'), { mode: 'read' })
    await expect(disk.write(0, new Uint8Array(1))).rejects.toMatchObject({ code: 'ERR_DISK' })
    await disk.close()
  })
})

describe('port BootEntries', () => {
  describe('a directory', () => {
    it.each(bootEntriesSuite)('$name', ({ run }) =>
      expect(
        run({
          open: async () => createBootEntries({ directory: join(directory, 'EFI/Linux'), dropCaches: false }),
        }),
      ).resolves.toBeUndefined(),
    )
  })

  describe('memory', () => {
    it.each(bootEntriesSuite)('$name', async ({ run }) => {
      const entries = new MemoryBootEntries()
      await expect(run({ open: async () => entries })).resolves.toBeUndefined()
    })
  })

  it('takes no name that leads elsewhere', async () => {
    const entries = createBootEntries({ directory, dropCaches: false })
    for (const name of ['../x', 'a/b', '', '.x']) await expect(entries.read(name)).rejects.toThrow('name')
  })
})

describe('a text file', () => {
  it('is replaced as a whole', async () => {
    const path = join(directory, 'config/images.json')
    const file = createTextFile(path)
    expect(await file.load()).toBeUndefined()
    await file.save('one')
    await file.save('two')
    expect(await createTextFile(path).load()).toBe('two')
    writeFileSync(`${path}.new`, 'cut')
    expect(await file.load()).toBe('two')
  })
})

describe('what lsblk prints', () => {
  const device = {
    path: '/dev/sda',
    type: 'disk',
    size: 8_589_934_592,
    'log-sec': 512,
    model: 'QEMU HARDDISK  ',
    serial: 'X1',
    tran: null,
    subsystems: 'block:scsi:virtio:pci',
    rm: false,
    hotplug: false,
    ro: false,
    fstype: null,
    pttype: null,
    partlabel: null,
    mountpoints: [null],
  }

  it('becomes facts', () => {
    const json = JSON.stringify({ blockdevices: [device] })
    expect(factsOf(devicesOf(json)[0]!, [], ['/dev/disk/by-id/x'])).toMatchObject({
      path: '/dev/sda',
      model: 'QEMU HARDDISK',
      transport: 'virtio',
      aliases: ['/dev/disk/by-id/x'],
      signatures: [],
      table: '',
      holders: [],
      mounts: [],
      isBootMedium: false,
    })
  })

  it('says which disks can be pulled out, though they do not count as removable', () => {
    expect(factsOf(device, [], [])).toMatchObject({ removable: false, hotplug: false })
    const stick = { ...device, hotplug: true, tran: 'usb', subsystems: 'block:scsi:usb:pci' }
    expect(factsOf(stick, [], [])).toMatchObject({ removable: false, hotplug: true, transport: 'usb' })
  })

  it('tell a soldered chip from a card in a slot', async () => {
    for (const [name, type] of [
      ['mmcblk0', 'MMC'],
      ['mmcblk1', 'SD'],
    ] as const) {
      mkdirSync(join(directory, 'class/block', name, 'device'), { recursive: true })
      writeFileSync(join(directory, 'class/block', name, 'device/type'), `${type}\n`)
    }
    expect(await isSoldered(directory, '/dev/mmcblk0')).toBe(true)
    expect(await isSoldered(directory, '/dev/mmcblk1')).toBe(false)
    expect(await isSoldered(directory, '/dev/sda')).toBe(false)
  })

  it('shows what stands on a disk, however deep', () => {
    const children = [
      {
        ...device,
        path: '/dev/sda1',
        type: 'part',
        partlabel: 'data',
        children: [{ ...device, path: '/dev/dm-0', type: 'crypt', mountpoints: ['/data'] }],
      },
      { ...device, path: '/dev/sda2', type: 'part', mountpoints: ['[SWAP]'] },
    ]
    const facts = factsOf({ ...device, pttype: 'gpt', children }, ['gpt', 'PMBR'], [])
    expect(facts).toMatchObject({
      table: 'gpt',
      partitions: ['data', ''],
      holders: ['/dev/dm-0'],
      mounts: ['/data', '[SWAP]'],
      signatures: [],
    })
    expect(factsOf({ ...device, mountpoints: ['/run/muster/medium'] }, ['iso9660'], []).isBootMedium).toBe(
      true,
    )
  })

  it('is data where the disk itself cannot be probed, or knows more than udev', () => {
    expect(factsOf(device, undefined, []).signatures).toEqual(['something unreadable'])
    expect(factsOf(device, ['LVM2_member'], []).signatures).toEqual(['LVM2_member'])
    expect(factsOf({ ...device, fstype: 'zfs_member' }, [], []).signatures).toEqual(['zfs_member'])
    expect(factsOf(device, ['dos'], []).table).toBe('dos')
  })
})

describe('the firmware', () => {
  const listing = `BootCurrent: 0001
BootOrder: 0003,0001
Boot0000* UiApp\tFvVol(7cb8bdc9)
Boot0003* Muster\tHD(1,GPT,x)/File(\\EFI\\systemd\\systemd-bootx64.efi)
Boot000A  Muster\tHD(1,GPT,y)
Boot0004* Muster Recovery\tHD(1)
`

  it('is asked for entries by their whole label', () => {
    expect(entriesNamed(listing, 'Muster')).toEqual(['0003', '000A'])
    expect(entriesNamed('', 'Muster')).toEqual([])
  })

  it('gets one entry, after those of before are gone', async () => {
    const calls: string[] = []
    const run: typeof runProgram = async (argv) => {
      calls.push(argv.slice(1).join(' '))
      return { exitCode: 0, stdout: listing, stderr: '', truncated: false }
    }
    const firmware = createFirmware({ run }, { variables: directory })
    expect(
      await firmware.registerLoader({ disk: '/dev/vda', partition: 1, path: 'EFI/x.efi', label: 'Muster' }),
    ).toBe(true)
    expect(calls).toEqual([
      '',
      '--quiet --bootnum 0003 --delete-bootnum',
      '--quiet --bootnum 000A --delete-bootnum',
      '--quiet --create --disk /dev/vda --part 1 --loader \\EFI\\x.efi --label Muster',
    ])
    expect(await firmware.startNext('Muster')).toBe(true)
    expect(calls.at(-1)).toBe('--quiet --bootnext 0003')
  })

  it('may have no variables', async () => {
    const run: typeof runProgram = async () => ({
      exitCode: 2,
      stdout: '',
      stderr: 'no EFI',
      truncated: false,
    })
    const firmware = createFirmware({ run }, { variables: join(directory, 'none') })
    expect(
      await firmware.registerLoader({ disk: '/dev/vda', partition: 1, path: 'x', label: 'Muster' }),
    ).toBe(false)
    expect(await firmware.startNext('Muster')).toBe(false)
    expect(await firmware.readCounter()).toBeUndefined()
  })

  it('counts', async () => {
    writeFileSync(join(directory, 'BootOrder-8be4df61-93ca-11d2-aa0d-00e098032b8c'), '')
    const firmware = createFirmware({ run: runProgram }, { variables: directory })
    expect(await firmware.readCounter()).toBe(0)
    await firmware.writeCounter(2)
    expect(await firmware.readCounter()).toBe(2)
  })

  it('counts in a variable that the kernel has made immutable, as it makes all that it does not know', async ({
    skip,
  }) => {
    writeFileSync(join(directory, 'BootOrder-8be4df61-93ca-11d2-aa0d-00e098032b8c'), '')
    const firmware = createFirmware({ run: runProgram }, { variables: directory })
    await firmware.writeCounter(1)
    const variable = join(
      directory,
      readdirSync(directory).find((name) => name.startsWith('Muster'))!,
    )
    const made = spawnSync('chattr', ['+i', variable])
    if (made.status !== 0) return skip('needs root and a file system that knows immutable files')
    expect(() => writeFileSync(variable, '')).toThrow('EPERM')
    await firmware.writeCounter(0)
    expect(await firmware.readCounter()).toBe(0)
  })
})

describe('an image source', () => {
  const publish = (path: string): void => {
    mkdirSync(path, { recursive: true })
    writeFileSync(join(path, 'manifest.json'), '{}')
    writeFileSync(join(path, 'root.img'), Buffer.alloc(3_000, 'r'))
    writeFileSync(join(path, 'empty'), '')
  }
  const collect = async (source: AsyncIterable<Uint8Array>): Promise<Buffer> => {
    const parts: Uint8Array[] = []
    for await (const part of source) parts.push(part)
    return Buffer.concat(parts)
  }

  it.each(['dir', 'medium', 'tar'] as const)('is a %s', async (kind) => {
    publish(join(directory, kind === 'medium' ? 'top/muster' : 'top'))
    if (kind === 'tar') spawnSync('tar', ['-cf', join(directory, 'top.tar'), '-C', directory, 'top'])
    const source = await openImageSource(
      kind === 'tar' ? `file:${join(directory, 'top.tar')}` : `dir:${join(directory, 'top')}`,
    )
    expect(Buffer.from((await source.read('manifest.json', 10))!).toString()).toBe('{}')
    expect(await source.read('manifest.sig', 10)).toBeUndefined()
    await expect(source.read('root.img', 2_999)).rejects.toMatchObject({ code: 'ERR_IMAGE_SOURCE' })
    expect((await collect(source.open('root.img'))).equals(Buffer.alloc(3_000, 'r'))).toBe(true)
    expect((await collect(source.open('empty'))).length).toBe(0)
    await expect((async () => collect(source.open('none')))()).rejects.toMatchObject({
      code: 'ERR_IMAGE_SOURCE',
    })
    await source.close()
  })

  it('is no archive that is cut or is none', async () => {
    publish(join(directory, 'top'))
    const path = join(directory, 'top.tar')
    spawnSync('tar', ['-cf', path, '-C', directory, 'top'])
    const whole = readFileSync(path)
    const at = whole.indexOf('rrrr')
    writeFileSync(path, whole.subarray(0, at + 100))
    await expect(openImageSource(`file:${path}`)).rejects.toMatchObject({ code: 'ERR_IMAGE_SOURCE' })
    writeFileSync(path, Buffer.alloc(2_048, 'x'))
    await expect(openImageSource(`file:${path}`)).rejects.toMatchObject({ code: 'ERR_IMAGE_SOURCE' })
    for (const reference of ['oci:x', path, `file:${directory}/none`]) {
      await expect(openImageSource(reference), reference).rejects.toMatchObject({ code: 'ERR_IMAGE_SOURCE' })
    }
  })
})

describe('image keys', () => {
  it('are Ed25519, and at least one', async () => {
    const [own, other] = [generateKeyPairSync('ed25519'), generateKeyPairSync('ed25519')]
    const pem = (key: typeof own.publicKey): string => String(key.export({ type: 'spki', format: 'pem' }))
    await expect(readImageKeys([directory])).rejects.toMatchObject({ code: 'ERR_IMAGE_KEYS' })
    await expect(readImageKeys([join(directory, 'none')])).rejects.toMatchObject({ code: 'ERR_IMAGE_KEYS' })
    writeFileSync(join(directory, 'a.pem'), pem(own.publicKey))
    writeFileSync(join(directory, 'README'), 'not a key')
    const bytes = Buffer.from('manifest')
    const verify = await readImageKeys([directory])
    expect(verify(bytes, sign(null, bytes, own.privateKey))).toBe(true)
    expect(verify(bytes, sign(null, bytes, other.privateKey))).toBe(false)
    const wrong = generateKeyPairSync('rsa', { modulusLength: 2_048 })
    writeFileSync(join(directory, 'b.pem'), pem(wrong.publicKey))
    await expect(readImageKeys([directory])).rejects.toMatchObject({ code: 'ERR_IMAGE_KEYS' })
  })
})
