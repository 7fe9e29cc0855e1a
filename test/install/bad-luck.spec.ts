// Proves what each kind of bad luck ends in: which error, and that the machine still starts what it started before.
import { describe, expect, it } from 'vitest'
import { bootUntilSettled } from '../../src/core/install/boot-model.ts'
import { partitionNames } from '../../src/core/install/layout.ts'
import { encodeRecords, noRecords, parseRecords, withBlessing } from '../../src/core/install/records.ts'
import { MusterError } from '../../src/errors.ts'
import { bless, recordBoot, rollback } from '../../src/install/boot-records.ts'
import { readTable, regionOf } from '../../src/install/inspect.ts'
import { readInstallOptions } from '../../src/install/install-options.ts'
import type { Step } from '../../src/install/steps.ts'
import type { UpgradeInit } from '../../src/install/upgrade-image.ts'
import { upgradeImage } from '../../src/install/upgrade-image.ts'
import type { FakeImage } from './support/fake-image.ts'
import { fakeImage } from './support/fake-image.ts'
import type { MachineContent } from './support/world.ts'
import {
  blankMachine,
  bootOf,
  bootsOneOf,
  install,
  installed,
  MemoryMachine,
  modelOf,
  opened,
} from './support/world.ts'

const one = fakeImage({ version: '1' })
const two = fakeImage({ version: '2' })
const all = [one, two]

async function upgrade(
  machine: MemoryMachine,
  image: FakeImage,
  change?: Partial<Record<string, Uint8Array>>,
  init: Partial<UpgradeInit> = {},
): Promise<unknown> {
  return upgradeImage(
    { ...machine.installed, image: await opened(image, change) },
    {
      boot: bootOf(one, 'a'),
      architecture: 'x86_64',
      runningEpoch: 1,
      baseline: null,
      force: false,
      onProgress: () => undefined,
      ...init,
    },
  )
}

async function goodOne(): Promise<MachineContent> {
  const machine = new MemoryMachine(await installed(one))
  await bless(machine, bootOf(one, 'a'), 1)
  return machine.content
}

const cut = (bytes: Uint8Array): Uint8Array => bytes.subarray(0, bytes.length - 1_000)
const changed = (bytes: Uint8Array): Uint8Array => {
  const copy = new Uint8Array(bytes)
  copy[2_000]! ^= 1
  return copy
}
const longer = (bytes: Uint8Array): Uint8Array => Buffer.concat([bytes, Buffer.alloc(1)])

