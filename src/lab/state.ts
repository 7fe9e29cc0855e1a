import { MusterError } from '../errors.ts'
import type { NetworkMode } from './addresses.ts'
import type { Fault } from './network-faults.ts'
import type { ProcessReference } from './processes.ts'
import { StateHome } from './state-home.ts'

/** One machine of the lab. */
export interface LabHost {
  readonly name: string
  /** From 1; never given again within a lab. Addresses and the MAC follow from it. */
  readonly index: number
  /** First process of the host's pid namespace: when it dies, everything on the host dies. */
  readonly init: ProcessReference
  /** The host's own directory: `etc`, `var`, `run` and the agent's log are below it. */
  readonly root: string
}

/** All that a later command needs to find a lab again. Kept in `lab.json`. */
export interface LabState {
  readonly version: 1
  readonly name: string
  readonly directory: string
  /** Whether the lab lives in a user namespace of an ordinary user. */
  readonly rootless: boolean
  readonly network: NetworkMode
  readonly expect: number
  readonly controlPlane: number
  /** How to start muster: a program and its first arguments. */
  readonly program: readonly string[]
  /** Path of the k3s binary, or of the wrapper around the contract double. */
  readonly k3s: string
  /** Where tools had to be unpacked, laid out like `/`; empty: the machine has them. */
  readonly toolRoot: string
  /** First process of the lab: the switch's namespace, and ancestor of everything in the lab. */
  readonly init: ProcessReference
  readonly hosts: readonly LabHost[]
  readonly faults: readonly Fault[]
  /** Wall clock, for people. */
  readonly startedAt: string
}

const home = new StateHome<LabState>('muster-lab', 'MUSTER_LAB_DIRECTORY', 'lab.json')

/** Makes the user's own directory for labs and refuses one that somebody else put there. */
export function claimLabsDirectory(): string {
  return home.claim()
}

/** Removes the directory for labs after the last one. */
export function releaseLabsDirectory(): void {
  home.release()
}

/** Directory of one lab. Throws ERR_USAGE for a name that cannot be one. */
export function labDirectory(name: string): string {
  return home.directoryOf(name)
}

/** Names of the labs that have left a state, sorted. */
export function labNames(): string[] {
  return home.names()
}

/** State of a lab, or undefined when there is none of that name. */
export function loadLabState(name: string): LabState | undefined {
  return home.load(name)
}

/** Replaces the state on disk at once, so that a reader never sees half of it. */
export function saveLabState(state: LabState): void {
  home.save(state)
}

/** Reads, changes and writes the state in one go. Throws ERR_LAB_ABSENT. */
export function updateLabState(name: string, change: (state: LabState) => LabState): LabState {
  const state = loadLabState(name)
  if (state === undefined) throw new MusterError('ERR_LAB_ABSENT', { name })
  const changed = change(state)
  saveLabState(changed)
  return changed
}

/** A host by name. Throws ERR_LAB_HOST_UNKNOWN with the names that exist. */
export function hostOf(state: LabState, name: string): LabHost {
  const host = state.hosts.find((candidate) => candidate.name === name)
  if (host === undefined) {
    throw new MusterError('ERR_LAB_HOST_UNKNOWN', {
      name,
      names: state.hosts.map((candidate) => candidate.name).join(', '),
    })
  }
  return host
}
