import { access, readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { systemPaths } from '../core/install/layout.ts'
import type { MountPoint, MountState } from '../core/install/mount-points.ts'
import { mountPoints, mountState } from '../core/install/mount-points.ts'
import { MusterError } from '../errors.ts'

/**
 * What is mounted in a place of the machine below `root`. A directory that stands for a machine has no mounts: without a
 * `/proc` of its own it counts as a machine whose partitions are all there.
 */
export async function readMount(root: string, path: MountPoint): Promise<MountState> {
  const mountinfo = await readFile(join(root, '/proc/self/mountinfo'), 'utf8').catch(() => undefined)
  const state: MountState =
    mountinfo === undefined && root !== ''
      ? { fault: '', readOnly: false }
      : mountState(mountinfo ?? '', path)
  // Mounted by hand since then, it is still not where k3s' data lie: the initrd makes these mounts.
  const failed = path === systemPaths.persistent && (await exists(join(root, systemPaths.persistFailed)))
  return failed ? { ...state, fault: 'it could not be mounted when this boot began' } : state
}

/** Throws ERR_NOT_MOUNTED for the first of these places that its partition is not mounted in. */
export async function requireMounted(root: string, ...paths: readonly MountPoint[]): Promise<void> {
  for (const path of paths) {
    const { fault } = await readMount(root, path)
    if (fault === '') continue
    throw new MusterError('ERR_NOT_MOUNTED', {
      path,
      partition: mountPoints[path].partition,
      detail: fault,
    })
  }
}

/** One sentence for each partition that an installed machine runs without. */
export async function missingPartitions(root: string): Promise<readonly string[]> {
  const sentences: string[] = []
  for (const path of Object.keys(mountPoints) as MountPoint[]) {
    const { fault } = await readMount(root, path)
    if (fault !== '') sentences.push(`${path} is not mounted: ${fault}`)
  }
  return sentences
}

function exists(path: string): Promise<boolean> {
  return access(path).then(
    () => true,
    () => false,
  )
}
