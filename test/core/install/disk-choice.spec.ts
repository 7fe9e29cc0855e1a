// Proves that the choice of a disk fails closed: every reason to keep away, every preference, and random machines.
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import type { DiskFacts, DiskWishes } from '../../../src/core/install/disk-choice.ts'
import type { InstallReceipt } from '../../../src/core/install/receipt.ts'
import { chooseDisk } from '../../../src/core/install/disk-choice.ts'

const gibibyte = 2 ** 30
const empty: DiskFacts = {
  path: '/dev/sda',
  aliases: ['/dev/disk/by-id/ata-ONE'],
  sizeBytes: 64 * gibibyte,
  sectorBytes: 512,
  model: 'ONE',
  serial: '1',
  transport: 'sata',
  type: 'disk',
  removable: false,
  hotplug: false,
  readOnly: false,
  holders: [],
  mounts: [],
  isBootMedium: false,
  signatures: [],
  table: '',
  partitions: [],
  hasInstallation: false,
  receipt: undefined,
}
const disk = (path: string, facts: Partial<DiskFacts> = {}): DiskFacts => ({
  ...empty,
  path,
  aliases: [`/dev/disk/by-id/${path.slice(5)}`],
  ...facts,
})
const wishes: DiskWishes = {
  device: 'auto',
  minimumBytes: 8 * gibibyte,
  wipe: 'none',
  reinstall: 'never',
  medium: undefined,
}
const installed: Partial<DiskFacts> = { table: 'gpt', partitions: ['muster-esp'], hasInstallation: true }
const receipt: InstallReceipt = {
  format: 1,
  version: '1',
  imageId: '',
  epoch: 1,
  diskId: '',
  installer: '',
  fingerprint: '',
  configDigest: undefined,
}
const foreign: Partial<DiskFacts> = { table: 'gpt', partitions: ['data'] }

