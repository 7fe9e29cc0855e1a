import { randomBytes } from 'node:crypto'
import { setTimeout as sleep } from 'node:timers/promises'
import { MusterError } from '../../errors.ts'
import { faultsBetween, mergeFaults, type Partition } from '../network-faults.ts'
import type { GoalReport } from '../observe.ts'
import type { Finished } from '../run.ts'
import { endVms } from './down.ts'
import { guestExec, type GuestExecOptions } from './guest-agent.ts'
import { cutPower, emptyMachine, type StartOptions } from './machines.ts'
import { monitor } from './monitor.ts'
import { judgeMachines, type MachineObservation, observeMachines, type VmGoal } from './observe.ts'
import { insertOrders, type MachinePaths, machinePaths } from './qemu.ts'
import { readConsole } from './stage.ts'
import {
  hasPower,
  type Machine,
  machineOf,
  runningVmState,
  updateMachine,
  updateVmState,
  type VmState,
} from './state.ts'
import { StatusMemory } from './status-memory.ts'
import type { PortCounts } from './switch.ts'
import { captureAt, setSwitchFaults, switchCounts } from './switch-service.ts'
import { addMachine, raiseVms, startMachine, vmDefaults, type VmOptions } from './up.ts'

export interface VmAwaitOptions {
  readonly timeoutMs?: number
  readonly signal?: AbortSignal
  /** Called with each look at the machines. */
  readonly onLook?: (machines: readonly MachineObservation[], elapsedMs: number) => void
}

/** What came of waiting for a goal. */
export interface VmAwaited extends GoalReport {
  readonly elapsedMs: number
  readonly machines: readonly MachineObservation[]
}

/** How often machines are looked at: a look costs an emulated machine work of its own. */
const lookIntervalMs = 2_000

/** Makes the machines and switches them on. `lab.down()` ends them. */
export async function createVmLab(options: VmOptions): Promise<VmLab> {
  const state = await raiseVms(options)
  return new VmLab(state.name)
}

/** A lab that runs already. Throws ERR_VM_ABSENT. */
export function openVmLab(name: string = vmDefaults.name): VmLab {
  runningVmState(name)
  return new VmLab(name)
}

/** Emulated machines on this one. Holds no state of its own: what counts is in `vm.json` and in the kernel. */
export class VmLab {
  readonly name: string

  constructor(name: string) {
    this.name = name
  }

  /** The lab as it is now. Throws ERR_VM_ABSENT. */
  get state(): VmState {
    return runningVmState(this.name)
  }

  get machines(): readonly Machine[] {
    return this.state.machines
  }

  paths(machine: string): MachinePaths {
    return machinePaths(machineOf(this.state, machine).directory)
  }

  /** The last lines of a machine's serial console; empty when it never wrote one. */
  console(machine: string, lines: number = Number.POSITIVE_INFINITY): string {
    const text = readConsole(this.paths(machine).console, 2 ** 30).trimEnd()
    return text.split(/\r?\n/).slice(-lines).join('\n')
  }

  async status(): Promise<MachineObservation[]> {
    return observeMachines(this.state)
  }

  /** Waits until every machine has come so far, or the time is over. Does not throw for that: see `reached`. */
  async await(goal: VmGoal, options: VmAwaitOptions = {}): Promise<VmAwaited> {
    const startedAt = performance.now()
    const memory = new StatusMemory()
    for (;;) {
      const machines = await observeMachines(this.state, memory)
      const report = judgeMachines(goal, machines)
      const elapsedMs = performance.now() - startedAt
      options.onLook?.(machines, elapsedMs)
      const isOver = elapsedMs >= (options.timeoutMs ?? 1_200_000) || options.signal?.aborted === true
      if (report.reached || report.failure !== '' || isOver) return { ...report, elapsedMs, machines }
      await sleep(lookIntervalMs)
    }
  }

