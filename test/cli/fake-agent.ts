import { mkdtempSync, rmSync } from 'node:fs'
import { createServer, type Server } from 'node:http'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Readable, Writable } from 'node:stream'
import { runCommandLine } from '../../src/cli/run.ts'

/** What the fake agent answers: a body, or a status and a body. */
export type Answer = object | { readonly status: number; readonly body: object | string }

/** An agent's API on a unix socket with answers given by the test. Lines of `/v1/watch` are an array. */
export class FakeAgent {
  readonly directory: string = mkdtempSync(join(tmpdir(), 'muster-cli-'))
  readonly socket: string = join(this.directory, 'agent.sock')
  readonly requests: { readonly method: string; readonly url: string; readonly body: string }[] = []
  #answers: Readonly<Record<string, Answer>> = {}
  readonly #server: Server

  constructor() {
    this.#server = createServer((request, response) => {
      let body = ''
      request.setEncoding('utf8').on('data', (part: string) => (body += part))
      request.on('end', () => {
        const url = request.url ?? ''
        this.requests.push({ method: request.method ?? '', url, body })
        const answer = this.#answers[url]
        if (Array.isArray(answer)) {
          return response.end(answer.map((line) => `${JSON.stringify(line)}\n`).join(''))
        }
        const full =
          answer === undefined
            ? { status: 404, body: {} }
            : 'status' in answer && 'body' in answer
              ? answer
              : undefined
        response.statusCode = full === undefined ? 200 : full.status
        const content = full?.body ?? answer
        return response.end(typeof content === 'string' ? content : JSON.stringify(content))
      })
    })
  }

  listen(): Promise<void> {
    return new Promise((resolve) => {
      this.#server.listen(this.socket, resolve)
    })
  }

  answer(answers: Readonly<Record<string, Answer>>): void {
    this.#answers = answers
  }

  async close(): Promise<void> {
    this.#server.closeAllConnections()
    await new Promise((resolve) => this.#server.close(resolve))
    rmSync(this.directory, { recursive: true, force: true })
  }

  /** Runs a command line against this agent. */
  run(...words: readonly string[]): Promise<Ran> {
    return muster(words, { MUSTER_SOCKET: this.socket })
  }
}

/** What a command line left. */
export interface Ran {
  readonly code: number
  readonly stdout: string
  readonly stderr: string
}

/** Runs a command line in this process. */
export async function muster(
  words: readonly string[],
  environment: Readonly<Record<string, string>> = {},
  stdin = '',
  signal: AbortSignal = new AbortController().signal,
): Promise<Ran> {
  const stdout = new Sink()
  const stderr = new Sink()
  const code = await runCommandLine(
    words,
    { stdin: Readable.from([stdin]), stdout, stderr, environment },
    signal,
  )
  return { code, stdout: stdout.text, stderr: stderr.text }
}

class Sink extends Writable {
  text = ''
  override _write(chunk: Buffer, _encoding: string, done: () => void): void {
    this.text += chunk.toString()
    done()
  }
}
