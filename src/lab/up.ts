import { accessSync, chmodSync, constants, existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { newNetwork } from '../agent/api/operator.ts'
import { MusterError } from '../errors.ts'
import { address4Of, address6Of, labHostsMax, type NetworkMode } from './addresses.ts'
import { labCloudConfig } from './cloud-config.ts'
import { endLab } from './down.ts'
import { makeHost, startAgent } from './hosts.ts'
import { namespaceObstacle, startSwitch } from './namespaces.ts'
import { isAlive } from './processes.ts'
import { claimLabsDirectory, labDirectory, type LabState, loadLabState, saveLabState } from './state.ts'
import { provideTools, type ToolName } from './tools.ts'

/** What a lab should be. Everything has a default: five hosts, three of them control plane. */
export interface LabOptions {
  readonly name?: string
  readonly nodes?: number
  readonly controlPlane?: number
  /** Machines that found the cluster; default: all of them. */
  readonly expect?: number
  /** Path of a real k3s; default: the contract double in front of a real etcd. Empty: none. */
  readonly k3s?: string
  /** Text of the cloud-config for all hosts; default: one with a new token. */
  readonly config?: string
  readonly network?: NetworkMode
  /** Multicast discovery; default on. Without it the first host is named as the one peer to ask. */
  readonly mdns?: boolean
  /** How to start muster; default: this very source tree or bundle. */
  readonly program?: readonly string[]
  /** Whether to start the agents; default yes. */
  readonly startAgents?: boolean
  /** Where progress is told, one line at a time. */
  readonly say?: (line: string) => void
}

export const labDefaults: { readonly name: string; readonly nodes: number; readonly controlPlane: number } = {
  name: 'default',
  nodes: 5,
  controlPlane: 3,
}

/**
 * Makes the hosts and starts their agents; does not wait for what becomes of them. Leaves nothing behind
 * when it fails. Throws ERR_LAB_EXISTS, ERR_LAB_TOOLS, ERR_LAB_RIGHTS, ERR_USAGE.
 */
export async function raiseLab(options: LabOptions = {}): Promise<LabState> {
  const name = options.name ?? labDefaults.name
  const nodes = options.nodes ?? labDefaults.nodes
  const expect = options.expect ?? nodes
  const controlPlane = options.controlPlane ?? Math.min(labDefaults.controlPlane, nodes)
  const network = options.network ?? 'default-route'
  if (nodes < 1 || nodes > labHostsMax) {
    throw new MusterError('ERR_USAGE', { detail: `a lab has 1 to ${labHostsMax} hosts, not ${nodes}` })
  }
  const present = loadLabState(name)
  if (present !== undefined && isAlive(present.init)) {
    throw new MusterError('ERR_LAB_EXISTS', { name, count: present.hosts.length })
  }
  const double = options.k3s === undefined ? contractDouble() : undefined
  const toolRoot = await provideTools(toolsFor(options), options.say ?? (() => undefined))
  const rootless = process.getuid?.() !== 0
  await checkRights(rootless)
  const directory = labDirectory(name)
  // What a machine's restart left of a former lab.
  if (existsSync(directory)) await endLab(name)
  claimLabsDirectory()
  mkdirSync(directory, { mode: 0o700 })

  const program = options.program ?? thisProgram()
  const switchPart = await startSwitch(rootless, network, toolRoot)
  const base: LabState = {
    version: 1,
    name,
    directory,
    rootless,
    network,
    expect,
    controlPlane,
    program,
    k3s:
      double === undefined ? (options.k3s ?? '') : writeScript(directory, 'k3s', [process.execPath, double]),
    toolRoot,
    init: switchPart.init,
    hosts: [],
    faults: [],
    startedAt: new Date().toISOString(),
  }
  saveLabState(base)
  try {
    const cloudConfig = options.config ?? newCloudConfig(base, options.mdns ?? true)
    writeFileSync(join(directory, 'config.yaml'), cloudConfig, { mode: 0o600 })
    writeLauncher(directory, program)
    const indices = Array.from({ length: nodes }, (_, position) => position + 1)
    const hosts = await Promise.all(indices.map((index) => makeHost(base, index, cloudConfig)))
    const state = { ...base, hosts }
    saveLabState(state)
    if (options.startAgents ?? true) {
      await Promise.all(hosts.map((host) => startAgent(name, host.name)))
    }
    return state
  } catch (error) {
    await endLab(name)
    throw error
  }
}

/** Adds a machine to a running lab, with the same cloud-config, and starts its agent. */
export async function addHost(name: string): Promise<string> {
  const state = loadLabState(name)
  if (state === undefined || !isAlive(state.init)) throw new MusterError('ERR_LAB_ABSENT', { name })
  const index = Math.max(0, ...state.hosts.map((host) => host.index)) + 1
  const cloudConfig = readFileSync(join(state.directory, 'config.yaml'), 'utf8')
  const host = await makeHost(state, index, cloudConfig)
  saveLabState({ ...state, hosts: [...state.hosts, host] })
  await startAgent(name, host.name)
  return host.name
}

/** How this very program is started: its bundle, or its source. */
export function thisProgram(): string[] {
  const bundle = fileURLToPath(import.meta.url)
  const source = fileURLToPath(new URL('../cli/main.ts', import.meta.url))
  return [process.execPath, existsSync(source) ? source : bundle]
}

function toolsFor(options: LabOptions): ToolName[] {
  const always: ToolName[] = ['unshare', 'ip', 'nft', 'ping']
  return options.k3s === undefined ? [...always, 'etcd'] : always
}

async function checkRights(rootless: boolean): Promise<void> {
  const obstacle = await namespaceObstacle(rootless)
  if (obstacle !== undefined) throw new MusterError('ERR_LAB_RIGHTS', { detail: obstacle })
  try {
    accessSync('/dev/net/tun', constants.R_OK | constants.W_OK)
  } catch (error) {
    throw new MusterError('ERR_LAB_RIGHTS', { detail: '/dev/net/tun cannot be opened' }, { cause: error })
  }
}

function newCloudConfig(state: LabState, mdns: boolean): string {
  const { token, operatorKey } = newNetwork({ name: tokenName(state.name) })
  const keyText = `${operatorKey.privateKeyText}\n`
  writeFileSync(join(state.directory, 'operator.key'), keyText, { mode: 0o600 })
  const firstHost = state.network === 'ipv6-only' ? address6Of(1) : address4Of(1)
  return labCloudConfig({
    token,
    expect: state.expect,
    controlPlane: state.controlPlane,
    mdns,
    peers: mdns ? [] : [firstHost],
  })
}

/** A token's name has at most 32 characters and does not end with a hyphen; a lab's is freer. */
function tokenName(labName: string): string {
  return `lab-${labName}`.slice(0, 32).replace(/-+$/, '')
}

/** The contract double, beside the source or beside the bundle. Throws ERR_USAGE where it is not shipped. */
function contractDouble(): string {
  const places = ['../../simulations/k3s-contract/main.ts', '../simulations/k3s-contract/main.ts']
  const found = places.map((place) => fileURLToPath(new URL(place, import.meta.url))).find(existsSync)
  if (found !== undefined) return found
  throw new MusterError('ERR_USAGE', {
    detail: 'the contract double is not part of this package: name a k3s binary with --k3s PATH',
  })
}

/** A program named `muster`, so that `lab exec h1 -- muster status` works. */
function writeLauncher(directory: string, program: readonly string[]): void {
  writeScript(directory, 'muster', program)
}

function writeScript(directory: string, name: string, command: readonly string[]): string {
  const programs = join(directory, 'bin')
  mkdirSync(programs, { recursive: true, mode: 0o700 })
  const path = join(programs, name)
  const quoted = command.map((word) => `'${word.replaceAll("'", String.raw`'\''`)}'`).join(' ')
  writeFileSync(path, `#!/bin/sh\nexec ${quoted} "$@"\n`)
  chmodSync(path, 0o700)
  return path
}
