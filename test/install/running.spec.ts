// Proves what a boot of an installed machine calls, on a directory that stands for it: records, blessing, fallback, and a reset whose
// every change may be the last one before the power goes.
import {
  cpSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import type { InstallerComponents } from '../../src/components/installer.ts'
import { createInstaller } from '../../src/components/installer.ts'
import {
  encodeRecords,
  noRecords,
  parseRecords,
  withBlessing,
  withTrial,
} from '../../src/core/install/records.ts'
import { MusterError } from '../../src/errors.ts'
import { checkReset, isMember, runReset } from '../../src/install/commands.ts'
import { architectureOfMachine, openInstalled } from '../../src/install/machine-facts.ts'
import { carryOutReset, orderReset } from '../../src/install/reset.ts'
import {
  beginBoot,
  blessRunning,
  cancelReset,
  recordUnhealthy,
  runningRecords,
} from '../../src/install/running.ts'
import { MemoryDiskTarget } from '../../src/testing/memory-disk.ts'
import { mountinfo } from '../support/mountinfo.ts'
import { fakeImage } from './support/fake-image.ts'
import { probedFacts } from './support/medium.ts'
import { diskBytes } from './support/world.ts'

const one = fakeImage({ version: '1' })
const two = fakeImage({ version: '2' })
const own = fakeImage({ version: '3', architecture: architectureOfMachine() })
const foreign = fakeImage({
  version: '3',
  architecture: architectureOfMachine() === 'x86_64' ? 'aarch64' : 'x86_64',
})
const manifestOf = ({ manifestBytes }: typeof own): string => Buffer.from(manifestBytes).toString()
const auto = '#cloud-config\ninstall:\n  auto: true\n'
const etcd = 'persist/var/lib/rancher/k3s/server/db/etcd/member/snap/db'

describe('a running machine', () => {
  let root = ''
  let counter: number | undefined = 2
  const installer: InstallerComponents = {
    ...createInstaller(),
    firmware: {
      registerLoader: async () => true,
      startNext: async () => true,
      readCounter: async () => counter,
      writeCounter: async (value) => void (counter = value),
    },
    openDisk: async () => new MemoryDiskTarget({ sizeBytes: diskBytes }),
  }
  /** The installer on a machine with discs in its drives, each with the files of its directory `muster`. */
  const withDiscs = (discs: readonly Readonly<Record<string, string>>[]): InstallerComponents => ({
    ...installer,
    readDisks: async () => [
      probedFacts(new MemoryDiskTarget({ sizeBytes: diskBytes }), '/dev/vda'),
      ...discs.map((_, index) => ({
        ...probedFacts(new MemoryDiskTarget({ sizeBytes: diskBytes }), `/dev/sr${index}`),
        type: 'rom',
        signatures: ['iso9660'],
      })),
    ],
    readMedium: (path, name) => {
      const files = discs[Number(path.slice('/dev/sr'.length))]
      const text = { 'manifest.json': files?.['manifest'], 'config.yaml': files?.['config'] }[name]
      return text === undefined ? undefined : Buffer.from(text)
    },
  })
  const write = (path: string, content: string | Uint8Array): void => {
    mkdirSync(dirname(join(root, path)), { recursive: true })
    writeFileSync(join(root, path), content)
  }
  const records = (): ReturnType<typeof parseRecords> =>
    parseRecords(readFileSync(join(root, 'config/images.json'), 'utf8'))
  const entries = (): readonly string[] => readdirSync(join(root, 'efi/EFI/Linux')).toSorted()
  const runs = (image: typeof one, mode = 'installed'): void =>
    write(
      'run/muster/boot.json',
      JSON.stringify({ mode, imageId: image.manifest.imageId, disk: '/dev/x', partition: 'muster-a' }),
    )

  beforeEach(() => {
    root = mkdtempSync(join(tmpdir(), 'muster-running-'))
    counter = 2
    runs(one)
    write('usr/lib/os-release', 'IMAGE_ID=muster\nIMAGE_VERSION=1\nMUSTER_EPOCH=4\n')
    write('efi/EFI/Linux/muster_1+2-1.efi', one.files['installed.efi'])
    write('efi/EFI/Linux/muster-recovery.efi', one.files['recovery.efi'])
    write(
      'config/images.json',
      encodeRecords(withTrial(noRecords, { imageId: one.manifest.imageId, version: '1', from: '' }, null)),
    )
  })
  afterEach(() => rmSync(root, { recursive: true, force: true }))

  it('is on trial until it is blessed: recorded, then renamed', async () => {
    expect(await beginBoot(root, installer)).toEqual({ restart: false, notes: [] })
    expect(counter).toBe(0)
    expect(await runningRecords(root, installer)).toMatchObject({ onTrial: true })
    expect(await blessRunning(root, installer)).toBe(true)
    expect(entries()).toEqual(['muster-recovery.efi', 'muster_1.efi'])
    expect(records()).toMatchObject({ blessed: [one.manifest.imageId], highestEpoch: 4, trial: null })
    expect(await runningRecords(root, installer)).toMatchObject({ onTrial: false })
  })

  it('remembers why a new version failed when it is back on the old one', async () => {
    const trial = withTrial(
      withBlessing(noRecords, one.manifest.imageId, 4),
      { imageId: two.manifest.imageId, version: '2', from: one.manifest.imageId },
      { peers: 3 },
    )
    write('config/images.json', encodeRecords(trial))
    write('efi/EFI/Linux/muster_2+0-3.efi', two.files['installed.efi'])
    expect((await runningRecords(root, installer)).baseline).toEqual({ peers: 3 })
    runs(two)
    await recordUnhealthy(root, 'no peer was seen', installer)
    runs(one)
    const { notes } = await beginBoot(root, installer)
    expect(notes.join()).toContain('fell back from version 2')
    expect(records()?.rejected).toMatchObject([
      { version: '2', reason: 'no boot of it was healthy: no peer was seen' },
    ])
    expect(records()?.highestEpoch).toBe(4)
  })

  it('trusts nothing when its records are damaged', async () => {
    write('config/images.json', '{"format":1')
    write('efi/EFI/Linux/muster_2.efi', two.files['installed.efi'])
    expect((await beginBoot(root, installer)).notes.join()).toContain('damaged')
    expect(entries()).toContain('muster_2+3.efi')
    expect(records()).toEqual({ ...noRecords, highestEpoch: 4 })
  })

  it('forgets no epoch with its records: the running image and the installation name theirs', async () => {
    write('config/install.json', JSON.stringify({ format: 1, epoch: 6 }))
    write('config/images.json', '{"format":1')
    await beginBoot(root, installer)
    expect(records()?.highestEpoch).toBe(6)
    write('usr/lib/os-release', 'IMAGE_ID=muster\nMUSTER_EPOCH=7\n')
    write('config/images.json', '')
    expect((await runningRecords(root, installer)).records.highestEpoch).toBe(7)
    write('config/install.json', '{"epoch":"many"}')
    await blessRunning(root, installer)
    expect(records()).toMatchObject({ highestEpoch: 7, blessed: [one.manifest.imageId] })
  })

  it('concludes nothing about its images where the boot partition is not mounted', async () => {
    const trial = { imageId: two.manifest.imageId, version: '2', from: one.manifest.imageId }
    write('config/images.json', encodeRecords(withTrial(noRecords, trial, null)))
    write('proc/self/mountinfo', mountinfo({ '/config': 'ext4', '/persist': 'ext4' }))
    rmSync(join(root, 'efi'), { recursive: true })
    expect((await beginBoot(root, installer)).notes.join()).toContain('/efi: nothing is mounted there')
    expect(records()?.trial).toMatchObject({ version: '2' })
    expect(counter).toBe(0)
    await expect(blessRunning(root, installer)).rejects.toMatchObject({
      code: 'ERR_NOT_MOUNTED',
      message: '/efi is not mounted: nothing is mounted there.',
    })
    await expect(openInstalled(installer, root, 'write')).rejects.toMatchObject({ code: 'ERR_NOT_MOUNTED' })
    write('proc/self/mountinfo', mountinfo({ '/config': 'ext4', '/efi': 'vfat' }))
    await (await openInstalled(installer, root, 'write')).close()
  })

  it.each(['live', 'recovery'])('is left alone as a %s system', async (mode) => {
    runs(one, mode)
    expect(await beginBoot(root, installer)).toEqual({ restart: false, notes: [] })
    expect(await blessRunning(root, installer)).toBe(false)
    expect(entries()).toEqual(['muster-recovery.efi', 'muster_1+2-1.efi'])
    await expect(runReset({ root, level: 'soft', left: false, force: false })).rejects.toMatchObject({
      code: 'ERR_NOT_INSTALLED',
    })
  })

  describe('a reset', () => {
    beforeEach(() => {
      write(etcd, 'etcd data')
      write('persist/var/lib/rancher/k3s/agent/images/a.tar', 'image')
      write('persist/var/lib/kubelet/pods/x', 'pod')
      write('persist/other', 'file')
      write('persist/binds/srv/data', 'of nobody but this machine')
      write('config/state/a.state', 'key and votes')
      write('config/machine-id', 'f')
      write('config/ssh/key', 'k')
      write('config/cloud-config/40_a.yaml', 'muster: {}\n')
    })
    const files = (): readonly string[] =>
      readdirSync(root, { recursive: true, withFileTypes: true })
        .filter(
          (entry) =>
            entry.isFile() && /(^|\/)(persist|config)(\/|$)/.test(entry.parentPath.slice(root.length)),
        )
        .map((entry) => join(entry.parentPath, entry.name).slice(root.length + 1))
        .toSorted()

    it('of a member that did not leave is refused, or forced and keeps its data', async () => {
      expect(await isMember(root)).toBe(true)
      for (const level of ['data', 'factory', 'reinstall'] as const) {
        await expect(runReset({ root, level, left: false, force: false })).rejects.toMatchObject({
          code: 'ERR_RESET_MEMBER',
        })
      }
      await runReset({ root, level: 'data', left: false, force: true })
      const { notes } = await beginBoot(root, installer)
      expect(notes.join()).toContain('backup/etcd-1')
      expect(files()).toEqual([
        'config/cloud-config/40_a.yaml',
        'config/images.json',
        'config/machine-id',
        'config/ssh/key',
        'config/state/a.state',
        'persist/backup/etcd-1/etcd/member/snap/db',
        // What `install.bind_mounts` names is none of k3s' data.
        'persist/binds/srv/data',
      ])
      expect(existsSync(join(root, 'persist/var/lib/rancher'))).toBe(true)
      expect((await beginBoot(root, installer)).notes).toEqual([])
    })

    it('factory forgets who the machine is, keeps its configuration and epoch, and restarts', async () => {
      await runReset({ root, level: 'factory', left: true, force: false })
      expect(await beginBoot(root, installer)).toMatchObject({ restart: true })
      expect(files()).toEqual(['config/cloud-config/40_a.yaml', 'config/images.json'])
      expect(existsSync(join(root, 'config/state'))).toBe(true)
    })

    it('that fails is told and stays asked for, and the boot is recorded all the same', async () => {
      await orderReset(installer, root, { level: 'reinstall', left: true })
      const trial = { imageId: two.manifest.imageId, version: '2', from: one.manifest.imageId }
      write('config/images.json', encodeRecords(withTrial(noRecords, trial, null)))
      write('efi/EFI/Linux/muster_2+0-3.efi', two.files['installed.efi'])
      const openDisk = async (): Promise<never> => {
        throw new MusterError('ERR_DISK', { disk: '/dev/x', detail: 'EIO' })
      }
      const { restart, notes } = await beginBoot(root, { ...installer, openDisk })
      expect(restart).toBe(false)
      expect(notes.join()).toMatch(/the reset was not carried out: ERR_DISK.*fell back from version 2/)
      expect(records()?.rejected).toMatchObject([{ version: '2' }])
      expect(counter).toBe(0)
      expect(existsSync(join(root, 'config/reset.json'))).toBe(true)
    })

    it.each(['data', 'factory'] as const)(
      '%s waits until its data can be seen: it is not done where they are not mounted',
      async (level) => {
        await orderReset(installer, root, { level, left: true })
        const before = files()
        write('proc/self/mountinfo', mountinfo({ '/config': 'ext4', '/efi': 'vfat' }))
        const { restart, notes } = await beginBoot(root, installer)
        expect(restart).toBe(false)
        expect(notes.join()).toContain('ERR_NOT_MOUNTED: /persist is not mounted')
        expect(files()).toEqual(before)
        write('proc/self/mountinfo', mountinfo({ '/config': 'ext4', '/persist': 'ext4', '/efi': 'vfat' }))
        expect((await beginBoot(root, installer)).notes.join()).toContain(`reset ${level}: done`)
        expect(files()).not.toContain('persist/var/lib/kubelet/pods/x')
      },
    )

    it('can be taken back, and soft removes nothing', async () => {
      const before = files()
      await runReset({ root, level: 'factory', left: true, force: false })
      await cancelReset(root)
      await beginBoot(root, installer)
      expect(files()).toEqual(before)
      await runReset({ root, level: 'soft', left: false, force: false })
      await beginBoot(root, installer)
      expect(files()).toEqual(before)
    })

    it.each<readonly [string, Readonly<Record<string, string>>, string]>([
      ['of something else', {}, 'no image of muster'],
      ['with a manifest that is none', { manifest: '{}', config: auto }, 'manifest cannot be read'],
      ['for another architecture', { manifest: manifestOf(foreign), config: auto }, 'an image for'],
      ['without a configuration', { manifest: manifestOf(own) }, 'no configuration'],
      ['with an empty configuration', { manifest: manifestOf(own), config: '\n\n\n' }, 'no configuration'],
      ['with a broken configuration', { manifest: manifestOf(own), config: 'install: 3\n' }, 'with errors'],
      [
        'that installs nothing by itself',
        { manifest: manifestOf(own), config: 'hostname: here\n' },
        'install.auto: true',
      ],
      [
        'that installs nothing by itself in so many words',
        { manifest: manifestOf(own), config: '#cloud-config\ninstall:\n  auto: false\n' },
        'install.auto: true',
      ],
      [
        'that cannot do what it is to do',
        { manifest: manifestOf(own), config: '#cloud-config\ninstall:\n  auto: true\n  no-format: true\n' },
        'install.no-format',
      ],
    ])('reinstall is refused with a disc %s, and nothing is asked for', async (_, files, why) => {
      const request = { root, level: 'reinstall', left: true, force: false } as const
      for (const check of [checkReset, runReset]) {
        await expect(check(request, withDiscs([files]))).rejects.toMatchObject({
          code: 'ERR_RESET_NO_MEDIUM',
          details: { detail: expect.stringContaining(why) },
        })
      }
      expect(existsSync(join(root, 'config/reset.json'))).toBe(false)
      await runReset({ ...request, force: true }, withDiscs([files]))
      expect(existsSync(join(root, 'config/reset.json'))).toBe(true)
    })

    it('reinstall is asked for where one of the discs installs this machine', async () => {
      const request = { root, level: 'reinstall', left: true, force: false } as const
      await expect(runReset(request, withDiscs([]))).rejects.toMatchObject({ code: 'ERR_RESET_NO_MEDIUM' })
      await runReset(request, withDiscs([{}, { manifest: manifestOf(own), config: `${auto}\n\n` }]))
      expect(existsSync(join(root, 'config/reset.json'))).toBe(true)
    })

    it('reinstall erases both tables', async () => {
      const disk = new MemoryDiskTarget({ sizeBytes: diskBytes })
      await disk.write(512, Buffer.from('EFI PART'))
      await disk.write(diskBytes - 512, Buffer.from('EFI PART'))
      await disk.flush()
      await orderReset(installer, root, { level: 'reinstall', left: true })
      expect(await carryOutReset({ ...installer, openDisk: async () => disk }, root, '/dev/x')).toMatchObject(
        { restart: true },
      )
      expect(disk.peek(512, 8).every((byte) => byte === 0)).toBe(true)
      expect(disk.peek(diskBytes - 512, 8).every((byte) => byte === 0)).toBe(true)
    })

    it.each([
      ['data', false],
      ['data', true],
      ['factory', false],
      ['factory', true],
    ] as const)(
      '%s (left: %s) cut at every change comes to the same end, and never loses a member',
      async (level, left) => {
        await orderReset(installer, root, { level, left })
        const start = `${root}-start`
        cpSync(root, start, { recursive: true })
        try {
          await carryOutReset(installer, root, '/dev/x')
          const end = files()
          let changes = 0
          for (let cutAt = 1; ; cutAt++) {
            rmSync(root, { recursive: true })
            cpSync(start, root, { recursive: true })
            let seen = 0
            const cut = (): void => {
              if (++seen === cutAt) throw new Error('the power went')
            }
            const done = await carryOutReset(installer, root, '/dev/x', cut).then(
              () => true,
              () => false,
            )
            if (done) break
            changes++
            const kept = files().some((path) => path.endsWith('etcd/member/snap/db'))
            if (!left) expect(kept).toBe(true)
            await carryOutReset(installer, root, '/dev/x')
            expect(files()).toEqual(end)
          }
          expect(changes).toBeGreaterThan(3)
        } finally {
          rmSync(start, { recursive: true, force: true })
        }
      },
    )
  })
})
