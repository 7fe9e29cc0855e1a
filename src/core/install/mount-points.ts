import { partitionNames, systemPaths } from './layout.ts'

// Whether a partition is where it belongs. What is written to a directory whose partition is not mounted lies in memory, and
// whatever is looked for there is not found: nothing that is said of such a directory holds at the next start.

/** Where a running machine mounts its partitions. */
export type MountPoint = typeof systemPaths.config | typeof systemPaths.persistent | typeof systemPaths.esp

/** Which partition belongs to a place, and the type of its file system as the kernel names it. */
export const mountPoints: Readonly<
  Record<MountPoint, { readonly partition: string; readonly type: string }>
> = {
  [systemPaths.config]: { partition: partitionNames.config, type: 'ext4' },
  [systemPaths.persistent]: { partition: partitionNames.persistent, type: 'ext4' },
  [systemPaths.esp]: { partition: partitionNames.esp, type: 'vfat' },
}

/** What is mounted in a place. */
export interface MountState {
  /** Why it is not the partition that belongs there; empty: it is. */
  readonly fault: string
  /** Asked for, or after an error of the file system. */
  readonly readOnly: boolean
}

/** Reads what the kernel says in `/proc/self/mountinfo` (proc(5)) about a place. */
export function mountState(mountinfo: string, path: MountPoint): MountState {
  const { type } = mountPoints[path]
  // Of several mounts in one place the last one is seen.
  const line = mountinfo.split('\n').findLast((each) => each.split(' ')[4] === path)
  if (line === undefined) return { fault: 'nothing is mounted there', readOnly: false }
  const [own = '', device = ''] = line.split(' - ')
  const [found = '', , options = ''] = device.split(' ')
  const readOnly = [own.split(' ')[5] ?? '', options].some((list) => list.split(',').includes('ro'))
  return { fault: found === type ? '' : `a file system ${found} is mounted there, not ${type}`, readOnly }
}
