import { pipe } from 'it-pipe'
import { type IncomingMessage, request } from 'node:http'
import { type ExitCode, MusterError } from '../../errors.ts'
import type { ErrorResource } from './resources.ts'

/** Most bytes of one answer: a plan of 1000 nodes with its reasons is below 1 MiB. */
const answerBytesMax = 16 * 1024 * 1024

/** An error that the agent answered with. It carries the agent's own words, code and exit code. */
export class AgentError extends Error {
  override readonly name = 'AgentError'
  readonly code: string
  readonly hint: string
  readonly exitCode: ExitCode

  constructor(body: ErrorResource) {
    super(body.message)
    this.code = body.code
    this.hint = body.hint
    this.exitCode = exitCodeOf(body.exitCode)
  }
}

export interface CallOptions {
  readonly signal?: AbortSignal
  /** Silence after which the agent counts as unreachable. */
  readonly timeoutMs?: number
}

/**
 * Asks the agent behind a unix socket. Throws `AgentError` for what it refuses, ERR_AGENT_UNREACHABLE
 * where nobody answers in time.
 */
export async function callAgent<T>(
  socketPath: string,
  method: 'GET' | 'POST',
  path: string,
  body?: object,
  options: CallOptions = {},
): Promise<T> {
  const answer = await new Promise<{ status: number; text: string }>((resolve, reject) => {
    const call = request(
      {
        socketPath,
        method,
        path,
        headers: { 'content-type': 'application/json', connection: 'close' },
        ...(options.signal === undefined ? {} : { signal: options.signal }),
        timeout: options.timeoutMs ?? 10_000,
      },
      (response) => {
        let text = ''
        response.setEncoding('utf8')
        response.on('data', (part: string) => {
          text += part
          if (text.length > answerBytesMax) call.destroy(new Error('the answer is too long'))
        })
        response.on('end', () => resolve({ status: response.statusCode ?? 0, text }))
        response.on('error', reject)
      },
    )
    call.on('timeout', () => call.destroy(new Error('no answer in time')))
    call.on('error', reject)
    call.end(body === undefined ? undefined : JSON.stringify(body))
  }).catch((error: unknown) => {
    throw unreachable(socketPath, error)
  })
  return understood<T>(socketPath, answer.status, answer.text)
}

/** Each status that the agent reports from now on. Ends when the agent goes or the signal aborts. */
export async function* watchAgent<T>(socketPath: string, signal: AbortSignal): AsyncGenerator<T> {
  const response = await new Promise<IncomingMessage>((resolve, reject) => {
    const call = request({ socketPath, path: '/v1/watch', signal }, resolve)
    call.on('error', reject)
    call.end()
  }).catch((error: unknown) => {
    throw unreachable(socketPath, error)
  })
  response.setEncoding('utf8')
  if (response.statusCode !== 200) {
    let text = ''
    for await (const part of response) text += String(part)
    understood(socketPath, response.statusCode ?? 0, text)
  }
  try {
    yield* pipe(response as AsyncIterable<string>, toLines, (lines) => toValues<T>(lines))
  } catch (error) {
    if (!signal.aborted) throw unreachable(socketPath, error)
  }
}

/** Whole lines of a text that comes in parts; what has no end yet is kept. */
async function* toLines(parts: AsyncIterable<string>): AsyncGenerator<string> {
  let rest = ''
  for await (const part of parts) {
    const lines = `${rest}${part}`.split('\n')
    rest = lines.pop() ?? ''
    yield* lines
  }
}

/** One value a line. */
async function* toValues<T>(lines: AsyncIterable<string>): AsyncGenerator<T> {
  for await (const line of lines) if (line !== '') yield JSON.parse(line) as T
}

function understood<T>(socketPath: string, status: number, text: string): T {
  let body: unknown
  try {
    body = JSON.parse(text)
  } catch (error) {
    throw unreachable(socketPath, error)
  }
  if (status >= 200 && status < 300) return body as T
  if (isErrorResource(body)) throw new AgentError(body)
  throw unreachable(socketPath, new Error(`status ${status}`))
}

function isErrorResource(body: unknown): body is ErrorResource {
  return typeof body === 'object' && body !== null && 'code' in body && 'message' in body
}

function exitCodeOf(value: unknown): ExitCode {
  return value === 2 || value === 3 || value === 4 ? value : 1
}

function unreachable(path: string, cause: unknown): MusterError {
  return new MusterError('ERR_AGENT_UNREACHABLE', { path }, { cause })
}
