import { readFileSync } from 'node:fs'
import { agentPid } from '../../src/lab/hosts.ts'
import type { Lab } from '../../src/lab/lab.ts'
import { referenceTo } from '../../src/lab/processes.ts'

/** USER_HZ, which is 100 on every Linux that Node runs on. */
const ticksPerSecond = 100

/** Seconds since the machine was started: the clock on which the kernel notes the start of a process. */
export function uptime(): number {
  return Number(readFileSync('/proc/uptime', 'utf8').split(' ')[0])
}

/** When the last agent of a lab was started, on the clock of `uptime`. Throws where an agent does not run. */
export function lastStart(lab: Lab): number {
  const starts = lab.hosts.map((host) => {
    const pid = agentPid(lab.state, host)
    const start = pid === undefined ? undefined : referenceTo(pid)?.startTime
    if (start === undefined)
      throw new Error(`the agent of ${host.name} does not run:\n${lab.log(host.name, 5)}`)
    return Number(start) / ticksPerSecond
  })
  return Math.max(...starts)
}
