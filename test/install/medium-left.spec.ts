// Proves what a medium does that was left in an installed machine: it gives the machine back to its disk and makes no loop of it,
// mends a partition table that an interrupted installation left half written, and overwrites nothing that is not its own.
import { beforeAll, describe, expect, it } from 'vitest'
import { tableRegions } from '../../src/core/install/gpt.ts'
import { MusterError } from '../../src/errors.ts'
import { repairTable } from '../../src/install/repair-table.ts'
import { fakeImage } from './support/fake-image.ts'
import type { FakeFirmware } from './support/medium.ts'
import { insertMedium, obedientFirmware, pathOf, writeMagic } from './support/medium.ts'
import type { MachineContent } from './support/world.ts'
import { blankMachine, installed, MemoryMachine } from './support/world.ts'

const image = fakeImage({ version: '1' })
const sectorBytes = 512
let whole: MachineContent

beforeAll(async () => {
  whole = await installed(image)
})

/** The disk after something was written to its first partition table. */
async function changed(write: (machine: MemoryMachine) => Promise<void>): Promise<MemoryMachine> {
  const machine = new MemoryMachine(whole)
  await write(machine)
  await machine.disk.flush()
  return new MemoryMachine(machine.content)
}

const withoutTable = (): Promise<MemoryMachine> =>
  changed(async ({ disk }) => {
    const { primary } = tableRegions(disk)
    await disk.write(primary.offset, new Uint8Array(primary.bytes))
  })

/** As another system's partitioner leaves it: its own table in the first sector, the old copy still at the end. */
const withForeignTable = (): Promise<MemoryMachine> =>
  changed(async ({ disk }) => {
    const { primary } = tableRegions(disk)
    await disk.write(primary.offset, new Uint8Array(primary.bytes))
    const mbr = new Uint8Array(sectorBytes)
    mbr.set([0x80, 0, 0, 0, 0x83], 446)
    mbr.set([0x55, 0xaa], 510)
    await disk.write(0, mbr)
  })

/** As `mkfs` on the whole device leaves it: a superblock where the entries were, the old copy still at the end. */
const withFileSystem = (): Promise<MemoryMachine> =>
  changed(async ({ disk }) => {
    await disk.write(0, new Uint8Array(sectorBytes))
    await writeMagic(disk, 'ext4')
  })

/** As the image of a disc leaves it: nothing where the table was, and a volume behind it. */
const withImageOfDisc = (): Promise<MemoryMachine> =>
  changed(async ({ disk }) => {
    const { primary } = tableRegions(disk)
    await disk.write(primary.offset, new Uint8Array(primary.bytes))
    await writeMagic(disk, 'iso9660')
  })

function firstTable({ disk }: MemoryMachine): Buffer {
  const { primary } = tableRegions(disk)
  return Buffer.from(disk.peek(primary.offset, primary.bytes))
}

describe('the first partition table', () => {
  it('is left as it is where it is whole', async () => {
    const machine = new MemoryMachine(whole)
    expect(await repairTable(machine.disk)).toBe(false)
  })

  it('is written anew where it is empty, byte for byte', async () => {
    const machine = await withoutTable()
    expect(await repairTable(machine.disk)).toBe(true)
    expect(firstTable(machine).equals(firstTable(new MemoryMachine(whole)))).toBe(true)
  })

  it.each([0, 1, 2])('is written anew where only sector %i is missing', async (sector) => {
    const machine = await changed(({ disk }) => disk.write(sector * sectorBytes, new Uint8Array(sectorBytes)))
    expect(await repairTable(machine.disk)).toBe(true)
    expect(firstTable(machine).equals(firstTable(new MemoryMachine(whole)))).toBe(true)
  })

  it.each([0, 1, 2, 33])('stays where sector %i holds what is not ours', async (sector) => {
    const machine = await changed(({ disk }) =>
      disk.write(sector * sectorBytes, new Uint8Array(sectorBytes).fill(1)),
    )
    const before = firstTable(machine)
    expect(await repairTable(machine.disk)).toBe(false)
    expect(firstTable(machine).equals(before)).toBe(true)
  })

  it('stays where another system has taken the disk', async () => {
    const machine = await withForeignTable()
    const before = firstTable(machine)
    expect(await repairTable(machine.disk)).toBe(false)
    expect(firstTable(machine).equals(before)).toBe(true)
  })
})

/** What a medium with the image that is installed does with this machine: its disk is started. */
async function insert(machine: MemoryMachine, firmware: FakeFirmware): Promise<string> {
  const { outcome, said } = await insertMedium([machine], { image, firmware })
  expect(outcome).toEqual({ kind: 'boot-installed', disk: pathOf(0) })
  return said
}

