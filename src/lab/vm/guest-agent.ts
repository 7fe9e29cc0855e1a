import { randomInt } from 'node:crypto'
import { setTimeout as sleep } from 'node:timers/promises'
import { MusterError } from '../../errors.ts'
import type { Finished } from '../run.ts'
import { JsonSocket } from './json-socket.ts'

// QEMU's guest agent (qemu-guest-agent in the machine, a virtio port, this socket): commands run in a machine
// without any network. Its socket serves one caller at a time, so each question is a connection of its own.

interface Answer {
  readonly return?: unknown
  readonly error?: { readonly desc: string }
}

interface ExecStatus {
  readonly exited: boolean
  readonly exitcode?: number
  readonly signal?: number
  readonly 'out-data'?: string
  readonly 'err-data'?: string
}

export interface GuestExecOptions {
  readonly input?: string
  readonly timeoutMs?: number
  /** How long the agent itself may be silent. */
  readonly silenceMs?: number
}

/** Runs a command in a machine to its end. Throws ERR_VM_GUEST when the agent does not answer or time is over. */
export async function guestExec(
  path: string,
  machine: string,
  command: readonly string[],
  options: GuestExecOptions = {},
): Promise<Finished> {
  const timeoutMs = options.timeoutMs ?? 120_000
  const silenceMs = options.silenceMs ?? 20_000
  const giveUpAt = performance.now() + timeoutMs
  const [program = '', ...args] = command
  try {
    const { pid } = await ask<{ pid: number }>(path, silenceMs, 'guest-exec', {
      path: program,
      arg: args,
      env: [
        'PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin',
        'HOME=/root',
        'LANG=C.UTF-8',
      ],
      'capture-output': true,
      ...(options.input === undefined ? {} : { 'input-data': Buffer.from(options.input).toString('base64') }),
    })
    for (let pauseMs = 20; ; pauseMs = Math.min(pauseMs * 2, 500)) {
      const status = await ask<ExecStatus>(path, silenceMs, 'guest-exec-status', { pid })
      if (status.exited) return finished(status)
      if (performance.now() > giveUpAt) throw new Error(`'${command.join(' ')}' is not done in time`)
      await sleep(pauseMs)
    }
  } catch (error) {
    const detail = error instanceof Error ? error.message : String(error)
    throw new MusterError('ERR_VM_GUEST', { name: machine, detail }, { cause: error })
  }
}

async function ask<T>(path: string, timeoutMs: number, execute: string, args: object): Promise<T> {
  const socket = await JsonSocket.connect(path, timeoutMs)
  try {
    // Whatever a former caller left in the pipe ends here: the agent drops a half command at the byte 0xFF, and
    // everything before the answer with this number is somebody else's.
    const id = randomInt(2 ** 31)
    socket.send({ execute: 'guest-sync-delimited', arguments: { id } }, Buffer.from([0xff]))
    await socket.next<Answer>((value) => value.return === id, timeoutMs)
    socket.send({ execute, arguments: args })
    const answer = await socket.next<Answer>(
      (value) => value.return !== undefined || value.error !== undefined,
      timeoutMs,
    )
    if (answer.error !== undefined) throw new Error(answer.error.desc)
    return answer.return as T
  } finally {
    socket.close()
  }
}

function finished(status: ExecStatus): Finished {
  const text = (data: string | undefined): string => Buffer.from(data ?? '', 'base64').toString('utf8')
  return {
    // As a shell says it: 128 and the signal's number.
    code: status.exitcode ?? 128 + (status.signal ?? 0),
    stdout: text(status['out-data']),
    stderr: text(status['err-data']),
  }
}
