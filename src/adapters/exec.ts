import { spawn } from 'node:child_process'
import { constants } from 'node:os'
import type { ProgramResult, RunProgram } from '../core/ports.ts'
import { MusterError } from '../errors.ts'

const { signals } = constants
const timeoutMsDefault = 30_000
const outputBytesMaxDefault = 1_024 * 1_024
/** Between the request to end and the order. */
const killAfterMs = 2_000

/**
 * Runs programs by their argument lists: no shell, nothing to quote. Throws ERR_PROGRAM where a program
 * cannot be started, ERR_TIMEOUT where it takes too long, and the signal's reason where it is aborted; the
 * program is ended in both cases. An exit code other than 0 is a result, not an exception.
 */
export const runProgram: RunProgram = async (argv, options = {}) => {
  const [program, ...rest] = argv
  if (program === undefined) throw new TypeError('an argument list begins with a program')
  options.signal?.throwIfAborted()
  const timeoutMs = options.timeoutMs ?? timeoutMsDefault
  const child = spawn(program, rest, {
    stdio: ['pipe', 'pipe', 'pipe'],
    ...(options.cwd === undefined ? {} : { cwd: options.cwd }),
    ...(options.environment === undefined ? {} : { env: { ...process.env, ...options.environment } }),
  })
  const limit = options.outputBytesMax ?? outputBytesMaxDefault
  const stdout = new CappedText(limit)
  const stderr = new CappedText(limit)
  child.stdout.on('data', (chunk: Buffer) => stdout.add(chunk))
  child.stderr.on('data', (chunk: Buffer) => stderr.add(chunk))
  // A program may end without reading its input; that is its own affair.
  child.stdin.on('error', () => undefined)
  child.stdin.end(options.input ?? '')

  let timedOut = false
  let killTimer: NodeJS.Timeout | undefined
  const end = (): void => {
    child.kill('SIGTERM')
    killTimer ??= setTimeout(() => child.kill('SIGKILL'), killAfterMs)
  }
  const timer = setTimeout(() => {
    timedOut = true
    end()
  }, timeoutMs)
  options.signal?.addEventListener('abort', end)
  try {
    const exitCode = await new Promise<number>((resolve, reject) => {
      child.on('error', (cause) => {
        reject(new MusterError('ERR_PROGRAM', { program, detail: cause.message }, { cause }))
      })
      // Ended by a signal: the shell's convention, 128 + number, says so without a second field.
      child.on('close', (code, signal) => resolve(code ?? 128 + (signal === null ? 0 : signals[signal])))
    })
    options.signal?.throwIfAborted()
    if (timedOut) {
      throw new MusterError('ERR_TIMEOUT', { seconds: timeoutMs / 1_000, detail: `\`${argv.join(' ')}\`` })
    }
    const result: ProgramResult = {
      exitCode,
      stdout: stdout.text(),
      stderr: stderr.text(),
      truncated: stdout.truncated || stderr.truncated,
    }
    return result
  } finally {
    clearTimeout(timer)
    clearTimeout(killTimer)
    options.signal?.removeEventListener('abort', end)
  }
}

/** Keeps the first bytes of a stream: the cause of a failure is seldom in the last megabytes. */
class CappedText {
  truncated = false
  readonly #chunks: Buffer[] = []
  #room: number

  constructor(bytesMax: number) {
    this.#room = bytesMax
  }

  add(chunk: Buffer): void {
    if (chunk.length > this.#room) this.truncated = true
    if (this.#room > 0) this.#chunks.push(chunk.subarray(0, this.#room))
    this.#room = Math.max(0, this.#room - chunk.length)
  }

  text(): string {
    return Buffer.concat(this.#chunks).toString('utf8')
  }
}