describe('chooseDisk', () => {
  const never: readonly (readonly [string, Partial<DiskFacts>])[] = [
    ['removable', { removable: true }],
    ['boot medium', { isBootMedium: true }],
    ['read-only', { readOnly: true }],
    ['mounted', { mounts: ['/data'] }],
    ['held', { holders: ['dm-0'] }],
    ['too small', { sizeBytes: gibibyte }],
    ['without a medium', { sizeBytes: 0 }],
    ['of another type', { type: 'rom' }],
  ]

  it.each(never)('never takes one that is %s, not even by name with leave to wipe', (_, facts) => {
    for (const device of ['auto', '/dev/sda']) {
      const choice = chooseDisk([disk('/dev/sda', facts)], {
        ...wishes,
        device,
        wipe: 'foreign',
        reinstall: 'wipe',
      })
      expect(choice.kind).toBe('none')
      expect(choice.table[0]).toMatchObject({ eligible: false })
      expect(choice.table[0]?.reason).not.toBe('')
    }
  })

  it.each([
    ['a foreign table', foreign],
    ['a file system on the whole device', { signatures: ['ext4'] }],
    ['a member of LVM', { signatures: ['LVM2_member'] }],
    ['an empty table', { table: 'dos' }],
  ] as const)('takes %s only with leave to wipe', (_, facts) => {
    const disks = [disk('/dev/sda', facts)]
    expect(chooseDisk(disks, wishes)).toMatchObject({ kind: 'none', cause: 'has-data' })
    expect(chooseDisk(disks, { ...wishes, device: '/dev/sda' })).toMatchObject({
      kind: 'none',
      cause: 'has-data',
    })
    expect(chooseDisk(disks, { ...wishes, wipe: 'foreign' })).toMatchObject({ kind: 'install' })
    expect(chooseDisk(disks, { ...wishes, wipe: 'none', reinstall: 'wipe' }).kind).toBe('none')
  })

  it('takes a disk that shows an installation and a file system for data, and wipes it only with leave for both', () => {
    const disks = [disk('/dev/sda', { ...installed, signatures: ['ext4'] }), disk('/dev/sdb')]
    for (const policy of [{}, { reinstall: 'wipe' }, { wipe: 'foreign' }] as const) {
      const choice = chooseDisk(disks, { ...wishes, ...policy })
      expect(choice).toMatchObject({ kind: 'install', disk: { path: '/dev/sdb' } })
      expect(choice.table[1]).toMatchObject({ content: 'foreign', eligible: false })
      expect(chooseDisk(disks, { ...wishes, ...policy, device: '/dev/sda' }).kind).toBe('none')
    }
    const both = { ...wishes, reinstall: 'wipe', wipe: 'foreign', device: '/dev/sda' } as const
    expect(chooseDisk(disks, both)).toMatchObject({ kind: 'install', disk: { path: '/dev/sda' } })
  })

  it.each([
    ['on USB', { transport: 'usb' }, 'usb'],
    ['that can be pulled out', { hotplug: true }, 'hot-pluggable'],
  ] as const)('takes and boots a disk %s only by its name, and says so', (_, facts, reason) => {
    for (const content of [{}, foreign, installed]) {
      const disks = [disk('/dev/sda', { ...content, ...facts })]
      for (const reinstall of ['never', 'wipe'] as const) {
        const choice = chooseDisk(disks, { ...wishes, wipe: 'foreign', reinstall })
        expect(choice).toMatchObject({ kind: 'none', cause: 'no-disk' })
        expect(choice.table[0]).toMatchObject({ eligible: false, reason: expect.stringContaining(reason) })
        expect(choice.table[0]?.reason).toContain('install.device')
        for (const device of ['/dev/sda', '/dev/disk/by-id/sda']) {
          const named = chooseDisk(disks, { ...wishes, wipe: 'foreign', reinstall, device })
          expect(named.kind).toBe(
            content === installed && reinstall === 'never' ? 'boot-installed' : 'install',
          )
        }
        expect(chooseDisk(disks, { ...wishes, device: '/dev/sdb' }).table[0]?.eligible).toBe(false)
      }
    }
  })

  it('does not guess which of two disks with data may be wiped', () => {
    const disks = [disk('/dev/sda', foreign), disk('/dev/sdb', foreign)]
    expect(chooseDisk(disks, { ...wishes, wipe: 'foreign' })).toMatchObject({
      kind: 'none',
      cause: 'ambiguous',
    })
    expect(chooseDisk(disks, { ...wishes, wipe: 'foreign', device: '/dev/sdb' })).toMatchObject({
      kind: 'install',
      disk: { path: '/dev/sdb' },
    })
  })

  it('boots what is installed, and replaces it only when told', () => {
    const disks = [disk('/dev/nvme0n1', { transport: 'nvme' }), disk('/dev/sda', installed)]
    expect(chooseDisk(disks, wishes)).toMatchObject({ kind: 'boot-installed', disk: { path: '/dev/sda' } })
    expect(chooseDisk(disks, { ...wishes, wipe: 'foreign' })).toMatchObject({ kind: 'boot-installed' })
    expect(chooseDisk(disks, { ...wishes, reinstall: 'wipe' })).toMatchObject({
      kind: 'install',
      disk: { path: '/dev/sda' },
    })
    expect(chooseDisk(disks, { ...wishes, device: '/dev/sda' })).toMatchObject({ kind: 'boot-installed' })
  })

  it('does not guess which of two installations may be replaced', () => {
    const disks = [disk('/dev/sda', installed), disk('/dev/sdb', installed), disk('/dev/sdc')]
    const policy = { ...wishes, reinstall: 'wipe' } as const
    expect(chooseDisk(disks, policy)).toMatchObject({ kind: 'none', cause: 'ambiguous' })
    expect(chooseDisk(disks, { ...policy, device: '/dev/sdb' })).toMatchObject({
      kind: 'install',
      disk: { path: '/dev/sdb' },
    })
    expect(chooseDisk([disks[0]!, disks[2]!], policy)).toMatchObject({
      kind: 'install',
      disk: { path: '/dev/sda' },
    })
  })

  it('boots what this very medium has installed, and replaces it once only', () => {
    const medium = { imageId: 'a'.repeat(64), configDigest: 'c' }
    const own = { ...installed, receipt: { ...receipt, ...medium } }
    const policy = { ...wishes, reinstall: 'wipe', medium } as const
    for (const device of ['auto', '/dev/sdb']) {
      // Beside another installation as well: that one is not for this medium to replace any more.
      const disks = [disk('/dev/sda', installed), disk('/dev/sdb', own), disk('/dev/sdc')]
      const choice = chooseDisk(disks, { ...policy, device })
      expect(choice).toMatchObject({ kind: 'boot-installed', disk: { path: '/dev/sdb' } })
      expect(choice.reason).toContain('this medium')
    }
    const [other] = [disk('/dev/sda', { ...installed, receipt: { ...own.receipt, configDigest: 'd' } })]
    expect(chooseDisk([other], policy)).toMatchObject({ kind: 'install' })
    expect(chooseDisk([disk('/dev/sda', own)], { ...policy, medium: undefined }).kind).toBe('install')
    expect(chooseDisk([disk('/dev/sda', { ...own, signatures: ['ext4'] })], policy).kind).toBe('none')
  })

  it('prefers the quicker connection, then the smallest that fits, then the name that stays', () => {
    const disks = [
      disk('/dev/sdd', { transport: 'usb', sizeBytes: 10 * gibibyte }),
      disk('/dev/sdb', { transport: 'sata', sizeBytes: 100 * gibibyte }),
      disk('/dev/sdc', { transport: 'sata', sizeBytes: 20 * gibibyte }),
      disk('/dev/nvme0n1', { transport: 'nvme', sizeBytes: 500 * gibibyte }),
      disk('/dev/vda', { transport: 'virtio', sizeBytes: 20 * gibibyte, aliases: ['/dev/disk/by-id/a'] }),
    ]
    const { table } = chooseDisk(disks, wishes)
    expect(table.map((row) => row.disk.path)).toEqual([
      '/dev/nvme0n1',
      '/dev/vda',
      '/dev/sdc',
      '/dev/sdb',
      '/dev/sdd',
    ])
    expect(chooseDisk(disks.toReversed(), wishes)).toMatchObject({
      kind: 'install',
      disk: { path: '/dev/nvme0n1' },
    })
  })

  it('finds a disk by a name below /dev/disk, and none by a wrong one', () => {
    const disks = [disk('/dev/sda'), disk('/dev/sdb')]
    expect(chooseDisk(disks, { ...wishes, device: '/dev/disk/by-id/sdb' })).toMatchObject({
      disk: { path: '/dev/sdb' },
    })
    expect(chooseDisk(disks, { ...wishes, device: '/dev/sdz' })).toMatchObject({
      kind: 'none',
      cause: 'no-disk',
    })
    expect(chooseDisk([], wishes)).toMatchObject({ kind: 'none', cause: 'no-disk', table: [] })
    const twice = disks.map((each) => ({ ...each, aliases: ['/dev/disk/by-path/x'] }))
    expect(chooseDisk(twice, { ...wishes, device: '/dev/disk/by-path/x' })).toMatchObject({
      cause: 'ambiguous',
    })
  })

  it('never overwrites what it was not told to, on any machine', () => {
    const rarely = fc.constantFrom(false, false, false, true)
    const anyDisk = fc.record({
      path: fc.constantFrom('/dev/sda', '/dev/sdb', '/dev/vda', '/dev/nvme0n1'),
      sizeBytes: fc.constantFrom(0, gibibyte, 16 * gibibyte, 64 * gibibyte, 500 * gibibyte),
      transport: fc.constantFrom('', 'usb', 'sata', 'nvme', 'virtio', 'odd'),
      removable: rarely,
      hotplug: rarely,
      readOnly: rarely,
      isBootMedium: rarely,
      mounts: fc.constantFrom([], ['/x']),
      holders: fc.constantFrom([], ['dm-0']),
      signatures: fc.constantFrom([], ['ext4']),
      table: fc.constantFrom('', 'gpt'),
      hasInstallation: fc.boolean(),
    })
    const anyWishes = fc.record({
      device: fc.constantFrom('auto', '/dev/sda'),
      wipe: fc.constantFrom('none' as const, 'foreign' as const),
      reinstall: fc.constantFrom('never' as const, 'wipe' as const),
    })
    fc.assert(
      fc.property(
        fc.uniqueArray(anyDisk, { selector: ({ path }) => path, maxLength: 4 }),
        anyWishes,
        (found, policy) => {
          const disks = found.map(({ path, ...facts }) => disk(path, facts))
          const choice = chooseDisk(disks, { ...wishes, ...policy })
          expect(choice.table.length).toBe(disks.length)
          if (choice.kind !== 'install') return
          const { disk: chosen } = choice
          expect(chosen.removable || chosen.readOnly || chosen.isBootMedium).toBe(false)
          expect([...chosen.mounts, ...chosen.holders]).toEqual([])
          expect(chosen.sizeBytes).toBeGreaterThanOrEqual(wishes.minimumBytes)
          if (chosen.hasInstallation) expect(policy.reinstall).toBe('wipe')
          const isOurs = chosen.hasInstallation && chosen.signatures.length === 0
          if (!isOurs && (chosen.table !== '' || chosen.signatures.length > 0))
            expect(policy.wipe).toBe('foreign')
          if (policy.device === 'auto') expect(chosen.hotplug || chosen.transport === 'usb').toBe(false)
          else expect(chosen.path).toBe(policy.device)
        },
      ),
      { numRuns: 500 },
    )
  })
})
