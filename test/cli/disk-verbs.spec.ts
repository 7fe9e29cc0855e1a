// Proves the verbs over disks end to end on a plain file: install, slots, upgrade, rollback and reset, with their output, errors and exit codes.
import { spawnSync } from 'node:child_process'
import { generateKeyPairSync, sign } from 'node:crypto'
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
import { dirname, join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { skipNote } from '../support/skip-note.ts'
import type { FakeImage } from '../install/support/fake-image.ts'
import { fakeImage } from '../install/support/fake-image.ts'
import { mountinfo } from '../support/mountinfo.ts'
import { muster } from './fake-agent.ts'

const missing = ['mkfs.vfat', 'mcopy', 'mke2fs'].filter((tool) => spawnSync('which', [tool]).status !== 0)
if (missing.length > 0) process.stderr.write(`SKIPPED: the verbs over disks need ${missing.join(', ')}\n`)

const { publicKey, privateKey } = generateKeyPairSync('ed25519')
const architecture = process.arch === 'arm64' ? 'aarch64' : 'x86_64'
const one = fakeImage({ version: '1', architecture })
const two = fakeImage({ version: '2', architecture })

describe.skipIf(missing.length > 0)(`verbs over disks${skipNote(missing.join(', '))}`, () => {
  let directory = ''
  let root = ''
  let disk = ''
  const write = (path: string, content: string | Uint8Array): string => {
    mkdirSync(dirname(path), { recursive: true })
    writeFileSync(path, content)
    return path
  }
  const publish = (image: FakeImage): string => {
    const path = join(directory, `image-${image.manifest.version}`)
    write(join(path, 'manifest.json'), image.manifestBytes)
    write(join(path, 'manifest.sig'), sign(null, image.manifestBytes, privateKey))
    for (const [name, bytes] of Object.entries(image.files)) write(join(path, name), bytes)
    return `dir:${path}`
  }
  const key = (): readonly string[] => ['--key', join(directory, 'key.pem')]
  const runs = (image: FakeImage, partition: string): string =>
    write(
      join(root, 'run/muster/boot.json'),
      JSON.stringify({ mode: 'installed', imageId: image.manifest.imageId, disk, partition }),
    )
  const slots = async (): Promise<readonly Record<string, unknown>[]> =>
    JSON.parse((await muster(['slots', '--root', root, '-o', 'json'])).stdout).slots

  beforeAll(() => {
    directory = mkdtempSync(join(tmpdir(), 'muster-verbs-'))
    root = join(directory, 'root')
    disk = write(join(directory, 'disk'), '')
    const file = openSync(disk, 'r+')
    ftruncateSync(file, 6 * 2 ** 30)
    closeSync(file)
    write(join(directory, 'key.pem'), String(publicKey.export({ type: 'spki', format: 'pem' })))
    write(join(directory, 'site.yaml'), '#cloud-config\nhostname: here\n')
  })
  afterAll(() => rmSync(directory, { recursive: true, force: true }))

  it('refuse what they cannot do, and say why', async () => {
    const config = write(join(directory, 'bad.yaml'), '#cloud-config\ninstall:\n  no-format: true\n')
    const base = ['install', '--device', disk, '--source', publish(one), '--root', root]
    expect(await muster([...base, ...key(), '--config', config])).toMatchObject({
      code: 4,
      stderr: expect.stringContaining('install.no-format'),
    })
    expect(await muster([...base, '--config', join(directory, 'site.yaml')])).toMatchObject({
      code: 1,
      stderr: expect.stringContaining('No key is known'),
    })
    expect((await muster(['upgrade', '--root', root])).code).toBe(2)
    expect((await muster(['reset', '--root', root])).code).toBe(2)
    for (const verb of [['slots'], ['rollback'], ['reset', '--level', 'soft']]) {
      expect(await muster([...verb, '--root', root])).toMatchObject({
        code: 1,
        stderr: expect.stringContaining('no installed machine'),
      })
    }
  })

  it('install on a file, step by step', async () => {
    const config = join(directory, 'site.yaml')
    const ran = await muster([
      'install',
      '--device',
      disk,
      '--source',
      publish(one),
      '--config',
      config,
      '--root',
      root,
      ...key(),
    ])
    expect(ran).toMatchObject({ code: 0, stdout: '' })
    expect(ran.stderr).toContain('muster install: [8/8] write the partition table')
    expect(ran.stderr).toMatch(/done: version 1 on \S+, machine [0-9a-f]{16}/)
  }, 120_000)

  it('upgrade, show and roll back', async () => {
    mkdirSync(join(root, 'efi/EFI'), { recursive: true })
    // What the initrd would have mounted.
    spawnSync('mcopy', ['-s', '-n', '-i', `${disk}@@1M`, '::/EFI/Linux', join(root, 'efi/EFI/')], {
      env: { ...process.env, MTOOLS_SKIP_CHECK: '1' },
    })
    runs(one, 'muster-a')
    write(
      join(root, 'config/images.json'),
      JSON.stringify({
        format: 1,
        highestEpoch: 1,
        blessed: [one.manifest.imageId],
        rejected: [],
        trial: null,
        baseline: null,
      }),
    )
    expect(await slots()).toMatchObject([
      { slot: 'a', version: '1', running: true, triesLeft: 3, next: true },
      { slot: 'b', version: '' },
      { slot: 'recovery', version: '1', running: false },
    ])
    const upgraded = await muster(['upgrade', '--source', publish(two), '--root', root, ...key()])
    expect(upgraded).toMatchObject({ code: 0, stdout: expect.stringContaining('version 2 is in slot b') })
    const again = await muster(['upgrade', '--source', publish(two), '--root', root, '-o', 'json', ...key()])
    expect(JSON.parse(again.stdout)).toMatchObject({ kind: 'Upgrade', changed: false })
    runs(two, 'muster-b')
    const table = (await muster(['slots', '--root', root, '-o', 'wide'])).stdout
    expect(table).toMatch(/^b\s+2\s+[0-9a-f]{12}\s+yes\s+-\s+3\s+yes\s+-\s+muster_2\+3\.efi$/m)
    expect(await muster(['rollback', '--root', root, '--reason', 'too slow'])).toMatchObject({
      code: 0,
      stderr: expect.stringContaining('version 1 is started at the next boot'),
    })
    expect(await slots()).toMatchObject([
      { next: true },
      { next: false, rejected: 'too slow', triesLeft: 0 },
      {},
    ])
    expect(readdirSync(join(root, 'efi/EFI/Linux')).toSorted()).toContain('muster_2+0-1.efi')
    runs(one, 'muster-a')
    expect(await muster(['upgrade', '--source', publish(two), '--root', root, ...key()])).toMatchObject({
      code: 1,
      stderr: expect.stringContaining('too slow'),
    })
  })

  it('say what is missing where a partition is not mounted, and do nothing in memory', async () => {
    const mounts = write(join(root, 'proc/self/mountinfo'), mountinfo({ '/config': 'ext4' }))
    const before = readdirSync(join(root, 'efi/EFI/Linux')).toSorted()
    for (const verb of [
      ['upgrade', '--force', '--source', publish(two), ...key()],
      ['rollback'],
      ['slots'],
    ]) {
      expect(await muster([...verb, '--root', root])).toMatchObject({
        code: 1,
        stdout: '',
        stderr: expect.stringContaining('/efi is not mounted'),
      })
    }
    expect(readdirSync(join(root, 'efi/EFI/Linux')).toSorted()).toEqual(before)
    for (const level of ['data', 'factory']) {
      expect(await muster(['reset', '--level', level, '--force', '--root', root])).toMatchObject({
        code: 1,
        stderr: expect.stringContaining('/persist is not mounted'),
      })
    }
    expect(() => readFileSync(join(root, 'config/reset.json'))).toThrow('ENOENT')
    const status = await muster(['machine', 'status', '--root', root])
    expect(status.stdout).toMatch(/^disk +\/persist is not mounted: nothing is mounted there$/m)
    rmSync(mounts)
  })

  it('reset at the next boot, and take it back', async () => {
    const flag = join(root, 'config/reset.json')
    expect((await muster(['reset', '--level', 'soft', '--root', root])).code).toBe(0)
    expect(JSON.parse(readFileSync(flag, 'utf8'))).toEqual({ format: 1, level: 'soft', left: false })
    expect((await muster(['reset', '--cancel', '--root', root])).code).toBe(0)
    expect(() => readFileSync(flag)).toThrow('ENOENT')
    // No agent to leave with, and etcd's data are here.
    write(join(root, 'persist/var/lib/rancher/k3s/server/db/etcd/member'), 'x')
    expect(await muster(['reset', '--level', 'factory', '--root', root])).toMatchObject({
      code: 1,
      stderr: expect.stringContaining('etcd member'),
    })
    // Before anybody is told that the machine leaves.
    const reinstall = await muster(['reset', '--level', 'reinstall', '--root', root])
    expect(reinstall).toMatchObject({ code: 1, stderr: expect.stringContaining('No medium is there') })
    expect(reinstall.stderr).not.toContain('was not left')
    expect((await muster(['reset', '--level', 'factory', '--force', '--root', root])).code).toBe(0)
    expect(JSON.parse(readFileSync(flag, 'utf8'))).toMatchObject({ level: 'factory', left: false })
  })
})
