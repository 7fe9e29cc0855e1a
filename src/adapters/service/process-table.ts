import { readFile } from 'node:fs/promises'

/**
 * A process of this boot that no other can be taken for: pids are used again, but not with the same start
 * time (field 22 of /proc/<pid>/stat, in clock ticks since boot).
 */
export interface ProcessMark {
  readonly pid: number
  readonly startTime: string
  /** From /proc/sys/kernel/random/boot_id: after a reboot every mark is void. */
  readonly boot: string
}

/** The mark of a live process; undefined if it is not there, or is only waiting to be reaped. */
export async function markOf(pid: number): Promise<ProcessMark | undefined> {
  try {
    const stat = await readFile(`/proc/${pid}/stat`, 'utf8')
    // The second field is the program's name in parentheses and may hold anything, so count from its end.
    const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ')
    const [state] = fields
    const startTime = fields[19]
    if (state === undefined || state === 'Z' || state === 'X' || startTime === undefined) return undefined
    return { pid, startTime, boot: (await readFile('/proc/sys/kernel/random/boot_id', 'utf8')).trim() }
  } catch {
    return undefined
  }
}

/** Whether the process of a mark is still the same and alive. */
export async function isAlive(mark: ProcessMark): Promise<boolean> {
  const now = await markOf(mark.pid)
  return now !== undefined && now.startTime === mark.startTime && now.boot === mark.boot
}
