import { lstatSync, mkdirSync, readdirSync, readFileSync, renameSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { MusterError } from '../errors.ts'
import type { NetworkMode } from './addresses.ts'
import type { Fault } from './network-faults.ts'
import type { ProcessReference } from './processes.ts'

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

/** Where the labs of this user are, each in a directory of its name. `/tmp`, since etcd's logs are too large for a runtime directory. */
export function labsDirectory(): string {
  const uid = process.getuid?.() ?? 0
  return process.env['MUSTER_LAB_DIRECTORY'] ?? join(tmpdir(), `muster-lab-${uid}`)
}

/** Makes the user's own directory for labs and refuses one that somebody else put there. */
export function claimLabsDirectory(): string {
  const directory = labsDirectory()
  mkdirSync(directory, { recursive: true, mode: 0o700 })
  const found = lstatSync(directory)
  if (!found.isDirectory() || found.uid !== process.getuid?.()) {
    throw new MusterError('ERR_STATE_UNREADABLE', { path: directory, detail: 'it belongs to somebody else' })
  }
  return directory
}

/** Directory of one lab. Throws ERR_USAGE for a name that cannot be one. */
export function labDirectory(name: string): string {
  if (!/^[a-z0-9][a-z0-9-]{0,31}$/.test(name)) {
    throw new MusterError('ERR_USAGE', {
      detail: `'${name}' is no name for a lab: use a-z, 0-9 and -, at most 32`,
    })
  }
  return join(labsDirectory(), name)
}

/** Names of the labs that have left a state, sorted. */
export function labNames(): string[] {
  try {
    return readdirSync(labsDirectory(), { withFileTypes: true })
      .filter((entry) => entry.isDirectory())
      .map((entry) => entry.name)
      .toSorted()
  } catch {
    return []
  }
}

/** State of a lab, or undefined when there is none of that name. */
export function loadLabState(name: string): LabState | undefined {
  try {
    return JSON.parse(readFileSync(join(labDirectory(name), 'lab.json'), 'utf8')) as LabState
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined
    throw error
  }
}

/** Replaces the state on disk at once, so that a reader never sees half of it. */
export function saveLabState(state: LabState): void {
  const path = join(state.directory, 'lab.json')
  const temporary = `${path}.${process.pid}`
  writeFileSync(temporary, `${JSON.stringify(state, undefined, 2)}\n`, { mode: 0o600 })
  renameSync(temporary, path)
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