describe('an image', () => {
  it.each([
    ['whose root is cut', { 'root.img': cut(two.root) }, 'ERR_IMAGE_DAMAGED'],
    ['whose root was changed', { 'root.img': changed(two.root) }, 'ERR_IMAGE_DAMAGED'],
    ['whose root is too long', { 'root.img': longer(two.root) }, 'ERR_IMAGE_DAMAGED'],
    ['whose entry is cut', { 'installed.efi': cut(two.files['installed.efi']) }, 'ERR_IMAGE_DAMAGED'],
    [
      'whose entry was changed',
      { 'installed.efi': changed(two.files['installed.efi']) },
      'ERR_IMAGE_DAMAGED',
    ],
    ['whose manifest was changed', { 'manifest.json': one.manifestBytes }, 'ERR_IMAGE_SIGNATURE'],
    ['whose signature was changed', { 'manifest.sig': new Uint8Array(64) }, 'ERR_IMAGE_SIGNATURE'],
    ['whose signature is empty', { 'manifest.sig': new Uint8Array(0) }, 'ERR_IMAGE_UNSIGNED'],
    ['without a signature', { 'manifest.sig': undefined }, 'ERR_IMAGE_UNSIGNED'],
    ['without a manifest', { 'manifest.json': undefined }, 'ERR_IMAGE_SOURCE'],
  ] as const)('%s is refused, and the machine starts what it started', async (_, change, code) => {
    const content = await goodOne()
    const machine = new MemoryMachine(content)
    await expect(upgrade(machine, two, change)).rejects.toMatchObject({ code })
    expect(await bootsOneOf([one], { former: [two] })(machine.content)).toBeUndefined()
    expect([...machine.entries.content.keys()]).not.toContain('muster_2+3.efi')
    // And the good one can be installed afterwards.
    const again = new MemoryMachine(machine.content)
    await upgrade(again, two)
    expect(await bootsOneOf([two], { former: [one] })(again.content)).toBeUndefined()
  })

  it.each([
    [
      'of another architecture',
      fakeImage({ version: '2', architecture: 'aarch64' }),
      'ERR_IMAGE_ARCHITECTURE',
    ],
    ['of an older epoch', fakeImage({ version: '2', epoch: 0 }), 'ERR_IMAGE_EPOCH'],
    ['of an older version', fakeImage({ version: '0.9' }), 'ERR_IMAGE_NOT_NEWER'],
  ] as const)('%s changes nothing at all', async (_, image, code) => {
    const machine = new MemoryMachine(await goodOne())
    await expect(upgrade(machine, image)).rejects.toMatchObject({ code })
    expect(machine.power.operations).toBe(0)
  })

  it('is not written while another one is on trial', async () => {
    const machine = new MemoryMachine(await goodOne())
    await upgrade(machine, two)
    const three = fakeImage({ version: '3' })
    const before = machine.power.operations
    await expect(upgrade(machine, three, {}, { boot: bootOf(two, 'b') })).rejects.toMatchObject({
      code: 'ERR_SLOT_BUSY',
    })
    expect(machine.power.operations).toBe(before)
  })

  it.each([
    [{ 'root.img': cut(one.root) }, 'ERR_IMAGE_DAMAGED'],
    [{ 'installed.efi': changed(one.files['installed.efi']) }, 'ERR_IMAGE_DAMAGED'],
    [{ 'loader.efi': changed(one.files['loader.efi']) }, 'ERR_IMAGE_DAMAGED'],
  ] as const)('that is damaged is never installed: %#', async (change, code) => {
    const machine = new MemoryMachine(blankMachine)
    const image = { ...one, files: { ...one.files, ...change } }
    await expect(install(machine, image)).rejects.toMatchObject({ code })
    expect(await bootsOneOf([], { orNotInstalled: true })(machine.content)).toBeUndefined()
  })
})

describe('an upgrade that fails its boots', () => {
  it('falls back, is remembered with its reason, and is never tried again unless forced', async () => {
    const machine = new MemoryMachine(await goodOne())
    await upgrade(machine, two)
    const settled = bootUntilSettled(await modelOf(machine.content, all), (id) => id !== two.manifest.imageId)
    expect(settled).toMatchObject({ outcome: { kind: 'system', imageId: one.manifest.imageId }, powerOns: 4 })
    const names = settled.disk.entries.map(({ name }) => name)
    expect(names).toContain('muster_2+0-3.efi')
    await machine.entries.rename('muster_2+3.efi', 'muster_2+0-3.efi')
    await machine.entries.sync()
    await recordBoot(machine, bootOf(one, 'a'))
    expect(parseRecords(machine.records.text!)?.rejected).toMatchObject([{ version: '2' }])
    await expect(upgrade(machine, two)).rejects.toMatchObject({ code: 'ERR_IMAGE_REJECTED' })
    await upgrade(machine, two, {}, { force: true })
    expect(await bootsOneOf([two], { former: [one] })(machine.content)).toBeUndefined()
    expect(parseRecords(machine.records.text!)).toMatchObject({ rejected: [], trial: { version: '2' } })
  })

  it('ends in the recovery when both slots are bad', async () => {
    const machine = new MemoryMachine(await installed(one))
    const model = await modelOf(machine.content, all)
    const bad = {
      ...model,
      slots: model.slots.map((slot) => (slot.place === 'recovery' ? slot : { ...slot, verifies: false })),
    }
    expect(bootUntilSettled(bad).outcome).toMatchObject({ kind: 'system', mode: 'recovery' })
  })

  it('ends in the recovery when the slots of a machine that was good for years are bad, and is mended from there', async () => {
    const machine = new MemoryMachine(await goodOne())
    const model = await modelOf(machine.content, all)
    const bad = {
      ...model,
      slots: model.slots.map((slot) => (slot.place === 'recovery' ? slot : { ...slot, verifies: false })),
    }
    const settled = bootUntilSettled(bad)
    expect(settled.outcome).toMatchObject({ kind: 'system', mode: 'recovery' })
    for (const { name } of settled.disk.entries.filter(({ uki }) => uki?.mode === 'installed'))
      await machine.entries.rename('muster_1.efi', name)
    await machine.entries.sync()
    const boot = { ...bootOf(one, 'a'), mode: 'recovery', place: 'recovery' } as const
    await upgrade(machine, two, {}, { boot })
    expect(await bootsOneOf([two], { former: [one] })(machine.content)).toBeUndefined()
  })
})

