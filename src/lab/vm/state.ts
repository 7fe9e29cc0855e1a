import { MusterError } from '../../errors.ts'
import { isAlive, type ProcessReference } from '../processes.ts'
import { StateHome } from '../state-home.ts'
import type { Accelerator } from './accelerator.ts'
import type { VmNetworkMode } from './addresses.ts'
import type { LinkFault } from './switch.ts'

/** One emulated machine: what makes it this machine, and the process that emulates it now. */
export interface Machine {
  readonly name: string
  /** From 1; never given again within a lab. Address and MAC follow from it. */
  readonly index: number
  /** SMBIOS UUID. */
  readonly uuid: string
  /** Serial number of its disk. */
  readonly diskSerial: string
  /** Its own directory: disk, firmware variables, sockets, console log. */
  readonly directory: string
  /** QEMU; undefined while it is switched off. */
  readonly process: ProcessReference | undefined
}

/** What all machines of a lab have in common. */
export interface MachineSettings {
  /** ISO in the machines' drive; empty: none. */
  readonly iso: string
  readonly diskBytes: number
  readonly memoryMiB: number
  readonly processors: number
  readonly accelerator: Accelerator
  /** Firmware code, and the variables that a new machine starts with. */
  readonly firmware: { readonly code: string; readonly variables: string }
}

/** All that a later command needs to find a lab of machines again. Kept in `vm.json`. */
export interface VmState {
  readonly version: 1
  readonly name: string
  readonly directory: string
  readonly network: VmNetworkMode
  readonly settings: MachineSettings
  readonly switch: ProcessReference
  readonly machines: readonly Machine[]
  readonly faults: readonly LinkFault[]
  /** Wall clock, for people. */
  readonly startedAt: string
}

/** The user's labs of machines. */
export const vmHome: StateHome<VmState> = new StateHome('muster-vm', 'MUSTER_VM_DIRECTORY', 'vm.json')

/** A lab's state. Throws ERR_VM_ABSENT when it does not run. */
export function runningVmState(name: string): VmState {
  const state = vmHome.load(name)
  if (state === undefined || !isAlive(state.switch)) throw new MusterError('ERR_VM_ABSENT', { name })
  return state
}

/** Reads, changes and writes the state in one go. Throws ERR_VM_ABSENT. */
export function updateVmState(name: string, change: (state: VmState) => VmState): VmState {
  const changed = change(runningVmState(name))
  vmHome.save(changed)
  return changed
}

/** Replaces one machine's entry. */
export function updateMachine(name: string, machine: Machine): VmState {
  return updateVmState(name, (state) => ({
    ...state,
    machines: state.machines.map((each) => (each.name === machine.name ? machine : each)),
  }))
}

/** A machine by name. Throws ERR_VM_UNKNOWN with the names that exist. */
export function machineOf(state: VmState, name: string): Machine {
  const machine = state.machines.find((candidate) => candidate.name === name)
  if (machine === undefined) {
    throw new MusterError('ERR_VM_UNKNOWN', {
      name,
      names: state.machines.map((each) => each.name).join(', '),
    })
  }
  return machine
}

/** Whether a machine has power. */
export function hasPower(machine: Machine): boolean {
  return machine.process !== undefined && isAlive(machine.process)
}
