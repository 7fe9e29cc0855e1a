// Proves that a power cut after any write of install, upgrade, bless, rollback or boot records leaves a machine that starts a
// verified image by itself (or, before it is installed, the medium again, which chooses the disk by what it sees of it), and that the
// check fails for wrong orders.
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { createInstaller } from '../../src/components/installer.ts'
import { tableRegions } from '../../src/core/install/gpt.ts'
import { partitionNames } from '../../src/core/install/layout.ts'
import { noRecords, encodeRecords, withBlessing } from '../../src/core/install/records.ts'
import { bless, recordBoot, rollback } from '../../src/install/boot-records.ts'
import { readTable, regionOf } from '../../src/install/inspect.ts'
import { carryOutReset, orderReset } from '../../src/install/reset.ts'
import type { Step } from '../../src/install/steps.ts'
import type { UpgradeInit } from '../../src/install/upgrade-image.ts'
import { upgradeImage } from '../../src/install/upgrade-image.ts'
import { losses } from '../../src/testing/power.ts'
import type { FakeImage } from './support/fake-image.ts'
import { fakeImage } from './support/fake-image.ts'
import { insertMedium, writeMagic } from './support/medium.ts'
import type { CutReport, MachineContent } from './support/world.ts'
import {
  MemoryMachine,
  blankMachine,
  bootOf,
  bootsOneOf,
  cutEverywhere,
  install,
  installed,
  opened,
} from './support/world.ts'

const one = fakeImage({ version: '1' })
const two = fakeImage({ version: '2' })
const three = fakeImage({ version: '3' })
const all = [one, two, three]

async function upgrade(
  machine: MemoryMachine,
  image: FakeImage,
  from: { readonly image: FakeImage; readonly place: 'a' | 'b' },
  init: Partial<UpgradeInit> = {},
): Promise<void> {
  await upgradeImage(
    { ...machine.installed, image: await opened(image) },
    {
      boot: bootOf(from.image, from.place),
      architecture: 'x86_64',
      runningEpoch: 1,
      baseline: { peers: 2 },
      force: false,
      onProgress: () => undefined,
      chunkBytes: 8_192,
      ...init,
    },
  )
}

/** Version 1 in slot a, known to be good. */
async function goodOne(): Promise<MachineContent> {
  const content = await installed(one)
  const { entries } = content
  const bytes = entries!.get('muster_1+3.efi')!
  return {
    ...content,
    entries: new Map([
      ...[...entries!].filter(([name]) => name !== 'muster_1+3.efi'),
      ['muster_1.efi', bytes],
    ]),
    records: encodeRecords(withBlessing(noRecords, one.manifest.imageId, 1)),
  }
}

/** Version 2 in slot b runs and is good, version 1 in slot a is the former one. */
async function goodTwo(): Promise<MachineContent> {
  const machine = new MemoryMachine(await goodOne())
  await upgrade(machine, two, { image: one, place: 'a' })
  await bless(machine, bootOf(two, 'b'), 1)
  return machine.content
}

/** An installation that another system has taken: its own first sector, its own data where ours were, our old copy at the end. */
async function takenByOthers(): Promise<MachineContent> {
  const machine = new MemoryMachine({ ...(await installed(one)), entries: undefined })
  const { offset } = regionOf((await readTable(machine.disk))!, partitionNames.slotA, machine.disk)!
  await machine.disk.write(0, new Uint8Array(tableRegions(machine.disk).primary.bytes))
  await machine.disk.write(446, Uint8Array.from([0x80, 0, 0, 0, 0x83]))
  await machine.disk.write(510, Uint8Array.from([0x55, 0xaa]))
  await machine.disk.write(offset, new Uint8Array(8_192).fill(7))
  await machine.disk.flush()
  return machine.content
}

/** What the boot after `muster reset --level reinstall` does. */
async function eraseByReset(machine: MemoryMachine): Promise<void> {
  const root = mkdtempSync(join(tmpdir(), 'muster-erase-'))
  // Closed, a disk in memory forgets what a power cut could leave of its writes.
  machine.disk.close = async () => undefined
  const installer = { ...createInstaller(), openDisk: async () => machine.disk }
  try {
    await orderReset(installer, root, { level: 'reinstall', left: true })
    await carryOutReset(installer, root, machine.disk.path)
  } finally {
    rmSync(root, { recursive: true })
  }
}

