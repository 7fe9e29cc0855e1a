import { randomBytes, randomUUID } from 'node:crypto'
import type { DiskChoice, DiskFacts } from '../core/install/disk-choice.ts'
import { chooseDisk } from '../core/install/disk-choice.ts'
import { espPaths, imageFiles } from '../core/install/layout.ts'
import type { InstallReceipt } from '../core/install/receipt.ts'
import { planPartitions } from '../core/install/partitions.ts'
import type { VerifySignature } from '../core/install/manifest.ts'
import type { InstallerComponents } from '../components/installer.ts'
import { errorText, MusterError } from '../errors.ts'
import { version } from '../version.ts'
import { findInstallation } from './inspect.ts'
import type { CloudConfigFile } from './install-image.ts'
import { digestOf, installImage } from './install-image.ts'
import type { InstallOptions } from './install-options.ts'
import { architectureOfMachine } from './machine-facts.ts'
import type { OpenImage } from './open-image.ts'
import { openImage } from './open-image.ts'
import { repairTable } from './repair-table.ts'
import type { OnProgress } from './steps.ts'

/** Name of the loader in the firmware's list. */
const loaderLabel = 'Muster'
/** How often a medium gives a machine back to its disk before it asks for a person. */
const handoversMax = 2

export interface InstallMachineInit {
  readonly options: InstallOptions
  /** Reference of the image. */
  readonly source: string
  readonly verify: VerifySignature
  readonly cloudConfig: readonly CloudConfigFile[]
  /** A person asked to replace an installation: also one from this very medium. The configuration asks for it once. */
  readonly again: boolean
  /** Show the table and what would be done, and write nothing. */
  readonly dryRun: boolean
  readonly onProgress: OnProgress
  /** One line for people. */
  readonly say: (line: string) => void
  /** Called with the ranked table before anything is done. */
  readonly onTable: (choice: DiskChoice) => void
  /** `before-install` and `after-install` of the configuration. */
  readonly runStage: (stage: 'before-install' | 'after-install') => Promise<void>
}

/** What came of it. */
export type InstallOutcome =
  | {
      readonly kind: 'installed'
      readonly disk: string
      readonly receipt: InstallReceipt
      readonly registered: boolean
    }
  | { readonly kind: 'boot-installed'; readonly disk: string }
  | { readonly kind: 'dry-run'; readonly disk: string; readonly reason: string }

/**
 * Chooses a disk, checks the image's signature, and installs; or gives a machine that is installed back to its disk.
 * Throws what `installImage` throws, ERR_DISK_NONE, ERR_DISK_BUSY, ERR_ALREADY_INSTALLED.
 */
export async function installMachine(
  installer: InstallerComponents,
  init: InstallMachineInit,
): Promise<InstallOutcome> {
  const { options, say } = init
  const source = await installer.openSource(init.source)
  try {
    const image = await openImage(source, init.verify)
    const { manifest } = image
    say(`image ${manifest.version} (${manifest.imageId.slice(0, 12)}) is signed`)
    const choice = chooseDisk(await factsOf(installer), {
      device: options.device,
      minimumBytes: minimumBytes(image, options),
      wipe: options.wipe,
      reinstall: options.reinstall,
      medium: init.again
        ? undefined
        : { imageId: manifest.imageId, configDigest: digestOf(init.cloudConfig) },
    })
    init.onTable(choice)
    say(choice.reason)
    if (choice.kind === 'none') throw new MusterError('ERR_DISK_NONE', { detail: choice.reason })
    if (init.dryRun) return { kind: 'dry-run', disk: choice.disk.path, reason: choice.reason }
    if (choice.kind === 'boot-installed') return await bootInstalled(installer, choice.disk, say)
    await init.runStage('before-install')
    const receipt = await installOn(installer, choice.disk.path, image, init)
    const registered = await register(installer, choice.disk.path)
    if (!registered) say('the firmware keeps no boot entry: it starts the disk by its fallback path')
    await init.runStage('after-install')
    return { kind: 'installed', disk: choice.disk.path, receipt, registered }
  } finally {
    await source.close()
  }
}