  /** Runs a command in a machine to its end, through its guest agent. Throws ERR_VM_OFF, ERR_VM_GUEST. */
  async exec(machine: string, command: readonly string[], options: GuestExecOptions = {}): Promise<Finished> {
    return guestExec(this.#poweredPaths(machine).guestAgent, machine, command, options)
  }

  /** Pulls the plug. */
  async cut(machine: string): Promise<void> {
    const found = machineOf(this.state, machine)
    await cutPower(found)
    updateMachine(this.name, { ...found, process: undefined })
  }

  /** Pulls the plug of all machines at once. */
  async cutAll(): Promise<void> {
    await Promise.all(this.machines.map(cutPower))
    updateVmState(this.name, (state) => ({
      ...state,
      machines: state.machines.map((machine) => ({ ...machine, process: undefined })),
    }))
  }

  async start(machine: string, options: StartOptions = {}): Promise<void> {
    machineOf(this.state, machine)
    await startMachine(this.name, machine, options)
  }

  /** Pulls the plug and switches on again. */
  async restart(machine: string): Promise<void> {
    await this.cut(machine)
    await this.start(machine)
  }

  /** Gives a machine an empty disk and starts it from the ISO. */
  async wipe(machine: string): Promise<void> {
    await this.cut(machine)
    emptyMachine(machineOf(this.state, machine), this.state.settings)
    await this.start(machine)
  }

  /** Stops the machine's processors. */
  async pause(machine: string): Promise<void> {
    await monitor(this.#poweredPaths(machine).monitor, [{ execute: 'stop' }])
  }

  async resume(machine: string): Promise<void> {
    await monitor(this.#poweredPaths(machine).monitor, [{ execute: 'cont' }])
  }

  /** Makes one more machine from the same ISO. Returns its name. */
  async add(): Promise<string> {
    return addMachine(this.name)
  }

  /** Loses or delays frames between machines, in addition to what holds already. */
  async partition(partition: Partition, lossPercent = 100, delayMs = 0): Promise<void> {
    const indexOf = (name: string): number => machineOf(this.state, name).index
    const added = faultsBetween(
      partition.left.map(indexOf),
      partition.right.map(indexOf),
      partition.direction,
      lossPercent,
    ).map((fault) => ({ ...fault, delayMs }))
    await this.#setFaults((state) => ({ ...state, faults: mergeFaults(state.faults, added) }))
  }

  /** Ends all partitions, losses and delays. */
  async heal(): Promise<void> {
    await this.#setFaults((state) => ({ ...state, faults: [] }))
  }

  /** Writes all frames of a machine into a pcap file from now on; undefined ends it. */
  async capture(machine: string, path: string | undefined): Promise<void> {
    const { directory } = this.state
    await captureAt(directory, machineOf(this.state, machine).name, path)
  }

  /** What each port of the switch has seen. */
  async counts(): Promise<Readonly<Record<string, PortCounts>>> {
    return switchCounts(this.state.directory)
  }

  /** Writes what the machine's screen shows into a PNG file. */
  async screenshot(machine: string, path: string): Promise<void> {
    const shot = { execute: 'screendump', arguments: { filename: path, format: 'png' } }
    await monitor(this.#poweredPaths(machine).monitor, [shot])
  }

  /** Puts an ISO into one more drive of a running machine, until its power is cut. */
  async insert(machine: string, iso: string): Promise<void> {
    const name = `medium${randomBytes(4).toString('hex')}`
    await monitor(this.#poweredPaths(machine).monitor, insertOrders(name, iso))
  }

  /** Ends the lab and leaves nothing. */
  async down(): Promise<void> {
    return endVms(this.name)
  }

  #poweredPaths(name: string): MachinePaths {
    const machine = machineOf(this.state, name)
    if (!hasPower(machine)) throw new MusterError('ERR_VM_OFF', { name })
    return machinePaths(machine.directory)
  }

  async #setFaults(change: (state: VmState) => VmState): Promise<void> {
    const state = updateVmState(this.name, change)
    await setSwitchFaults(state.directory, state.faults)
  }
}
