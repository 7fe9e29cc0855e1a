import { readdir, readFile, stat } from 'node:fs/promises'
import { join } from 'node:path'
import type { InstallerComponents } from '../components/installer.ts'
import { createInstaller } from '../components/installer.ts'
import type { AgentConfig, Diagnostic } from '../config/index.ts'
import { readConfig } from '../config/index.ts'
import type { DiskChoice } from '../core/install/disk-choice.ts'
import { systemPaths } from '../core/install/layout.ts'
import type { InstallReceipt } from '../core/install/receipt.ts'
import type { HealthBaseline } from '../core/install/records.ts'
import type { BootFacts, SlotStatus } from '../core/install/slots.ts'
import { slotStatuses } from '../core/install/slots.ts'
import { MusterError } from '../errors.ts'
import { rollback } from './boot-records.ts'
import type { RollbackResult } from './boot-records.ts'
import { inspectMachine } from './inspect.ts'
import type { CloudConfigFile } from './install-image.ts'
import type { InstallMachineInit, InstallOutcome } from './install-machine.ts'
import { installMachine, installOnPath } from './install-machine.ts'
import type { InstallOptions } from './install-options.ts'
import { readInstallOptions } from './install-options.ts'
import { architectureOfMachine, openInstalled, readRelease, readRunningSystem } from './machine-facts.ts'
import { openImage } from './open-image.ts'
import { requireMedium } from './require-medium.ts'
import type { ResetLevel } from './reset.ts'
import { hasEtcdData, orderReset } from './reset.ts'
import type { OnProgress } from './steps.ts'
import type { UpgradeResult } from './upgrade-image.ts'
import { upgradeImage } from './upgrade-image.ts'

// What the command line calls: each is one verb on this machine.

/** Where the configuration of this boot lies. */
const gatheredDirectory = '/etc/muster'
/** The image's own configuration comes with every image: it is not copied to the disk. */
const imageConfigPrefix = '10_image_'

/** How an installation was asked for. */
export interface InstallRequest {
  readonly root: string
  /** Files of the configuration instead of the gathered ones. */
  readonly configFiles: readonly string[]
  readonly device: string | undefined
  readonly source: string | undefined
  /** Replace an installation that is there, were it from this very medium. */
  readonly force: boolean
  readonly wipe: boolean
  readonly afterwards: InstallOptions['afterwards'] | undefined
  readonly keys: readonly string[]
  readonly dryRun: boolean
  readonly unattended: boolean
  readonly onProgress: OnProgress
  readonly say: (line: string) => void
  readonly onTable: (choice: DiskChoice) => void
  readonly onDiagnostics: (diagnostics: readonly Diagnostic[]) => void
  readonly runStage: InstallMachineInit['runStage']
}

/** What an installation came to. */
export type InstallReport =
  | (InstallOutcome & { readonly afterwards: InstallOptions['afterwards'] })
  | {
      readonly kind: 'image-file'
      readonly disk: string
      readonly receipt: InstallReceipt
      readonly afterwards: 'nothing'
    }
  | { readonly kind: 'skipped'; readonly reason: string; readonly afterwards: 'nothing' }

/** Installs this machine, or a plain file. Throws what `installMachine` throws, and ERR_INSTALL_UNSUPPORTED. */
export async function runInstall(request: InstallRequest): Promise<InstallReport> {
  const { root, say } = request
  const cloudConfig = await readCloudConfig(request)
  const { config, diagnostics } = readConfig(
    cloudConfig.map(({ name, text }) => ({ path: name, text })),
    'machine',
  )
  request.onDiagnostics(diagnostics)
  if (config === undefined) {
    throw new MusterError('ERR_CONFIG_INVALID', {
      count: diagnostics.filter(({ severity }) => severity === 'error').length,
    })
  }
  const options = optionsOf(config, request)
  if (request.unattended && !options.auto) {
    return {
      kind: 'skipped',
      reason: 'install.auto is not true: this machine stays a live system',
      afterwards: 'nothing',
    }
  }
  const installer = createInstaller()
  const init = {
    options,
    source: options.source ?? `dir:${join(root, systemPaths.medium)}`,
    verify: await installer.readKeys(
      request.keys.length > 0 ? request.keys : [join(root, systemPaths.imageKeys)],
    ),
    cloudConfig,
    onProgress: request.onProgress,
    say,
    runStage: request.runStage,
  }
  if (await isPlainFile(options.device)) {
    const receipt = await installOnPath(installer, options.device, init)
    return { kind: 'image-file', disk: options.device, receipt, afterwards: 'nothing' }
  }
  await refuseInstalled(root)
  const outcome = await installMachine(installer, {
    ...init,
    again: request.force,
    dryRun: request.dryRun,
    onTable: request.onTable,
  })
  const afterwards =
    outcome.kind === 'dry-run' ? 'nothing' : outcome.kind === 'boot-installed' ? 'reboot' : options.afterwards
  return { ...outcome, afterwards }
}

/** The system that runs from a disk does not install over itself, or over another disk by mistake. */
async function refuseInstalled(root: string): Promise<void> {
  const running = await readRunningSystem(root)
  if (running?.boot.mode === 'installed') {
    throw new MusterError('ERR_ALREADY_INSTALLED', { disk: running.disk, detail: 'this system runs from it' })
  }
}