describe('a rollback', () => {
  it('is refused where nothing good is left, and done where there is', async () => {
    const machine = new MemoryMachine(await goodOne())
    await expect(rollback(machine, bootOf(one, 'a'), 'x')).rejects.toMatchObject({
      code: 'ERR_ROLLBACK_NONE',
    })
    await upgrade(machine, two)
    await bless(machine, bootOf(two, 'b'), 1)
    expect(await rollback(machine, bootOf(two, 'b'), 'too slow')).toEqual({ from: '2', to: '1' })
    expect(await bootsOneOf([one], { former: [two] })(machine.content)).toBeUndefined()
    await recordBoot(machine, bootOf(one, 'a'))
    await expect(upgrade(machine, two)).rejects.toMatchObject({
      code: 'ERR_IMAGE_REJECTED',
      details: { detail: 'too slow' },
    })
  })
})

describe('a disk', () => {
  it('that is too small is not touched', async () => {
    const machine = new MemoryMachine(blankMachine)
    const wishes = { persistentBytes: 2 ** 40, extra: [] }
    await expect(install(machine, one, { wishes })).rejects.toMatchObject({ code: 'ERR_DISK_TOO_SMALL' })
    expect(machine.power.operations).toBe(0)
  })

  it.each([1, 5, 12, 20])('that vanishes at write %i leaves no half installation', async (failAt) => {
    let writes = 0
    const machine = new MemoryMachine(blankMachine, undefined, () => {
      if (++writes >= failAt)
        throw new MusterError('ERR_DISK', { disk: '/dev/memory', detail: 'EIO: i/o error' })
    })
    await expect(install(machine, one)).rejects.toMatchObject({ code: 'ERR_DISK' })
    expect(await bootsOneOf([], { orNotInstalled: true })(machine.content)).toBeUndefined()
  })

  it.each(['slotA', 'recovery'] as const)(
    'that keeps %s otherwise than it was written is not installed',
    async (name) => {
      const pattern = new MemoryMachine(await installed(one))
      const { offset } = regionOf((await readTable(pattern.disk))!, partitionNames[name], pattern.disk)!
      const machine = new MemoryMachine(blankMachine)
      const at = offset + one.root.length - 1
      const rot = {
        name: 'rot',
        title: 'one bit changes',
        run: async () =>
          machine.disk.write(
            at,
            machine.disk.peek(at, 1).map((byte) => byte ^ 1),
          ),
      }
      const reorder = (steps: readonly Step[]): readonly Step[] =>
        steps.flatMap((step) => (step.name === 'verify' ? [rot, step] : [step]))
      await expect(install(machine, one, { reorder })).rejects.toMatchObject({ code: 'ERR_IMAGE_DAMAGED' })
      expect(await bootsOneOf([], { orNotInstalled: true })(machine.content)).toBeUndefined()
    },
  )

  it.each([1, 2, 3, 4])('that fails at write %i of an upgrade leaves the running version', async (failAt) => {
    let writes = 0
    const machine = new MemoryMachine(await goodOne(), undefined, () => {
      if (++writes >= failAt)
        throw new MusterError('ERR_DISK', { disk: '/dev/memory', detail: 'ENODEV: no such device' })
    })
    await expect(upgrade(machine, two, {}, { chunkBytes: 8_192 })).rejects.toMatchObject({ code: 'ERR_DISK' })
    expect(await bootsOneOf([one], { former: [two] })(machine.content)).toBeUndefined()
  })
})

