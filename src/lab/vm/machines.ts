import { spawn } from 'node:child_process'
import { randomBytes, randomUUID } from 'node:crypto'
import {
  closeSync,
  copyFileSync,
  mkdirSync,
  openSync,
  readFileSync,
  rmSync,
  truncateSync,
  writeFileSync,
} from 'node:fs'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { MusterError } from '../../errors.ts'
import { isAlive, type ProcessReference, referenceTo, signal } from '../processes.ts'
import { type DirectKernel, machinePaths, qemuArguments } from './qemu.ts'
import { hasPower, type Machine, type MachineSettings } from './state.ts'

/** What a start of a machine may do in another way than the lab's settings say. */
export interface StartOptions {
  readonly direct?: DirectKernel
  /** The disk, `nbd+unix:///?socket=PATH`; default: the machine's own file. */
  readonly disk?: string
}

/** Makes a machine that was never switched on: an empty disk, fresh firmware variables, an identity of its hardware. */
export function makeMachine(directory: string, index: number, settings: MachineSettings): Machine {
  const name = `m${index}`
  const machine: Machine = {
    name,
    index,
    uuid: randomUUID(),
    diskSerial: randomBytes(10).toString('hex'),
    directory: join(directory, name),
    process: undefined,
  }
  mkdirSync(machine.directory, { recursive: true, mode: 0o700 })
  emptyMachine(machine, settings)
  return machine
}

/** Gives a machine an empty disk and the firmware's first variables again. It must be switched off. */
export function emptyMachine(machine: Machine, settings: MachineSettings): void {
  const paths = machinePaths(machine.directory)
  rmSync(paths.disk, { force: true })
  writeFileSync(paths.disk, '', { mode: 0o600 })
  truncateSync(paths.disk, settings.diskBytes)
  copyFileSync(settings.firmware.variables, paths.variables)
}

/** Switches a machine on as a process that outlives this one. The switch's port must be open. Throws ERR_VM_START. */
export async function switchOn(
  machine: Machine,
  settings: MachineSettings,
  options: StartOptions = {},
): Promise<Machine> {
  if (hasPower(machine)) return machine
  const paths = machinePaths(machine.directory)
  for (const socket of [paths.consoleSocket, paths.monitor, paths.guestAgent]) rmSync(socket, { force: true })
  const log = openSync(paths.log, 'a', 0o600)
  const child = spawn('qemu-system-x86_64', qemuArguments(machine, settings, options), {
    detached: true,
    stdio: ['ignore', log, log],
  })
  closeSync(log)
  child.on('error', () => undefined)
  child.unref()
  // QEMU opens files, ports and sockets before it emulates anything, and ends at once where it cannot.
  await sleep(200)
  const started = child.pid === undefined ? undefined : referenceTo(child.pid)
  if (started === undefined || child.exitCode !== null || !isAlive(started)) {
    throw new MusterError('ERR_VM_START', { name: machine.name, detail: lastWords(paths.log) })
  }
  return { ...machine, process: started }
}

/** Pulls the plug: what the machine had not been told is written is gone. */
export async function cutPower(machine: Machine): Promise<void> {
  if (machine.process !== undefined) await endProcess(machine.process)
}

/** Kills a process for sure and waits until it is gone. Throws ERR_LAB_COMMAND when it does not end. */
export async function endProcess(reference: ProcessReference): Promise<void> {
  if (!isAlive(reference)) return
  signal(reference.pid, 'SIGKILL')
  const giveUpAt = performance.now() + 30_000
  while (isAlive(reference)) {
    if (performance.now() > giveUpAt) {
      const detail = `process ${reference.pid} does not end`
      throw new MusterError('ERR_LAB_COMMAND', { command: 'kill', detail })
    }
    await sleep(10)
  }
}

function lastWords(path: string): string {
  try {
    return readFileSync(path, 'utf8').trim().split('\n').at(-1) ?? ''
  } catch {
    return 'QEMU said nothing'
  }
}
