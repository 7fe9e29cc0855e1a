import type { StatusResource } from '../../agent/api/resources.ts'
import type { Column } from '../../table.ts'
import { judgeStatuses, type GoalReport, type LabGoal, situationOfStatus } from '../observe.ts'
import { planText } from '../progress.ts'
import { guestExec } from './guest-agent.ts'
import { isPortOpen, monitor } from './monitor.ts'
import { guestAgentPort, machinePaths } from './qemu.ts'
import { type ConsoleView, readConsole, viewConsole } from './stage.ts'
import type { StatusMemory } from './status-memory.ts'
import { hasPower, type Machine, type VmState } from './state.ts'

/** What can be seen of one machine from outside, and what its agent says. */
export interface MachineObservation {
  readonly name: string
  readonly power: 'on' | 'off' | 'paused'
  readonly console: ConsoleView
  /** Undefined while the agent does not answer. */
  readonly status: StatusResource | undefined
}

/** How far machines should come. `installed`: running from their own disks. */
export type VmGoal = 'installed' | LabGoal

/** Where an installed machine's agent listens. */
const agentSocket = '/run/muster/agent.sock'

/** Looks at all machines at once. Who looks again and again hands over what the agents said before. */
export function observeMachines(state: VmState, memory?: StatusMemory): Promise<MachineObservation[]> {
  return Promise.all(state.machines.map((machine) => observeMachine(machine, memory)))
}

async function observeMachine(
  machine: Machine,
  memory: StatusMemory | undefined,
): Promise<MachineObservation> {
  const paths = machinePaths(machine.directory)
  const console = viewConsole(readConsole(paths.console))
  const seen = { name: machine.name, console, status: undefined }
  if (console.stage !== 'installed') memory?.forget(machine.name)
  if (!hasPower(machine)) return { ...seen, power: 'off' }
  try {
    const [run] = (await monitor(paths.monitor, [{ execute: 'query-status' }], 5_000)) as [{ status: string }]
    if (run.status === 'paused') return { ...seen, power: 'paused' }
    // Only where somebody listens is it worth while to ask, and to wait for an answer.
    const isAskable = console.stage === 'installed' && (await isPortOpen(paths.monitor, guestAgentPort))
    if (!isAskable) return { ...seen, power: 'on' }
    const ask = (): Promise<StatusResource | undefined> => agentStatus(machine)
    const status = memory === undefined ? ask() : memory.statusOf(machine.name, console.agent, ask)
    return { ...seen, power: 'on', status: await status }
  } catch {
    // Switched off, or starting anew, while it was looked at.
    return { ...seen, power: hasPower(machine) ? 'on' : 'off' }
  }
}

/** What the agent in a machine says; undefined while it says nothing. */
async function agentStatus(machine: Machine): Promise<StatusResource | undefined> {
  const command = ['curl', '-sf', '--max-time', '30', '--unix-socket', agentSocket, 'http://agent/v1/status']
  // An emulated machine that starts its k3s may need that long to start a program at all.
  const options = { timeoutMs: 60_000, silenceMs: 30_000 }
  try {
    const path = machinePaths(machine.directory).guestAgent
    const { code, stdout } = await guestExec(path, machine.name, command, options)
    return code === 0 ? (JSON.parse(stdout) as StatusResource) : undefined
  } catch {
    return undefined
  }
}

/** Whether a goal is reached, or what is lacking, machine by machine. */
export function judgeMachines(goal: VmGoal, machines: readonly MachineObservation[]): GoalReport {
  if (goal !== 'installed') {
    return judgeStatuses(
      goal,
      machines.map((machine) => ({ ...machine, situation: machineSituation(machine) })),
    )
  }
  const lacking = machines
    .filter((machine) => machine.power !== 'on' || machine.console.stage !== 'installed')
    .map((machine) => `${machine.name}: ${machineSituation(machine)}`)
  return { reached: machines.length > 0 && lacking.length === 0, failure: '', lacking }
}

/** What a machine is doing or waiting for, in one line. */
export function machineSituation(machine: MachineObservation): string {
  if (machine.power === 'off') return 'switched off'
  if (machine.power === 'paused') return 'paused'
  if (machine.status !== undefined) return situationOfStatus(machine.status)
  return machine.console.note
}

/** Phase of the agent, or before there is one, of the machine. */
export function machinePhase(machine: MachineObservation): string {
  if (machine.power !== 'on') return machine.power
  if (machine.status !== undefined) return machine.status.phase
  return machine.console.stage === 'installed' ? 'booting' : machine.console.stage
}

/** Columns of a lab's machines. */
export const machineColumns: readonly Column<MachineObservation>[] = [
  { title: 'MACHINE', of: (machine) => machine.name },
  { title: 'BOOTS', of: (machine) => String(machine.console.boots) },
  { title: 'PHASE', of: machinePhase },
  { title: 'ROLE', of: (machine) => machine.status?.assignment?.role ?? '' },
  { title: 'ADDRESS', of: (machine) => machine.status?.assignment?.address4 ?? '' },
  { title: 'PLAN', of: (machine) => planText(machine.status) },
  { title: 'NODE', of: (machine) => machine.status?.nodeId ?? '', wide: true },
  { title: 'ADDRESS6', of: (machine) => machine.status?.assignment?.address6 ?? '', wide: true },
  { title: 'NOW', of: machineSituation },
]

/** One machine in one line. */
export function machineLine(machine: MachineObservation): string {
  const assignment = machine.status?.assignment
  const plan = planText(machine.status)
  const parts = [
    machine.name,
    machinePhase(machine),
    plan === '' ? '' : `plan ${plan}`,
    assignment === null || assignment === undefined ? '' : `${assignment.role} ${assignment.address4}`,
    machine.power === 'on' ? machineSituation(machine) : '',
  ]
  return parts.filter((part) => part !== '').join('  ')
}
