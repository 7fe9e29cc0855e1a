// Proves install and upgrade with the real tools on a plain file: real mkfs, mtools and sfdisk read what was written. Skipped, and says so, without them.
import { spawnSync } from 'node:child_process'
import { generateKeyPairSync, sign } from 'node:crypto'
import {
  mkdirSync,
  mkdtempSync,
  openSync,
  ftruncateSync,
  closeSync,
  readFileSync,
  rmSync,
  statSync,
  writeFileSync,
  writeSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { skipNote } from '../support/skip-note.ts'
import { createInstaller } from '../../src/components/installer.ts'
import { partitionNames } from '../../src/core/install/layout.ts'
import { bless } from '../../src/install/boot-records.ts'
import { findInstallation, inspectMachine, readTable, regionOf } from '../../src/install/inspect.ts'
import type { InstallReceipt } from '../../src/core/install/receipt.ts'
import { installOnPath } from '../../src/install/install-machine.ts'
import { readInstallOptions } from '../../src/install/install-options.ts'
import { openImage } from '../../src/install/open-image.ts'
import { upgradeImage } from '../../src/install/upgrade-image.ts'
import type { FakeImage } from './support/fake-image.ts'
import { fakeImage, sha256 } from './support/fake-image.ts'
import { bootOf } from './support/world.ts'

const tools = ['mkfs.vfat', 'mcopy', 'mke2fs', 'e2fsck', 'debugfs', 'sfdisk', 'tar', 'wipefs']
const missing = tools.filter((tool) => spawnSync('which', [tool]).status !== 0)
if (missing.length > 0) process.stderr.write(`SKIPPED: install on a plain file needs ${missing.join(', ')}\n`)

const { publicKey, privateKey } = generateKeyPairSync('ed25519')
const installer = createInstaller()
const one = fakeImage({ version: '1' })
const two = fakeImage({ version: '2' })

describe.skipIf(missing.length > 0)(`on a plain file${skipNote(missing.join(', '))}`, () => {
  let directory = ''
  let disk = ''
  const steps: string[] = []
  let receipt: InstallReceipt | undefined
  let rows: readonly { readonly name: string; readonly start: number; readonly size: number }[] = []

  const run = (program: string, ...argv: readonly string[]): string => {
    const { status, stdout, stderr } = spawnSync(program, argv, {
      encoding: 'utf8',
      env: { ...process.env, MTOOLS_SKIP_CHECK: '1' },
    })
    expect(status, `${program} ${argv.join(' ')}: ${stderr}`).toBe(0)
    return stdout
  }
  const signaturesOf = (path: string): readonly string[] =>
    JSON.parse(run('wipefs', '--json', path)).signatures.map(({ type }: { readonly type: string }) => type)
  const offsetOf = (name: string): number => rows.find((row) => row.name === name)!.start * 512

  /** Writes an image's files as a directory, and a tar of it. */
  function publish(image: FakeImage): { readonly dir: string; readonly tar: string } {
    const path = join(directory, `image-${image.manifest.version}`)
    mkdirSync(path)
    writeFileSync(join(path, 'manifest.json'), image.manifestBytes)
    writeFileSync(join(path, 'manifest.sig'), sign(null, image.manifestBytes, privateKey))
    for (const [name, bytes] of Object.entries(image.files)) writeFileSync(join(path, name), bytes)
    run('tar', '-cf', `${path}.tar`, '-C', directory, `image-${image.manifest.version}`)
    return { dir: `dir:${path}`, tar: `file:${path}.tar` }
  }

  beforeAll(async () => {
    directory = mkdtempSync(join(tmpdir(), 'muster-plain-'))
    disk = join(directory, 'disk')
    closeSync(openSync(disk, 'w'))
    const file = openSync(disk, 'r+')
    ftruncateSync(file, 6 * 2 ** 30)
    // A disc image was written to it before: its volume descriptor lies behind the place of the table.
    writeSync(file, Buffer.from('\u0001CD001\u0001'), 0, 7, 32_768)
    closeSync(file)
    if (signaturesOf(disk).join() !== 'iso9660') throw new Error('the disc image is not seen')
    writeFileSync(join(directory, 'key.pem'), publicKey.export({ type: 'spki', format: 'pem' }))
    const { options, faults } = readInstallOptions({
      'extra-partitions': [{ name: 'extra', size: 64, fs: 'ext4', label: 'EXTRA' }],
    })
    if (faults.length > 0) throw new Error(JSON.stringify(faults))
    receipt = await installOnPath(installer, disk, {
      options,
      source: publish(one).dir,
      verify: await installer.readKeys([join(directory, 'key.pem')]),
      cloudConfig: [{ name: '20_medium.yaml', text: '#cloud-config\nhostname: here\n' }],
      onProgress: ({ title, bytes }) => void (bytes === undefined && steps.push(title)),
      say: () => undefined,
      runStage: async () => undefined,
    })
    rows = JSON.parse(run('sfdisk', '--json', disk)).partitiontable.partitions
  })
  afterAll(() => rmSync(directory, { recursive: true, force: true }))

  it('installs what firmware, fsck and sfdisk accept', () => {
    expect(receipt).toMatchObject({ version: '1', imageId: one.manifest.imageId })
    expect(steps).toHaveLength(8)
    const { esp, slotA, slotB, recovery, config, persistent } = partitionNames
    expect(rows.map(({ name }) => name)).toEqual([esp, slotA, slotB, recovery, config, 'extra', persistent])
    expect(run('sfdisk', '--verify', disk)).toContain('No errors detected')
    expect(signaturesOf(disk)).toEqual(['gpt', 'gpt', 'PMBR'])
    const fat = `${disk}@@${offsetOf(esp)}`
    expect(run('mdir', '-/', '-b', '-i', fat, '::').trim().split('\n').toSorted()).toEqual([
      '::/EFI/',
      '::/EFI/BOOT/',
      '::/EFI/BOOT/BOOTX64.EFI',
      '::/EFI/Linux/',
      '::/EFI/Linux/muster-recovery.efi',
      '::/EFI/Linux/muster_1+3.efi',
      '::/EFI/systemd/',
      '::/EFI/systemd/systemd-bootx64.efi',
      '::/loader/',
      '::/loader/loader.conf',
    ])
    const out = join(directory, 'entry')
    run('mcopy', '-n', '-i', fat, '::/EFI/Linux/muster_1+3.efi', out)
    expect(sha256(readFileSync(out))).toBe(one.manifest.files['installed.efi'].sha256)
    for (const name of [config, 'extra', persistent]) {
      expect(run('e2fsck', '-fn', `${disk}?offset=${offsetOf(name)}`)).toContain('files')
    }
    const inside = (request: string): string =>
      run('debugfs', '-R', request, `${disk}?offset=${offsetOf(config)}`)
    expect(inside('cat /cloud-config/20_medium.yaml')).toContain('hostname: here')
    expect(inside('stat /cloud-config/20_medium.yaml')).toContain('Mode:  0600')
    expect(inside('cat /machine-id')).toMatch(/^[0-9a-f]{32}\n$/)
    expect(inside('cat /images.json')).toContain(one.manifest.imageId)
    expect(inside('stat /state')).toContain('Type: directory')
  })

  it('says on the disk what it was installed from', async () => {
    const target = await installer.openDisk(disk, 'read')
    try {
      const found = await findInstallation(target)
      expect(found).toEqual({ receipt })
      expect(receipt?.configDigest).toMatch(/^[0-9a-f]{64}$/)
      const region = regionOf((await readTable(target))!, partitionNames.config, target)!
      expect(await target.readTextFile(region, 'machine-id')).toMatch(/^[0-9a-f]{32}\n$/)
      expect(await target.readTextFile(region, 'nothing.json')).toBeUndefined()
      expect(await target.readTextFile({ ...region, offset: 0 }, 'machine-id')).toBeUndefined()
    } finally {
      await target.close()
    }
  })

  it('upgrades from an archive into the other slot', async () => {
    const { tar } = publish(two)
    // The ESP cannot be mounted everywhere: its directory of entries stands in for it.
    const esp = join(directory, 'esp')
    mkdirSync(esp)
    for (const name of ['muster_1+3.efi', 'muster-recovery.efi']) {
      run(
        'mcopy',
        '-n',
        '-i',
        `${disk}@@${offsetOf(partitionNames.esp)}`,
        `::/EFI/Linux/${name}`,
        join(esp, name),
      )
    }
    const entries = installer.openEntries(esp, { dropCaches: false })
    const records = installer.openText(join(directory, 'config', 'images.json'))
    const kept = { records, knownEpochs: async () => [1] }
    await bless({ entries, ...kept }, bootOf(one, 'a'), 1)
    const target = await installer.openDisk(disk, 'write')
    try {
      const source = await installer.openSource(tar)
      const image = await openImage(source, await installer.readKeys([directory]))
      const machine = { disk: target, entries, ...kept }
      const init = {
        boot: bootOf(one, 'a'),
        architecture: 'x86_64',
        runningEpoch: 1,
        baseline: null,
        force: false,
        onProgress: () => undefined,
      } as const
      expect(await upgradeImage({ ...machine, image }, init)).toMatchObject({ changed: true, slot: 'b' })
      const { state } = await inspectMachine(machine, bootOf(one, 'a'))
      expect(state.held).toEqual({
        a: one.manifest.imageId,
        b: two.manifest.imageId,
        recovery: one.manifest.imageId,
      })
      expect(state.entries.map(({ name }) => name).toSorted()).toEqual([
        'muster-recovery.efi',
        'muster_1.efi',
        'muster_2+3.efi',
      ])
      expect(state.records).toMatchObject({ trial: { version: '2' }, blessed: [one.manifest.imageId] })
      expect(await upgradeImage({ ...machine, image }, init)).toMatchObject({ changed: false })
    } finally {
      await target.close()
    }
    const slot = readSlot(offsetOf(partitionNames.slotB), two.root.length)
    expect(sha256(slot)).toBe(two.manifest.files['root.img'].sha256)
  })

  function readSlot(offset: number, bytes: number): Uint8Array {
    const out = join(directory, 'slot')
    run(
      'dd',
      `if=${disk}`,
      `of=${out}`,
      'iflag=skip_bytes,count_bytes',
      `skip=${offset}`,
      `count=${bytes}`,
      'status=none',
    )
    return readFileSync(out).subarray(0, statSync(out).size)
  }
})
