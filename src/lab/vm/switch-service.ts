import { closeSync, mkdirSync, openSync, rmSync } from 'node:fs'
import { spawn } from 'node:child_process'
import { createServer, type Socket } from 'node:net'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { MusterError } from '../../errors.ts'
import { type ProcessReference, referenceTo } from '../processes.ts'
import type { VmNetworkMode } from './addresses.ts'
import { JsonSocket } from './json-socket.ts'
import { type LinkFault, type PortCounts, VmSwitch } from './switch.ts'

// The switch as a process of its own, which outlives the command that started it, and what is said to it.

type Order =
  | { readonly order: 'port'; readonly name: string; readonly index: number; readonly path: string }
  | { readonly order: 'faults'; readonly faults: readonly LinkFault[] }
  | { readonly order: 'capture'; readonly name: string; readonly path: string | null }
  | { readonly order: 'counts' }

interface Answer {
  readonly ok?: unknown
  readonly error?: string
}

/** Runs a switch in this process until it is killed. Its control socket is in the lab's directory. */
export async function serveSwitch(
  directory: string,
  network: VmNetworkMode,
  signal: AbortSignal,
): Promise<void> {
  const vmSwitch = new VmSwitch({ network })
  const server = createServer((socket) => listenTo(socket, vmSwitch))
  rmSync(controlPath(directory), { force: true })
  server.listen(controlPath(directory))
  await new Promise<void>((resolve) => {
    if (signal.aborted) resolve()
    signal.addEventListener('abort', () => resolve(), { once: true })
  })
  server.close()
  await vmSwitch.close()
}

/**
 * Starts the switch of a lab as a process without a parent and waits until it listens. `program` starts muster.
 * Throws ERR_VM_SWITCH.
 */
export async function startSwitchProcess(
  program: readonly string[],
  directory: string,
  network: VmNetworkMode,
): Promise<ProcessReference> {
  const [file = '', ...args] = program
  mkdirSync(directory, { recursive: true, mode: 0o700 })
  const log = openSync(join(directory, 'switch.log'), 'a', 0o600)
  const child = spawn(file, [...args, 'vm', 'switch', '--network', network, directory], {
    detached: true,
    stdio: ['ignore', log, log],
  })
  closeSync(log)
  child.unref()
  const reference = child.pid === undefined ? undefined : referenceTo(child.pid)
  const giveUpAt = performance.now() + 30_000
  for (;;) {
    if (reference === undefined || child.exitCode !== null) {
      throw new MusterError('ERR_VM_SWITCH', {
        detail: `it did not start; ${join(directory, 'switch.log')} says why`,
      })
    }
    try {
      await tellSwitch(directory, { order: 'counts' })
      return reference
    } catch (error) {
      if (performance.now() > giveUpAt) throw error
      await sleep(50)
    }
  }
}

/** Opens a port for a machine. */
export async function openPort(directory: string, name: string, index: number, path: string): Promise<void> {
  await tellSwitch(directory, { order: 'port', name, index, path })
}

/** Replaces all faults. */
export async function setSwitchFaults(directory: string, faults: readonly LinkFault[]): Promise<void> {
  await tellSwitch(directory, { order: 'faults', faults })
}

/** Captures at a port into a file from now on; undefined ends it. */
export async function captureAt(directory: string, name: string, path: string | undefined): Promise<void> {
  await tellSwitch(directory, { order: 'capture', name, path: path ?? null })
}

/** What each port has seen, by machine. */
export async function switchCounts(directory: string): Promise<Readonly<Record<string, PortCounts>>> {
  return (await tellSwitch(directory, { order: 'counts' })) as Record<string, PortCounts>
}

async function tellSwitch(directory: string, order: Order): Promise<unknown> {
  try {
    const socket = await JsonSocket.connect(controlPath(directory), 10_000)
    try {
      socket.send(order)
      const answer = await socket.next<Answer>(() => true, 10_000)
      if (answer.error !== undefined) throw new Error(answer.error)
      return answer.ok
    } finally {
      socket.close()
    }
  } catch (error) {
    const detail = error instanceof Error ? error.message : String(error)
    throw new MusterError('ERR_VM_SWITCH', { detail }, { cause: error })
  }
}

function listenTo(socket: Socket, vmSwitch: VmSwitch): void {
  let rest = ''
  socket.setEncoding('utf8')
  socket.on('error', () => undefined)
  socket.on('data', (text: string) => {
    const lines = `${rest}${text}`.split('\n')
    rest = lines.pop() ?? ''
    for (const line of lines) {
      void obey(vmSwitch, line).then((answer) => socket.write(`${JSON.stringify(answer)}\n`))
    }
  })
}

async function obey(vmSwitch: VmSwitch, line: string): Promise<Answer> {
  try {
    const order = JSON.parse(line) as Order
    switch (order.order) {
      case 'port':
        await vmSwitch.addPort(order.name, order.index, order.path)
        return { ok: true }
      case 'faults':
        vmSwitch.setFaults(order.faults)
        return { ok: true }
      case 'capture':
        vmSwitch.capture(order.name, order.path ?? undefined)
        return { ok: true }
      case 'counts':
        return { ok: vmSwitch.counts() }
    }
  } catch (error) {
    return { error: error instanceof Error ? error.message : String(error) }
  }
}

function controlPath(directory: string): string {
  return join(directory, 'switch.sock')
}
