import { spawn } from 'node:child_process'
import type { Readable } from 'node:stream'
import { pipeline } from 'node:stream/promises'
import { MusterError } from '../errors.ts'

/** How a program of the build is run. */
export interface ProgramOptions {
  readonly cwd?: string
  readonly environment?: Readonly<Record<string, string>>
  /** What it reads on standard input; nothing unless given. */
  readonly input?: Readable
}

/**
 * Runs a program of the build to its end and returns what it wrote to standard output. Throws
 * ERR_IMAGE_COMMAND with its last words when it fails.
 */
export async function runProgram(command: readonly string[], options: ProgramOptions = {}): Promise<string> {
  const [program = '', ...args] = command
  const child = spawn(program, args, {
    stdio: ['pipe', 'pipe', 'pipe'],
    env: { ...process.env, LC_ALL: 'C.UTF-8', TZ: 'UTC', ...options.environment },
    ...(options.cwd === undefined ? {} : { cwd: options.cwd }),
  })
  const heard: Buffer[] = []
  let said = ''
  child.stdout.on('data', (chunk: Buffer) => heard.push(chunk))
  child.stderr.setEncoding('utf8').on('data', (text: string) => (said = (said + text).slice(-4_000)))
  const ended = new Promise<string>((resolve) => {
    child.on('error', (error) => resolve(error.message))
    child.on('close', (code, signal) => resolve(code === 0 ? '' : `exit ${code ?? signal ?? '?'}`))
  })
  // A program that ends before it has read everything is judged by its exit code; a source that fails is not.
  let sourceError: unknown
  if (options.input === undefined) child.stdin.end()
  else {
    options.input.once('error', (error) => (sourceError = error))
    await pipeline(options.input, child.stdin).catch(() => child.stdin.destroy())
  }
  const failure = await ended
  if (sourceError !== undefined) throw sourceError
  const stdout = Buffer.concat(heard).toString('utf8')
  if (failure === '') return stdout
  const lastWords = (said.trim() === '' ? stdout : said).trim().split('\n').slice(-3).join(' ')
  throw new MusterError('ERR_IMAGE_COMMAND', {
    command: command.slice(0, 4).join(' '),
    detail: lastWords === '' ? failure : `${failure}: ${lastWords}`,
  })
}