describe('a medium left in an installed machine', () => {
  it('gives the machine back twice, and then asks for a person', async () => {
    const firmware: FakeFirmware = { counter: 0, startsNext: true, registered: 0 }
    for (const handovers of [1, 2]) {
      await insert(new MemoryMachine(whole), firmware)
      expect(firmware.counter).toBe(handovers)
    }
    await expect(insert(new MemoryMachine(whole), firmware)).rejects.toThrow('it was given back 2 times')
  })

  it('stays where the firmware cannot be told to start the disk', async () => {
    const deaf: FakeFirmware = { counter: undefined, startsNext: false, registered: 0 }
    await expect(insert(new MemoryMachine(whole), deaf)).rejects.toThrow('cannot be told')
    const forgetful: FakeFirmware = { counter: 0, startsNext: false, registered: 0 }
    await expect(insert(new MemoryMachine(whole), forgetful)).rejects.toThrow('cannot be told')
    expect(forgetful).toEqual({ counter: 0, startsNext: false, registered: 1 })
  })

  it('stays where the firmware keeps no count: it would go on for ever', async () => {
    const worn: FakeFirmware = { counter: 0, startsNext: true, registered: 0, isWorn: true }
    await expect(insert(new MemoryMachine(whole), worn)).rejects.toThrow('does not count how often')
  })

  it('mends the table and starts the disk, however often it was given back', async () => {
    for (const counter of [undefined, 0, 2]) {
      const machine = await withoutTable()
      const firmware: FakeFirmware = { counter, startsNext: false, registered: 0 }
      expect(await insert(machine, firmware)).toContain('was written anew from its copy')
      expect(firstTable(machine).equals(firstTable(new MemoryMachine(whole)))).toBe(true)
      expect(firmware.counter).toBe(counter)
    }
  })

  it('takes an installation for one though its own files cannot be read', async () => {
    const machine = new MemoryMachine(whole)
    machine.disk.readTextFile = () => Promise.reject(new MusterError('ERR_DISK', { disk: '', detail: 'EIO' }))
    const { outcome } = await insertMedium([machine], { image, block: { wipe: 'foreign' } })
    expect(outcome.kind).toBe('boot-installed')
  })

  it('overwrites nothing of another system that left the old copy behind', async () => {
    for (const taken of [withForeignTable, withFileSystem, withImageOfDisc]) {
      for (const block of [{}, { reinstall: 'wipe' }, { force: true }]) {
        const machine = await taken()
        const before = machine.content.pages
        await expect(insertMedium([machine], { image, block })).rejects.toMatchObject({
          code: 'ERR_DISK_NONE',
        })
        expect(machine.content.pages).toEqual(before)
      }
    }
  })

  it.each([{}, { reinstall: 'wipe' }])(
    'installs on the empty disk beside one that another system took, with %j',
    async (block) => {
      for (const taken of [withForeignTable, withFileSystem, withImageOfDisc]) {
        const old = await taken()
        const before = old.content.pages
        const { outcome } = await insertMedium([old, new MemoryMachine(blankMachine)], { image, block })
        expect(outcome).toMatchObject({ kind: 'installed', disk: pathOf(1) })
        expect(old.content.pages).toEqual(before)
      }
    },
  )
})

describe('a medium that is to replace an installation', () => {
  const other = fakeImage({ version: '2' })
  const cloudConfig = [{ name: '20_medium.yaml', text: '#cloud-config\nhostname: here\n' }]

  it.each([{ reinstall: 'wipe' }, { force: true }])(
    'does so once, and not at each start: %j',
    async (block) => {
      const machine = new MemoryMachine({ ...whole, entries: undefined })
      const firmware = obedientFirmware()
      const start = (): ReturnType<typeof insertMedium> =>
        insertMedium([machine], { image: other, block, cloudConfig, firmware })
      expect((await start()).outcome).toMatchObject({ kind: 'installed' })
      const after = new Map(machine.content.pages)
      for (const handovers of [1, 2]) {
        const { outcome, said } = await start()
        expect(outcome).toEqual({ kind: 'boot-installed', disk: pathOf(0) })
        expect(said).toContain('was installed by this medium')
        expect(firmware.counter).toBe(handovers)
      }
      await expect(start()).rejects.toThrow('it was given back 2 times')
      expect(machine.content.pages).toEqual(after)
    },
  )

  it('does so again with another image or configuration, and where a person asks for it', async () => {
    const machine = new MemoryMachine({ ...whole, entries: undefined })
    const block = { reinstall: 'wipe' }
    const changedConfig = [{ ...cloudConfig[0]!, text: '#cloud-config\nhostname: there\n' }]
    for (const insertion of [
      { image: other, cloudConfig },
      { image, cloudConfig },
      { image, cloudConfig: changedConfig },
      { image, cloudConfig: changedConfig, again: true },
    ]) {
      const { outcome } = await insertMedium([machine], { block, ...insertion })
      expect(outcome).toMatchObject({
        kind: 'installed',
        receipt: { imageId: insertion.image.manifest.imageId },
      })
    }
  })

  it('does not guess between two installations', async () => {
    const machines = [new MemoryMachine(whole), new MemoryMachine(whole)]
    const start = (device: string): ReturnType<typeof insertMedium> =>
      insertMedium(machines, { image: other, block: { reinstall: 'wipe', device } })
    await expect(start('auto')).rejects.toMatchObject({ code: 'ERR_DISK_NONE' })
    expect(machines.map(({ content }) => content.pages)).toEqual([whole.pages, whole.pages])
    expect((await start(pathOf(1))).outcome).toMatchObject({ kind: 'installed', disk: pathOf(1) })
    expect(machines[0]!.content.pages).toEqual(whole.pages)
  })
})
