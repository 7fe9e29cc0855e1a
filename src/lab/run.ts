import { spawn } from 'node:child_process'
import { MusterError } from '../errors.ts'

/** What a finished program left. */
export interface Finished {
  readonly code: number
  readonly stdout: string
  readonly stderr: string
}

export interface RunOptions {
  readonly input?: string
  readonly environment?: NodeJS.ProcessEnv
  readonly timeoutMs?: number
}

/** Runs a program to its end and collects what it says. Never throws for an exit code. */
export function run(command: readonly string[], options: RunOptions = {}): Promise<Finished> {
  const [program = '', ...args] = command
  return new Promise((resolve) => {
    const child = spawn(program, args, {
      stdio: ['pipe', 'pipe', 'pipe'],
      env: options.environment ?? process.env,
      timeout: options.timeoutMs ?? 60_000,
      killSignal: 'SIGKILL',
    })
    let stdout = ''
    let stderr = ''
    child.stdout.setEncoding('utf8').on('data', (text: string) => (stdout += text))
    child.stderr.setEncoding('utf8').on('data', (text: string) => (stderr += text))
    child.on('error', (error) => resolve({ code: 127, stdout, stderr: error.message }))
    child.on('close', (code) => resolve({ code: code ?? 128, stdout, stderr }))
    // A program that ends without reading its input is judged by its exit code, not by this pipe.
    child.stdin.on('error', () => undefined)
    child.stdin.end(options.input ?? '')
  })
}

/** Runs a program that must succeed. Throws ERR_LAB_COMMAND with the last that it said. */
export async function mustRun(command: readonly string[], options: RunOptions = {}): Promise<string> {
  const finished = await run(command, options)
  if (finished.code !== 0) {
    const said = (finished.stderr || finished.stdout).trim().split('\n').slice(-2).join(' ')
    throw new MusterError('ERR_LAB_COMMAND', {
      command: command.join(' '),
      detail: `exit ${finished.code}${said === '' ? '' : `: ${said}`}`,
    })
  }
  return finished.stdout
}
