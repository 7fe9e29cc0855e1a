import { spawnSync } from 'node:child_process'
import { createPublicKey } from 'node:crypto'
import {
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  truncateSync,
  writeFileSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { newNetwork } from '../../../src/agent/api/operator.ts'
import { createInstaller } from '../../../src/components/installer.ts'
import { configPaths, espPaths, partitionNames } from '../../../src/core/install/layout.ts'
import type { HealthBaseline } from '../../../src/core/install/records.ts'
import type { BootFacts } from '../../../src/core/install/slots.ts'
import { imageCache } from '../../../src/image/build.ts'
import { bless } from '../../../src/install/boot-records.ts'
import { readTable, regionOf } from '../../../src/install/inspect.ts'
import { installOnPath } from '../../../src/install/install-machine.ts'
import { readInstallOptions } from '../../../src/install/install-options.ts'
import { openImage } from '../../../src/install/open-image.ts'
import { upgradeImage } from '../../../src/install/upgrade-image.ts'
import { isoOf, type VariantName } from './images.ts'

// A disk on which one image is good and another, newer one waits for its first boot. Made by the installer and the upgrade themselves, on
// this machine: an emulated one would need many minutes for it.

const installer = createInstaller()

/** Installs `good` on a file, says that it is good, and upgrades it to `next` on a machine that could do what `baseline` says. */
export async function prepareDisk(
  disk: string,
  good: VariantName,
  next: VariantName,
  baseline: HealthBaseline | null = null,
): Promise<void> {
  const scratch = mkdtempSync(join(tmpdir(), 'muster-disk-'))
  try {
    writeFileSync(disk, '', { mode: 0o600 })
    truncateSync(disk, 8 * 2 ** 30)
    const [from, to] = [good, next].map(sourceOf) as [string, string]
    const key = join(scratch, 'key.pem')
    const signingKey = readFileSync(join(imageCache, 'signing.key'))
    writeFileSync(key, createPublicKey(signingKey).export({ type: 'spki', format: 'pem' }))
    const verify = await installer.readKeys([key])
    const { token } = newNetwork({ name: 'prepared' })
    const text = `#cloud-config\nmuster:\n  token: ${token}\n  bootstrap:\n    expect: 1\n`
    const { imageId } = await installOnPath(installer, disk, {
      options: readInstallOptions({}).options,
      source: from,
      verify,
      cloudConfig: [{ name: '20_medium.yaml', text }],
      onProgress: () => undefined,
      say: () => undefined,
      runStage: async () => undefined,
    })
    const boot: BootFacts = { mode: 'installed', imageId, place: 'a' }
    const target = await installer.openDisk(disk, 'write')
    try {
      const table = await readTable(target)
      const offsetOf = (name: string): number => regionOf(table!, name, target)!.offset
      const esp = `${disk}@@${offsetOf(partitionNames.esp)}`
      const config = `${disk}?offset=${offsetOf(partitionNames.config)}`
      // Not every kernel mounts a FAT: its entries and the records are taken out, and put in again.
      const directory = join(scratch, 'entries')
      mkdirSync(directory)
      must('mcopy', '-n', '-i', esp, `::/${espPaths.entries}/*`, directory)
      const record = join(scratch, configPaths.images)
      writeFileSync(record, must('debugfs', '-R', `cat /${configPaths.images}`, config))
      const entries = installer.openEntries(directory, { dropCaches: false })
      const kept = { records: installer.openText(record), knownEpochs: async () => [] }
      await bless({ entries, ...kept }, boot, 0)
      const source = await installer.openSource(to)
      const components = { disk: target, entries, ...kept, image: await openImage(source, verify) }
      await upgradeImage(components, {
        boot,
        architecture: 'x86_64',
        runningEpoch: 0,
        baseline,
        force: false,
        onProgress: () => undefined,
      })
      await source.close()
      must('mdel', '-i', esp, `::/${espPaths.entries}/*`)
      for (const name of readdirSync(directory))
        must('mcopy', '-n', '-i', esp, join(directory, name), `::/${espPaths.entries}/${name}`)
      must('debugfs', '-w', '-R', `rm /${configPaths.images}`, config)
      must('debugfs', '-w', '-R', `write ${record} /${configPaths.images}`, config)
      if (must('debugfs', '-R', `cat /${configPaths.images}`, config) !== readFileSync(record, 'utf8'))
        throw new Error('the records were not put on the disk')
    } finally {
      await target.close()
    }
  } finally {
    rmSync(scratch, { recursive: true, force: true })
  }
}

function sourceOf(name: VariantName): string {
  return `dir:${join(dirname(isoOf(name)), 'image')}`
}

function must(program: string, ...argv: readonly string[]): string {
  const { status, stdout, stderr } = spawnSync(program, argv, {
    encoding: 'utf8',
    env: { ...process.env, MTOOLS_SKIP_CHECK: '1' },
  })
  if (status !== 0) throw new Error(`${program} ${argv.join(' ')}: ${stderr}`)
  return stdout
}