function optionsOf(config: AgentConfig, request: InstallRequest): InstallOptions {
  const { options, faults } = readInstallOptions(config.machine.install)
  const detail = faults.map(({ path, message }) => `${path} ${message}`).join('; ')
  if (faults.length > 0) throw new MusterError('ERR_INSTALL_UNSUPPORTED', { detail })
  return {
    ...options,
    device: request.device ?? options.device,
    source: request.source ?? options.source,
    reinstall: request.force ? 'wipe' : options.reinstall,
    wipe: request.wipe ? 'foreign' : options.wipe,
    afterwards: request.afterwards ?? options.afterwards,
  }
}

async function readCloudConfig({ root, configFiles }: InstallRequest): Promise<readonly CloudConfigFile[]> {
  const directory = join(root, gatheredDirectory)
  const paths =
    configFiles.length > 0
      ? configFiles.map((path, index) => ({ name: `${40 + index}_${path.split('/').at(-1)}`, path }))
      : (await readdir(directory).catch(() => []))
          .filter((name) => /\.ya?ml$/.test(name) && !name.startsWith(imageConfigPrefix))
          .toSorted()
          .map((name) => ({ name, path: join(directory, name) }))
  return Promise.all(
    paths.map(async ({ name, path }) => {
      try {
        return { name, text: await readFile(path, 'utf8') }
      } catch (error) {
        throw new MusterError('ERR_CONFIG_UNREADABLE', { path }, { cause: error })
      }
    }),
  )
}

async function isPlainFile(path: string): Promise<boolean> {
  return stat(path).then(
    (status) => status.isFile(),
    () => false,
  )
}

/** How an upgrade was asked for. */
export interface UpgradeRequest {
  readonly root: string
  readonly source: string
  readonly force: boolean
  readonly keys: readonly string[]
  /** How healthy the machine is now; null: not known. */
  readonly baseline: HealthBaseline | null
  readonly onProgress: OnProgress
}

/** Installs an image beside the running one. */
export async function runUpgrade(request: UpgradeRequest): Promise<UpgradeResult> {
  const { root } = request
  const installer = createInstaller()
  const machine = await openInstalled(installer, root, 'write')
  try {
    const verify = await installer.readKeys(
      request.keys.length > 0 ? request.keys : [join(root, systemPaths.imageKeys)],
    )
    const source = await installer.openSource(request.source)
    try {
      const { running, ...components } = machine
      return await upgradeImage(
        { ...components, image: await openImage(source, verify) },
        {
          boot: running.boot,
          architecture: architectureOfMachine(),
          runningEpoch: (await readRelease(root)).epoch,
          baseline: request.baseline,
          force: request.force,
          onProgress: request.onProgress,
        },
      )
    } finally {
      await source.close()
    }
  } finally {
    await machine.close()
  }
}

/** Goes back to the former image at the next boot. */
export async function runRollback(root: string, reason: string): Promise<RollbackResult> {
  const machine = await openInstalled(createInstaller(), root, 'read')
  try {
    return await rollback(machine, machine.running.boot, reason)
  } finally {
    await machine.close()
  }
}

/** What `muster slots` shows. */
export interface SlotsReport {
  readonly boot: BootFacts
  readonly slots: readonly SlotStatus[]
  readonly highestEpoch: number
  readonly rejected: readonly {
    readonly imageId: string
    readonly version: string
    readonly reason: string
  }[]
}

/** What is on this machine's disk. */
export async function readSlots(root: string): Promise<SlotsReport> {
  const machine = await openInstalled(createInstaller(), root, 'read')
  try {
    const { state } = await inspectMachine(machine, machine.running.boot)
    return {
      boot: machine.running.boot,
      slots: slotStatuses(state),
      highestEpoch: state.records.highestEpoch,
      rejected: state.records.rejected,
    }
  } finally {
    await machine.close()
  }
}

/** How a reset was asked for. */
export interface ResetRequest {
  readonly root: string
  readonly level: ResetLevel
  /** The machine left the cluster. */
  readonly left: boolean
  readonly force: boolean
}

/**
 * Whether a reset could be asked for, before a machine leaves its cluster for it. Throws ERR_NOT_INSTALLED, and
 * ERR_RESET_NO_MEDIUM where nothing could install the machine again.
 */
export async function checkReset(
  { root, level, force }: Omit<ResetRequest, 'left'>,
  installer: InstallerComponents = createInstaller(),
): Promise<void> {
  const running = await readRunningSystem(root)
  if (running?.boot.mode !== 'installed') {
    throw new MusterError('ERR_NOT_INSTALLED', { detail: 'a reset is asked for on the running system' })
  }
  if (level === 'reinstall' && !force) await requireMedium(installer)
}

/**
 * Asks for a reset at the next boot. Throws what `checkReset` throws, and ERR_RESET_MEMBER where that would take etcd data away
 * that may still be somebody's.
 */
export async function runReset(
  { root, level, left, force }: ResetRequest,
  installer: InstallerComponents = createInstaller(),
): Promise<void> {
  if (level !== 'soft' && !left && !force && (await hasEtcdData(root)))
    throw new MusterError('ERR_RESET_MEMBER', { level })
  await checkReset({ root, level, force }, installer)
  await orderReset(installer, root, { level, left })
}

/** Whether a reset has to leave the cluster first. */
export async function isMember(root: string): Promise<boolean> {
  return hasEtcdData(root)
}

/** Restarts or switches off this machine; on a directory that stands for one it does nothing. */
export async function endWith(afterwards: InstallOptions['afterwards'], root: string): Promise<void> {
  if (afterwards === 'nothing' || root !== '') return
  const { run } = createInstaller()
  const { exitCode } = await run(['systemctl', afterwards])
  if (exitCode !== 0) await run(['systemctl', afterwards, '--force'])
}