function expectNoFailure(report: CutReport, operationsMin: number): void {
  expect(report.failures.slice(0, 5)).toEqual([])
  // The check looked at something: a program that writes nothing cannot be cut.
  expect(report.operations).toBeGreaterThanOrEqual(operationsMin)
  expect(report.cuts).toBe(report.operations * losses.length)
}

describe('a power cut', () => {
  it('in an installation leaves a disk that is not installed, or one that boots', async () => {
    const report = await cutEverywhere({
      content: blankMachine,
      run: (machine) => install(machine, one),
      judge: bootsOneOf(all, { orNotInstalled: true }),
      resume: (machine) => insertMedium([machine], { image: one }),
      judgeEnd: bootsOneOf([one]),
    })
    expectNoFailure(report, 30)
  })

  it.each([
    ['that replaces it', { reinstall: 'wipe' }, [two], [one]],
    ['that leaves it alone', {}, [one, two], []],
  ] as const)(
    'in an installation over another one leaves the old one whole, none, or the new one, to a medium %s',
    async (_, block, ends, former) => {
      const report = await cutEverywhere({
        content: { ...(await installed(one)), entries: undefined },
        run: (machine) => install(machine, two),
        judge: bootsOneOf(all, { orNotInstalled: true }),
        resume: (machine) => insertMedium([machine], { image: two, block }),
        judgeEnd: bootsOneOf(ends, { former }),
      })
      expectNoFailure(report, 30)
    },
  )

  it('in an installation over another system brings back nothing that was there before that one', async () => {
    const report = await cutEverywhere({
      content: await takenByOthers(),
      run: (machine) => install(machine, two),
      judge: bootsOneOf([two], { former: [one], orNotInstalled: true }),
      resume: (machine) => insertMedium([machine], { image: two, block: { wipe: 'foreign' } }),
      judgeEnd: bootsOneOf([two], { former: [one] }),
    })
    expectNoFailure(report, 30)
  })

  it('in an installation over a file system on the whole disk leaves nothing of it to be seen', async () => {
    const machine = new MemoryMachine(blankMachine)
    await writeMagic(machine.disk, 'iso9660')
    await machine.disk.flush()
    const report = await cutEverywhere({
      content: machine.content,
      run: (over) => install(over, two),
      judge: bootsOneOf([two], { orNotInstalled: true }),
      resume: async (over) => {
        await insertMedium([over], { image: two, block: { wipe: 'foreign' } })
        const { outcome } = await insertMedium([over], { image: two, block: { wipe: 'foreign' } })
        expect(outcome.kind).toBe('boot-installed')
      },
    })
    expectNoFailure(report, 30)
  })

  it('in a reset that erases the installation leaves it whole, or a disk that the medium takes for an empty one', async () => {
    const report = await cutEverywhere({
      content: { ...(await installed(one)), entries: undefined },
      run: eraseByReset,
      judge: bootsOneOf([one], { orNotInstalled: true }),
      resume: (machine) => insertMedium([machine], { image: two }),
      judgeEnd: bootsOneOf([one, two], { orNotInstalled: true }),
    })
    expectNoFailure(report, 4)
  })

  it('in an upgrade leaves the old or the new version, and the upgrade can be run again', async () => {
    const report = await cutEverywhere({
      content: await goodOne(),
      run: (machine) => upgrade(machine, two, { image: one, place: 'a' }),
      judge: bootsOneOf([one, two]),
      resume: (machine) => upgrade(machine, two, { image: one, place: 'a' }),
    })
    expectNoFailure(report, 15)
  })

  it('in an upgrade over a former version leaves one that boots', async () => {
    const report = await cutEverywhere({
      content: await goodTwo(),
      run: (machine) => upgrade(machine, three, { image: two, place: 'b' }),
      judge: bootsOneOf([two, three], { former: [one] }),
      resume: (machine) => upgrade(machine, three, { image: two, place: 'b' }),
    })
    expectNoFailure(report, 15)
  })

  it('in boot records and blessing leaves a version that boots, and the next boot ends them', async () => {
    const run = async (machine: MemoryMachine): Promise<void> => {
      await recordBoot(machine, bootOf(two, 'b'))
      await bless(machine, bootOf(two, 'b'), 1)
    }
    const machine = new MemoryMachine(await goodOne())
    await upgrade(machine, two, { image: one, place: 'a' })
    const report = await cutEverywhere({
      content: machine.content,
      run,
      judge: bootsOneOf([one, two]),
      resume: run,
    })
    expectNoFailure(report, 4)
  })

  it('in a rollback leaves either version, and the next boot ends it', async () => {
    const report = await cutEverywhere({
      content: await goodTwo(),
      run: (machine) => rollback(machine, bootOf(two, 'b'), 'by hand'),
      judge: bootsOneOf([one, two]),
      resume: (machine) => recordBoot(machine, bootOf(two, 'b')),
    })
    expectNoFailure(report, 4)
  })
})

