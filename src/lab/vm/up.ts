import { constants, copyFileSync, existsSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { newNetwork } from '../../agent/api/operator.ts'
import { imageFiles } from '../../core/install/layout.ts'
import { MusterError } from '../../errors.ts'
import { isAlive } from '../processes.ts'
import { thisProgram } from '../up.ts'
import { findAccelerator, type Accelerator } from './accelerator.ts'
import { machinesMax, type VmNetworkMode } from './addresses.ts'
import { endVms } from './down.ts'
import { makeMachine, type StartOptions, switchOn } from './machines.ts'
import { machinePaths } from './qemu.ts'
import { type MachineSettings, runningVmState, updateVmState, vmHome, type VmState } from './state.ts'
import { openPort, startSwitchProcess } from './switch-service.ts'
import { provideVmTools } from './tools.ts'
import { readUki } from './uki.ts'

/** What a lab of machines should be. */
export interface VmOptions {
  readonly name?: string
  readonly nodes?: number
  /** Machines that found the cluster; default: all of them. */
  readonly expect?: number
  /** ISO that all machines boot; empty: none, and then nothing is installed. */
  readonly iso: string
  /** Text of the cloud-config on the ISO; default: one with a new token that installs by itself. */
  readonly config?: string
  /** Puts a cloud-config into an ISO file, in place. */
  readonly inject: (iso: string, config: string) => Promise<void>
  readonly diskBytes?: number
  readonly memoryMiB?: number
  readonly processors?: number
  readonly network?: VmNetworkMode
  /** Whether to switch the machines on; default yes. */
  readonly start?: boolean
  /** How to start muster; default: this very source tree or bundle. */
  readonly program?: readonly string[]
  /** Where progress is told, one line at a time. */
  readonly say?: (line: string) => void
}

export const vmDefaults: {
  readonly name: string
  readonly nodes: number
  readonly diskMiB: number
  readonly memoryMiB: number
} = { name: 'default', nodes: 3, diskMiB: 8_192, memoryMiB: 768 }

/**
 * Makes the machines and switches them on; does not wait for what becomes of them. Leaves nothing behind when it
 * fails. Throws ERR_VM_EXISTS, ERR_LAB_TOOLS, ERR_VM_IMAGE, ERR_VM_START, ERR_VM_SWITCH, ERR_USAGE.
 */
export async function raiseVms(options: VmOptions): Promise<VmState> {
  const name = options.name ?? vmDefaults.name
  const nodes = options.nodes ?? vmDefaults.nodes
  if (nodes < 1 || nodes > machinesMax) {
    throw new MusterError('ERR_USAGE', { detail: `a lab has 1 to ${machinesMax} machines, not ${nodes}` })
  }
  const directory = vmHome.directoryOf(name)
  const present = vmHome.load(name)
  if (present !== undefined && isAlive(present.switch)) {
    throw new MusterError('ERR_VM_EXISTS', { name, count: present.machines.length })
  }
  checkSocketPath(directory)
  if (options.iso !== '' && !existsSync(options.iso)) {
    throw new MusterError('ERR_VM_IMAGE', { path: options.iso, detail: 'there is no such file' })
  }
  const firmware = await provideVmTools(options.say ?? (() => undefined))
  // What a machine's restart left of a former lab.
  if (existsSync(directory)) await endVms(name)
  vmHome.claim()
  mkdirSync(directory, { mode: 0o700 })
  try {
    const network = options.network ?? 'dhcp'
    const accelerator = await probeAccelerator(options.iso, directory)
    const settings: MachineSettings = {
      iso: await provideIso(options, directory, name, nodes, accelerator),
      diskBytes: options.diskBytes ?? vmDefaults.diskMiB * 2 ** 20,
      memoryMiB: options.memoryMiB ?? vmDefaults.memoryMiB,
      processors: options.processors ?? 1,
      accelerator,
      firmware,
    }
    const state: VmState = {
      version: 1,
      name,
      directory,
      network,
      settings,
      switch: await startSwitchProcess(options.program ?? thisProgram(), directory, network),
      machines: [],
      faults: [],
      startedAt: new Date().toISOString(),
    }
    vmHome.save(state)
    for (let index = 1; index <= nodes; index++) await addMachine(name, options.start ?? true)
    return runningVmState(name)
  } catch (error) {
    await endVms(name)
    throw error
  }
}

/** Adds a machine to a running lab and switches it on. Returns its name. */
export async function addMachine(name: string, start = true): Promise<string> {
  const state = runningVmState(name)
  const index = Math.max(0, ...state.machines.map((machine) => machine.index)) + 1
  const machine = makeMachine(state.directory, index, state.settings)
  vmHome.save({ ...state, machines: [...state.machines, machine] })
  if (start) await startMachine(name, machine.name)
  return machine.name
}

/** Switches a machine of a lab on. */
export async function startMachine(
  name: string,
  machineName: string,
  options: StartOptions = {},
): Promise<void> {
  const state = runningVmState(name)
  const machine = state.machines.find((each) => each.name === machineName)
  if (machine === undefined) return
  await openPort(state.directory, machine.name, machine.index, machinePaths(machine.directory).port)
  const started = await switchOn(machine, state.settings, options)
  updateVmState(name, (latest) => ({
    ...latest,
    machines: latest.machines.map((each) => (each.name === machineName ? started : each)),
  }))
}

/** The one ISO of all machines: a copy with the cloud-config in it. */
async function provideIso(
  options: VmOptions,
  directory: string,
  name: string,
  nodes: number,
  accelerator: Accelerator,
): Promise<string> {
  if (options.iso === '') return ''
  const iso = join(directory, 'muster.iso')
  copyFileSync(options.iso, iso, constants.COPYFILE_FICLONE)
  const config = options.config ?? newConfig(directory, name, options.expect ?? nodes, accelerator)
  writeFileSync(join(directory, 'config.yaml'), config, { mode: 0o600 })
  await options.inject(iso, config)
  return iso
}

/** A cloud-config with which a machine installs itself, restarts, and founds a cluster with its like. */
function newConfig(directory: string, name: string, expect: number, accelerator: Accelerator): string {
  const tokenName = `vm-${name}`.slice(0, 32).replace(/-+$/, '')
  const { token, operatorKey } = newNetwork({ name: tokenName })
  writeFileSync(join(directory, 'operator.key'), `${operatorKey.privateKeyText}\n`, { mode: 0o600 })
  return `#cloud-config
# The same bytes on every machine of this lab.
install:
  auto: true
  device: auto
  reboot: true
muster:
  token: ${token}
  bootstrap:
    expect: ${expect}
${accelerator === 'tcg' ? patience : ''}`
}

/**
 * An emulated machine runs JavaScript many times as slowly. It should spend little of that on asking its like, and its
 * etcd, whose words all go through the overlay, must not take a busy leader for a dead one.
 */
const patience = `  k3s:
    server_args:
      - --etcd-arg=heartbeat-interval=2000
      - --etcd-arg=election-timeout=20000
  timers:
    probe_interval: 10s
    probe_timeout: 5s
    gossip_interval: 1s
    leader_timeout: 20s
    accept_timeout: 15s
    init_timeout: 30m
`

/** The probe starts the kernel of the image that lies beside the ISO. */
async function probeAccelerator(iso: string, directory: string): Promise<Accelerator> {
  const uki = join(dirname(iso), 'image', imageFiles.installed)
  if (iso === '' || !existsSync(uki)) return findAccelerator(undefined)
  const scratch = mkdtempSync(join(directory, 'probe-'))
  try {
    const kernel = join(scratch, 'kernel')
    writeFileSync(kernel, readUki(uki).kernel)
    return await findAccelerator(kernel)
  } finally {
    rmSync(scratch, { recursive: true, force: true })
  }
}

/** Longest path of a unix socket on Linux, with its end. */
const socketPathMax = 107

function checkSocketPath(directory: string): void {
  const longest = machinePaths(join(directory, `m${machinesMax}`)).consoleSocket
  if (longest.length <= socketPathMax) return
  throw new MusterError('ERR_USAGE', {
    detail: `${directory} is too long a path for sockets: choose another place`,
  })
}