describe('a boot partition', () => {
  it('that is full is seen before anything is deleted', async () => {
    const content = await goodOne()
    const filled = new Map([...content.entries!, ['somebody.bin', new Uint8Array(2 ** 24 - 50_000)]])
    const machine = new MemoryMachine({ ...content, entries: filled })
    await expect(upgrade(machine, two)).rejects.toMatchObject({ code: 'ERR_ESP_FULL' })
    expect(machine.power.operations).toBe(0)
  })

  it('with two names on the same clusters keeps both files whole', async () => {
    const content = await goodOne()
    const shared = content.entries!.get('muster_1.efi')!
    const twins = new Map([...content.entries!, ['muster_1+3.efi.part', shared]])
    const machine = new MemoryMachine({ ...content, entries: twins })
    await upgrade(machine, two)
    expect(await bootsOneOf([two], { former: [one] })(machine.content)).toBeUndefined()
    expect(
      Buffer.from(machine.entries.content.get('muster_1.efi')!).equals(
        Buffer.from(one.files['installed.efi']),
      ),
    ).toBe(true)
  })
})

describe('records', () => {
  it('do not depend on the time of day: a clock at 1970 changes nothing', async () => {
    const machine = new MemoryMachine(await goodOne())
    const text = machine.records.text!
    expect(text).not.toMatch(/\d{4}-\d{2}-\d{2}|\d{10,}(?![0-9a-f])/)
    expect(parseRecords(text)).toEqual(withBlessing({ ...noRecords }, one.manifest.imageId, 1))
    expect(encodeRecords(parseRecords(text)!)).toBe(text)
  })
})