/** Installs on a plain file or on exactly this device, with no choice and without the firmware. */
export async function installOnPath(
  installer: InstallerComponents,
  path: string,
  init: Omit<InstallMachineInit, 'onTable' | 'dryRun' | 'again'>,
): Promise<InstallReceipt> {
  const source = await installer.openSource(init.source)
  try {
    return await installOn(installer, path, await openImage(source, init.verify), init)
  } finally {
    await source.close()
  }
}

async function installOn(
  installer: InstallerComponents,
  path: string,
  image: OpenImage,
  { options, cloudConfig, onProgress }: Pick<InstallMachineInit, 'options' | 'cloudConfig' | 'onProgress'>,
): Promise<InstallReceipt> {
  const disk = await installer.openDisk(path, 'claim')
  try {
    return await installImage(
      { disk, image, fileSystems: installer.fileSystems },
      {
        architecture: architectureOfMachine(),
        wishes: options.partitions,
        cloudConfig,
        machineId: randomBytes(16).toString('hex'),
        newGuid: randomUUID,
        installer: version,
        onProgress,
      },
    )
  } finally {
    await disk.close()
  }
}

/** Every disk, with a look at its table. One that cannot be read counts as none of ours. */
async function factsOf(installer: InstallerComponents): Promise<readonly DiskFacts[]> {
  const facts: DiskFacts[] = []
  for (const disk of await installer.readDisks()) {
    const found =
      disk.type === 'disk' && disk.sizeBytes > 0 ? await installationOn(installer, disk.path) : undefined
    facts.push({ ...disk, hasInstallation: found !== undefined, receipt: found?.receipt })
  }
  return facts
}

async function installationOn(
  installer: InstallerComponents,
  path: string,
): Promise<{ readonly receipt: InstallReceipt | undefined } | undefined> {
  try {
    const disk = await installer.openDisk(path, 'read')
    try {
      return await findInstallation(disk)
    } finally {
      await disk.close()
    }
  } catch {
    return undefined
  }
}

function minimumBytes({ manifest }: OpenImage, { partitions }: InstallOptions): number {
  const plan = planPartitions(
    { sizeBytes: 0, sectorBytes: 512 },
    {
      rootBytes: manifest.files[imageFiles.root].bytes,
      entryBytes: manifest.files[imageFiles.installed].bytes,
    },
    partitions,
  )
  return plan.ok ? 0 : plan.neededBytes
}

function register(installer: InstallerComponents, disk: string): Promise<boolean> {
  // Partition 1 is the ESP: see planPartitions.
  return installer.firmware.registerLoader({
    disk,
    partition: 1,
    path: espPaths.loaders[1],
    label: loaderLabel,
  })
}

async function makeWhole(installer: InstallerComponents, path: string): Promise<boolean> {
  const disk = await installer.openDisk(path, 'claim')
  try {
    return await repairTable(disk)
  } finally {
    await disk.close()
  }
}

/** A medium was left in a machine that is installed: its disk is started, and no loop made of it. */
async function bootInstalled(
  installer: InstallerComponents,
  disk: DiskFacts,
  say: (line: string) => void,
): Promise<InstallOutcome> {
  const { firmware } = installer
  // An entry of that name may be of a disk that was replaced: it is made anew.
  const start = async (): Promise<boolean> =>
    (await register(installer, disk.path)) && (await firmware.startNext(loaderLabel))
  if (await makeWhole(installer, disk.path)) {
    say(`the partition table of ${disk.path} was not whole: it was written anew from its copy`)
    // The firmware did not find the disk before, and finds it now even if it cannot be told to. There is nothing to repair twice.
    await start()
    return { kind: 'boot-installed', disk: disk.path }
  }
  const handovers = await firmware.readCounter()
  const stay = (detail: string): MusterError =>
    new MusterError('ERR_ALREADY_INSTALLED', { disk: disk.path, detail })
  if (handovers === undefined) throw stay('the firmware cannot be told to start the disk')
  if (handovers >= handoversMax) throw stay(`it was given back ${handovers} times and came again each time`)
  if (!(await start())) throw stay('the firmware cannot be told to start the disk')
  await firmware.writeCounter(handovers + 1).catch((error: unknown) => {
    throw stay(`the firmware does not count how often it is given back: ${errorText(error)}`)
  })
  return { kind: 'boot-installed', disk: disk.path }
}
