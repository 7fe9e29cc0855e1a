import { access, mkdir, open, readdir, rename, rm } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import type { InstallerComponents } from '../components/installer.ts'
import { configPaths, persistentNames, persistentPaths, systemPaths } from '../core/install/layout.ts'
import { MusterError } from '../errors.ts'
import { eraseTables } from './erase-disk.ts'
import { requireMounted } from './mounted.ts'

// A reset is asked for by a flag in /config and carried out at the beginning of the next boot, when nothing uses the data yet.
// Files are removed, and no file system is made anew: whenever the power goes, both partitions can still be mounted, and
// the flag goes last.

/** What is forgotten. */
export type ResetLevel =
  /** Nothing: the configuration is applied anew, as at each boot. */
  | 'soft'
  /**
   * Everything of k3s, with its images and volumes, and the journal. The machine keeps its key and its place, and what
   * `install.bind_mounts` names.
   */
  | 'data'
  /** Also that, key, votes, machine id and SSH keys: a new machine with the same configuration. */
  | 'factory'
  /** The installation itself: the medium starts again. */
  | 'reinstall'

export const resetLevels = ['soft', 'data', 'factory', 'reinstall'] as const satisfies readonly ResetLevel[]

interface ResetOrder {
  readonly format: 1
  readonly level: ResetLevel
  /** The machine is out of the cluster: its etcd data are nobody's any more. */
  readonly left: boolean
}

/** Where k3s keeps etcd, below the persistent partition. */
const etcdPath = 'var/lib/rancher/k3s/server/db'

/** What of /config makes the machine this one. `images.json` stays: an epoch never goes back. */
const identityNames = [configPaths.state, configPaths.machineId, configPaths.sshKeys, configPaths.goodConfig]

/** Whether this machine holds data of an etcd member. */
export function hasEtcdData(root: string): Promise<boolean> {
  return exists(join(root, systemPaths.persistent, etcdPath, 'etcd'))
}

/** Whether this machine has a key, by which others may know it. */
export async function hasIdentity(root: string): Promise<boolean> {
  return (await namesIn(join(root, systemPaths.config, configPaths.state))).length > 0
}

/** Asks for a reset at the next boot. The flag is durable when this resolves. */
export async function orderReset(
  installer: InstallerComponents,
  root: string,
  order: Omit<ResetOrder, 'format'>,
): Promise<void> {
  await installer
    .openText(join(root, systemPaths.config, configPaths.reset))
    .save(`${JSON.stringify({ format: 1, ...order })}\n`)
}

/** Called after each change of the disk; a test cuts the power there. */
export type OnChange = () => void

/**
 * Carries out the reset that was asked for, if there is one. Cut short, it begins again at the next boot. Throws
 * ERR_NOT_MOUNTED where the data that are to go cannot be seen: it stays asked for then.
 */
export async function carryOutReset(
  installer: InstallerComponents,
  root: string,
  disk: string,
  onChange: OnChange = () => undefined,
): Promise<{ readonly restart: boolean; readonly notes: readonly string[] }> {
  const flag = join(root, systemPaths.config, configPaths.reset)
  const text = await installer.openText(flag).load()
  if (text === undefined) return { restart: false, notes: [] }
  const order = parseOrder(text)
  const notes: string[] = []
  if (order === undefined) notes.push('a reset was asked for that cannot be read: nothing is reset')
  else if (order.level === 'reinstall') {
    await eraseInstallation(installer, disk)
    return {
      restart: true,
      notes: ['the partition tables are erased: the medium installs this machine anew'],
    }
  } else {
    if (order.level === 'data' || order.level === 'factory') {
      await requireMounted(root, systemPaths.persistent)
      await removeData(root, order, notes, onChange)
    }
    if (order.level === 'factory') await removeIdentity(root, onChange)
    notes.push(`reset ${order.level}: done`)
  }
  await rm(flag)
  await syncDirectory(dirname(flag))
  onChange()
  // A new machine id is made before everything else of a boot.
  return { restart: order?.level === 'factory', notes }
}