describe('the check fails', () => {
  const moveFirst =
    (name: string, before: string) =>
    (steps: readonly Step[]): readonly Step[] => {
      const moved = steps.find((step) => step.name === name)!
      const rest = steps.filter((step) => step !== moved)
      return rest.flatMap((step) => (step.name === before ? [moved, step] : [step]))
    }
  const without =
    (...names: readonly string[]) =>
    (steps: readonly Step[]): readonly Step[] =>
      steps.filter(({ name }) => !names.includes(name))

  it.each([
    ['the table comes first', moveFirst('table', 'boot')],
    ['the table comes before the data partitions', moveFirst('table', 'data')],
  ])('when %s in an installation', async (_, reorder) => {
    const { failures } = await cutEverywhere({
      content: blankMachine,
      run: (machine) => install(machine, one, { reorder }),
      judge: bootsOneOf(all, { orNotInstalled: true }),
      stopAtFirst: true,
    })
    expect(failures).not.toEqual([])
  })

  it('when the old tables are not erased before an installation over another one', async () => {
    const { failures } = await cutEverywhere({
      content: { ...(await installed(one)), entries: undefined },
      run: (machine) => install(machine, two, { reorder: without('erase') }),
      judge: bootsOneOf(all, { orNotInstalled: true }),
      stopAtFirst: true,
    })
    expect(failures).not.toEqual([])
  })

  it('when an upgrade takes the entry of the running image away', async () => {
    const { failures } = await cutEverywhere({
      content: await goodTwo(),
      run: (machine) =>
        upgrade(
          machine,
          three,
          { image: two, place: 'b' },
          {
            reorder: (steps) => [
              ...steps.slice(0, 1),
              {
                name: 'wrong',
                title: '',
                run: async () => {
                  await machine.entries.remove('muster_2.efi')
                  await machine.entries.sync()
                },
              },
              ...steps.slice(1),
            ],
          },
        ),
      judge: bootsOneOf(all),
      stopAtFirst: true,
    })
    expect(failures).not.toEqual([])
  })

  it('when an upgrade renames its entry before it is synced', async () => {
    const { failures } = await cutEverywhere({
      content: await goodOne(),
      run: (machine) => {
        let syncs = 0
        const sync = machine.entries.sync.bind(machine.entries)
        // Only the last one, after the rename.
        machine.entries.sync = async (): Promise<void> => {
          if (++syncs > 1) await sync()
        }
        return upgrade(machine, two, { image: one, place: 'a' })
      },
      judge: bootsOneOf(all),
      stopAtFirst: true,
    })
    expect(failures).not.toEqual([])
  })

  it('when an upgrade puts its entry in place before it has verified the slot', async () => {
    const lie = async (reorder: (steps: readonly Step[]) => readonly Step[]): Promise<string | undefined> => {
      const machine = new MemoryMachine(await goodOne())
      const write = machine.disk.write.bind(machine.disk)
      // A disk that takes eight kilobytes and keeps them otherwise.
      machine.disk.write = (offset, bytes): Promise<void> => {
        const kept = new Uint8Array(bytes)
        if (bytes.byteLength === 8_192) kept[100]! ^= 4
        return write(offset, kept)
      }
      await expect(upgrade(machine, two, { image: one, place: 'a' }, { reorder })).rejects.toMatchObject({
        code: 'ERR_IMAGE_DAMAGED',
      })
      return bootsOneOf(all)(machine.content)
    }
    expect(await lie((steps) => steps)).toBeUndefined()
    const late = (steps: readonly Step[]): readonly Step[] => [
      ...steps.filter(({ name }) => name !== 'verify-slot'),
      ...steps.filter(({ name }) => name === 'verify-slot'),
    ]
    expect(await lie(late)).toContain('leads nowhere')
  })
})