describe('the configuration of an installation', () => {
  it('is read as Kairos documents it', () => {
    const { options, faults } = readInstallOptions({
      auto: true,
      device: '/dev/vda',
      poweroff: true,
      firmware: 'efi',
      'part-table': 'gpt',
      nousers: true,
      partitions: {
        oem: { size: 128 },
        state: { size: 4_096 },
        recovery: { size: 2_048 },
        efi: { size: 1_024 },
        persistent: { size: 0 },
      },
      'extra-partitions': [{ name: 'data', size: 100, fs: 'ext4', label: 'DATA' }],
    })
    expect(faults).toEqual([])
    expect(options).toMatchObject({
      auto: true,
      device: '/dev/vda',
      afterwards: 'poweroff',
      wipe: 'none',
      reinstall: 'never',
      partitions: {
        configBytes: 128 * 2 ** 20,
        slotBytes: 2 ** 32,
        recoveryBytes: 2 ** 31,
        espBytes: 2 ** 30,
      },
    })
    expect(options.partitions.extra).toEqual([
      { name: 'data', bytes: 100 * 2 ** 20, fileSystem: 'ext4', label: 'DATA' },
    ])
    // Nothing is installed unasked.
    expect(readInstallOptions(undefined).options).toMatchObject({
      auto: false,
      device: 'auto',
      afterwards: 'reboot',
    })
    expect(readInstallOptions({ force: true, wipe: 'foreign', reboot: false }).options).toMatchObject({
      reinstall: 'wipe',
      wipe: 'foreign',
      afterwards: 'nothing',
    })
  })

  it.each([
    [{ 'no-format': true }, 'no-format'],
    [{ firmware: 'bios' }, 'firmware'],
    [{ 'part-table': 'msdos' }, 'part-table'],
    [{ device: 'script:///x' }, 'device'],
    [{ reboot: true, poweroff: true }, 'reboot'],
    [{ source: 'oci:x' }, 'source'],
    [{ image: 'oci:x' }, 'image'],
    [{ system: { uri: 'oci:x' } }, 'system'],
    [{ encrypted_partitions: ['x'] }, 'encrypted_partitions'],
    [{ grub_options: { a: 'b' } }, 'grub_options'],
    [{ bundles: [{}] }, 'bundles'],
    [{ partitions: { bios: { size: 1 } } }, 'partitions.bios'],
    [{ partitions: { oem: { size: 1, fs: 'ext2' } } }, 'partitions.oem.fs'],
    [{ 'recovery-system': { source: 'dir:x' } }, 'recovery-system.source'],
    [{ 'extra-partitions': [{ name: 'x', size: 1, fs: 'btrfs' }] }, 'extra-partitions.0.fs'],
    [{ 'extra-partitions': [{ name: 'muster-a', size: 1 }] }, 'extra-partitions.0.name'],
    [{ 'extra-partitions': [{ name: 'x' }] }, 'extra-partitions.0.size'],
    [{ 'extra-partitions': 'x' }, 'extra-partitions'],
  ])('names what it cannot do: %j', (block, key) => {
    expect(readInstallOptions(block).faults.map(({ path }) => path)).toEqual([`install.${key}`])
  })

  const extra = (...partitions: readonly object[]): readonly string[] =>
    readInstallOptions({
      'extra-partitions': partitions.map((each) => ({ size: 1, ...each })),
    }).faults.map(({ path, message }) => `${path} ${message}`)

  it.each([
    [{ name: 'x', fs: 'vfat', label: 'TWELVE-CHARS' }, 'label', '11 characters'],
    // Without a label the name is one.
    [{ name: 'twelve-chars', fs: 'vfat' }, 'label', '11 characters'],
    [{ name: 'x', fs: 'vfat', label: 'A.B' }, 'label', '11 characters'],
    [{ name: 'x', fs: 'vfat', label: ' A' }, 'label', '11 characters'],
    [{ name: 'x', fs: 'vfat', label: 'Ä' }, 'label', '11 characters'],
    [{ name: 'x', fs: 'ext4', label: 'seventeen-letters' }, 'label', '16 bytes'],
    [{ name: 'seventeen-letters', fs: 'ext4' }, 'label', '16 bytes'],
    [{ name: 'x', fs: 'ext4', label: 'ää-ää-ää-ää' }, 'label', '16 bytes'],
    [{ name: 'muster-persistent', fs: 'ext4', label: 'x' }, 'name', 'muster-'],
    [{ name: 'x', size: 3 * 2 ** 20, fs: 'vfat' }, 'size', '2 TiB'],
  ])('names what a tool would refuse when the disk is erased: %j', (partition, key, why) => {
    const faults = extra(partition)
    expect(faults).toHaveLength(1)
    expect(faults[0]).toContain(`install.extra-partitions.0.${key} `)
    expect(faults[0]).toContain(why)
  })

  it('names each partition that has the name of one before it', () => {
    const faults = extra({ name: 'data', fs: 'ext4' }, { name: 'other' }, { name: 'data', fs: 'vfat' })
    expect(faults).toEqual([
      'install.extra-partitions.2.name is that of extra-partitions.0: each needs a name of its own',
    ])
  })

  it('takes the longest labels, and any name where there is no file system', () => {
    const vfat = { name: 'a', fs: 'vfat', label: "ELEVEN-'X Y" }
    const ext4 = { name: 'b', fs: 'ext4', label: 'sixteen-letters.' }
    expect(extra(vfat, ext4, { name: 'a name that is longer than labels' })).toEqual([])
  })
})
