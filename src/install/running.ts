import { rm } from 'node:fs/promises'
import { join } from 'node:path'
import { createInstaller } from '../components/installer.ts'
import type { InstallerComponents } from '../components/installer.ts'
import { configPaths, systemPaths } from '../core/install/layout.ts'
import type { HealthBaseline, ImageRecords } from '../core/install/records.ts'
import { errorText } from '../errors.ts'
import type { BootFacts } from '../core/install/slots.ts'
import { bless, recordBoot, recordFailure } from './boot-records.ts'
import { readRecords } from './inspect.ts'
import { readMount, requireMounted } from './mounted.ts'
import { readRelease, readRunningSystem, recordsOfMachine } from './machine-facts.ts'
import { carryOutReset } from './reset.ts'

// What a boot of an installed machine calls: at its beginning, when it is healthy, and when it is not.

/** What the beginning of a boot found. */
export interface BootBeginning {
  /** Restart at once, before anything else is done. */
  readonly restart: boolean
  /** One line each, for the journal and the console. */
  readonly notes: readonly string[]
}

/**
 * The beginning of a boot, before anything of k3s or the agent starts: carries out a reset that was asked for, then
 * judges the boot entries, whatever came of the reset. On a live system, or one that is not of our image, it does nothing.
 */
export async function beginBoot(
  root: string,
  installer: InstallerComponents = createInstaller(),
): Promise<BootBeginning> {
  const running = await readRunningSystem(root)
  if (running === undefined || running.boot.mode !== 'installed') return { restart: false, notes: [] }
  // A reset that fails is asked for again at the next boot; the count of this one is not to be lost for it.
  const reset = await carryOutReset(installer, root, running.disk).catch((error: unknown) => ({
    restart: false,
    notes: [`the reset was not carried out: ${errorText(error)}`],
  }))
  if (reset.restart) return reset
  const report = await recordIfMounted(root, installer, running.boot)
  const counter = await forgetHandovers(installer)
  return { restart: report.restart, notes: [...reset.notes, ...report.notes, ...counter] }
}

/** The disk was started: whatever medium is in the machine did its part. A firmware that keeps nothing stops no boot. */
async function forgetHandovers({ firmware }: InstallerComponents): Promise<readonly string[]> {
  try {
    if (((await firmware.readCounter()) ?? 0) > 0) await firmware.writeCounter(0)
    return []
  } catch (error) {
    return [`the firmware still counts how often a medium gave this machine back: ${errorText(error)}`]
  }
}

/** Without its entries every image looks as if it had never been put in place: then nothing is concluded. */
async function recordIfMounted(
  root: string,
  installer: InstallerComponents,
  boot: BootFacts,
): Promise<BootBeginning> {
  const { fault } = await readMount(root, systemPaths.esp)
  if (fault === '') return recordBoot(recordsOfMachine(installer, root), boot)
  return { restart: false, notes: [`the boot entries are not looked at: ${systemPaths.esp}: ${fault}`] }
}

/**
 * The running image is good: recorded first, then its name loses the counter. Not on a live system. Throws ERR_NOT_MOUNTED
 * where the loader would not learn of it.
 */
export async function blessRunning(
  root: string,
  installer: InstallerComponents = createInstaller(),
): Promise<boolean> {
  const running = await readRunningSystem(root)
  if (running === undefined || running.boot.mode !== 'installed') return false
  await requireMounted(root, systemPaths.config, systemPaths.esp)
  const { epoch } = await readRelease(root)
  await bless(recordsOfMachine(installer, root), running.boot, epoch)
  return true
}

/** Why this boot is not healthy; call it before the machine restarts. */
export function recordUnhealthy(
  root: string,
  reason: string,
  installer: InstallerComponents = createInstaller(),
): Promise<void> {
  return recordFailure(recordsOfMachine(installer, root), reason)
}

/** What is remembered of this machine's images, and whether the running one is on trial. */
export async function runningRecords(
  root: string,
  installer: InstallerComponents = createInstaller(),
): Promise<{
  readonly records: ImageRecords
  readonly onTrial: boolean
  readonly baseline: HealthBaseline | null
}> {
  const running = await readRunningSystem(root)
  const { records } = await readRecords(recordsOfMachine(installer, root))
  const isInstalled = running?.boot.mode === 'installed'
  return {
    records,
    onTrial: isInstalled && !records.blessed.includes(running.boot.imageId),
    baseline: records.baseline,
  }
}

/** Takes back a reset that was asked for and not carried out yet. */
export function cancelReset(root: string): Promise<void> {
  return rm(join(root, systemPaths.config, configPaths.reset), { force: true })
}