function parseOrder(text: string): ResetOrder | undefined {
  try {
    const order = JSON.parse(text) as ResetOrder
    return order.format === 1 && resetLevels.includes(order.level) ? order : undefined
  } catch {
    return undefined
  }
}

async function removeData(
  root: string,
  { level, left }: ResetOrder,
  notes: string[],
  onChange: OnChange,
): Promise<void> {
  const top = join(root, systemPaths.persistent)
  const etcd = join(top, etcdPath)
  // Of a member that did not leave: they go from their place as a backup only.
  if (!left && (await exists(join(etcd, 'etcd')))) {
    const backup = await freePath(join(top, persistentNames.backup, 'etcd'))
    await mkdir(dirname(backup), { recursive: true })
    await rename(etcd, backup)
    await syncDirectory(dirname(backup))
    await syncDirectory(dirname(etcd))
    notes.push(`etcd's data are kept at ${backup.slice(root.length)}`)
    onChange()
  }
  const kept = level === 'data' ? [persistentNames.backup, persistentNames.binds] : [persistentNames.backup]
  const keptPaths = new Set(kept.map((name) => join(top, name)))
  for (const directory of await bottomUp(top)) {
    for (const name of await namesIn(directory)) {
      const path = join(directory, name)
      // The initrd binds these directories by their paths: they stay, empty.
      if (keptPaths.has(path) || (await isBound(top, path))) continue
      await rm(path, { recursive: true, force: true })
      onChange()
    }
    await syncDirectory(directory)
  }
}

async function removeIdentity(root: string, onChange: OnChange): Promise<void> {
  const top = join(root, systemPaths.config)
  for (const name of identityNames) {
    if (name === configPaths.state) {
      // A mount point of /var/lib/muster: it stays, empty.
      for (const each of await namesIn(join(top, name))) {
        await rm(join(top, name, each), { recursive: true, force: true })
        onChange()
      }
      await syncDirectory(join(top, name))
    } else {
      await rm(join(top, name), { recursive: true, force: true })
      onChange()
    }
  }
  await syncDirectory(top)
}

/** Both copies of the table go: firmware would bring the first one back from the second. */
async function eraseInstallation(installer: InstallerComponents, path: string): Promise<void> {
  const disk = await installer.openDisk(path, 'write')
  try {
    await eraseTables(disk)
  } finally {
    await disk.close()
  }
}

/** Paths that are bound, and the directories on the way to them, from the top down. */
const boundPaths = [
  ...new Set(
    persistentPaths.flatMap((path) => {
      const parts = path.split('/').filter((part) => part !== '')
      return parts.map((_, index) => parts.slice(0, index + 1).join('/'))
    }),
  ),
].toSorted((a, b) => a.split('/').length - b.split('/').length)

async function isBound(top: string, path: string): Promise<boolean> {
  return boundPaths.some((bound) => path === join(top, bound)) && exists(path)
}

/** Directories whose contents go: those that are bound before those that lead to them. */
async function bottomUp(top: string): Promise<readonly string[]> {
  const found: string[] = []
  for (const bound of boundPaths.toReversed())
    if (await exists(join(top, bound))) found.push(join(top, bound))
  return (await exists(top)) ? [...found, top] : found
}

async function freePath(wanted: string): Promise<string> {
  for (let number = 1; ; number++) {
    const path = `${wanted}-${number}`
    if (!(await exists(path))) return path
  }
}

async function namesIn(directory: string): Promise<readonly string[]> {
  return (await readdir(directory).catch((): string[] => [])).toSorted((a, b) => (a < b ? -1 : 1))
}

function exists(path: string): Promise<boolean> {
  return access(path).then(
    () => true,
    () => false,
  )
}

async function syncDirectory(path: string): Promise<void> {
  const directory = await open(path, 'r').catch(() => undefined)
  if (directory === undefined) return
  try {
    await directory.sync()
  } catch (error) {
    throw new MusterError('ERR_DISK', { disk: path, detail: (error as Error).message }, { cause: error })
  } finally {
    await directory.close()
  }
}
