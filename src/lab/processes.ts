import { readFileSync } from 'node:fs'

/** A process for sure: its id and when it began (clock ticks since boot), since ids are used again. */
export interface ProcessReference {
  readonly pid: number
  readonly startTime: string
}

/** The process with this id as a reference, or undefined when there is none. */
export function referenceTo(pid: number): ProcessReference | undefined {
  const startTime = statFields(pid)?.[19]
  return startTime === undefined ? undefined : { pid, startTime }
}

/** Whether exactly this process still runs (a zombie does not). */
export function isAlive(reference: ProcessReference): boolean {
  const fields = statFields(reference.pid)
  return fields !== undefined && fields[19] === reference.startTime && fields[0] !== 'Z' && fields[0] !== 'X'
}

/** Whether a process is stopped by SIGSTOP. */
export function isStopped(pid: number): boolean {
  return statFields(pid)?.[0] === 'T'
}

/** Sends a signal; a process that is gone already is no error. Returns whether it was delivered. */
export function signal(pid: number, name: NodeJS.Signals): boolean {
  try {
    return process.kill(pid, name)
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ESRCH') return false
    throw error
  }
}

/** Ids of a process in each namespace from the reader's down to its own. */
export function pidChain(pid: number): number[] {
  try {
    const line = readFileSync(`/proc/${pid}/status`, 'utf8').match(/^NSpid:\s+(.*)$/m)?.[1]
    return line === undefined ? [] : line.split(/\s+/).map(Number)
  } catch {
    return []
  }
}

/** Arguments a process was started with; empty when it is gone or a zombie. */
export function commandLineOf(pid: number): string[] {
  try {
    return readFileSync(`/proc/${pid}/cmdline`, 'utf8').split('\0').slice(0, -1)
  } catch {
    return []
  }
}

/** Descendants of a process, nearest first. */
export function descendantsOf(pid: number): number[] {
  const children = childrenOf(pid)
  return [...children, ...children.flatMap(descendantsOf)]
}

function childrenOf(pid: number): number[] {
  try {
    const text = readFileSync(`/proc/${pid}/task/${pid}/children`, 'utf8')
    return text.split(' ').filter(Boolean).map(Number)
  } catch {
    return []
  }
}

/** Fields of /proc/PID/stat from `state` on: the command before them may contain anything, even `)`. */
function statFields(pid: number): string[] | undefined {
  try {
    const text = readFileSync(`/proc/${pid}/stat`, 'utf8')
    return text.slice(text.lastIndexOf(')') + 2).split(' ')
  } catch {
    return undefined
  }
}
