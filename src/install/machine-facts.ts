import { readFile } from 'node:fs/promises'
import { arch } from 'node:process'
import { join } from 'node:path'
import { configPaths, espPaths, partitionNames, systemPaths } from '../core/install/layout.ts'
import type { Architecture } from '../core/install/manifest.ts'
import type { BootFacts, ImagePlace } from '../core/install/slots.ts'
import type { InstallerComponents } from '../components/installer.ts'
import { MusterError } from '../errors.ts'
import type { InstalledComponents } from './inspect.ts'
import { requireMounted } from './mounted.ts'

/** What the initrd said of this boot, and the disk that it was started from. */
export interface RunningSystem {
  readonly boot: BootFacts
  /** Path of the disk, or of the medium. */
  readonly disk: string
}

const places: Readonly<Record<string, ImagePlace>> = {
  [partitionNames.slotA]: 'a',
  [partitionNames.slotB]: 'b',
  [partitionNames.recovery]: 'recovery',
}

/** Reads what the initrd wrote; undefined where this is no system of our image. */
export async function readRunningSystem(root: string): Promise<RunningSystem | undefined> {
  const text = await readFile(join(root, systemPaths.boot), 'utf8').catch(() => undefined)
  if (text === undefined) return undefined
  try {
    const { mode, imageId, disk, partition } = JSON.parse(text) as Record<string, unknown>
    if (mode !== 'installed' && mode !== 'live' && mode !== 'recovery') return undefined
    return { boot: { mode, imageId: String(imageId), place: places[String(partition)] }, disk: String(disk) }
  } catch {
    return undefined
  }
}

/** Epoch and version of the running image, from its os-release; 0 where it says none. */
export async function readRelease(
  root: string,
): Promise<{ readonly epoch: number; readonly version: string }> {
  const text = await readFile(join(root, systemPaths.release), 'utf8').catch(() => '')
  const value = (key: string): string => new RegExp(`^${key}="?([^"\n]*)"?$`, 'm').exec(text)?.[1] ?? ''
  const epoch = Number(value('MUSTER_EPOCH'))
  return { epoch: Number.isSafeInteger(epoch) && epoch > 0 ? epoch : 0, version: value('IMAGE_VERSION') }
}

/** Epoch of the image that this machine was installed with, from its receipt; 0 where there is none. */
async function readInstalledEpoch(root: string): Promise<number> {
  try {
    const { epoch } = JSON.parse(
      await readFile(join(root, systemPaths.config, configPaths.receipt), 'utf8'),
    ) as Record<string, unknown>
    return typeof epoch === 'number' ? epoch : 0
  } catch {
    return 0
  }
}

/** This machine's architecture as images name it. */
export function architectureOfMachine(): Architecture {
  return arch === 'arm64' ? 'aarch64' : 'x86_64'
}

/** Where the records of boots and images of a running machine lie. */
export function recordsOfMachine(
  installer: InstallerComponents,
  root: string,
): Omit<InstalledComponents, 'disk'> {
  return {
    // Whoever takes a directory for the machine shares its kernel with others.
    entries: installer.openEntries(join(root, systemPaths.esp, espPaths.entries), {
      dropCaches: root === '',
    }),
    records: installer.openText(join(root, systemPaths.config, configPaths.images)),
    knownEpochs: async () => [(await readRelease(root)).epoch, await readInstalledEpoch(root)],
  }
}

/**
 * Opens the disk that this system runs from, with its entries and records. Throws ERR_NOT_INSTALLED, and ERR_NOT_MOUNTED where
 * these would lie in memory.
 */
export async function openInstalled(
  installer: InstallerComponents,
  root: string,
  mode: 'read' | 'write',
): Promise<InstalledComponents & { readonly running: RunningSystem; close(): Promise<void> }> {
  const running = await readRunningSystem(root)
  if (running === undefined || running.boot.mode === 'live') {
    const detail =
      running === undefined ? 'it was not started from an image of muster' : 'it runs from a medium'
    throw new MusterError('ERR_NOT_INSTALLED', { detail })
  }
  await requireMounted(root, systemPaths.esp, systemPaths.config)
  const disk = await installer.openDisk(running.disk, mode)
  return { ...recordsOfMachine(installer, root), disk, running, close: () => disk.close() }
}
