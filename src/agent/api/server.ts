import { chmodSync, mkdirSync, rmSync } from 'node:fs'
import type { IncomingMessage, Server, ServerResponse } from 'node:http'
import { createServer } from 'node:http'
import { dirname } from 'node:path'
import { z } from 'zod'
import { CodecError, decodeStrict } from '../../core/model/codec.ts'
import { charterListMax } from '../../core/model/limits.ts'
import type { LocalRequest } from '../../core/input.ts'
import type { SignedStatement } from '../../core/model/statement.ts'
import { signedStatementCodec } from '../../core/model/wire.ts'
import { ConditionLog } from '../../core/status/condition-log.ts'
import type { NodeStatus } from '../../core/status/types.ts'
import { why } from '../../core/status/why.ts'
import type { Network, Distribution } from '../../core/ports.ts'
import type { ErrorCode } from '../../errors.ts'
import { errorText, MusterError } from '../../errors.ts'
import type { Agent } from '../agent.ts'
import type { Logger } from '../../components.ts'
import { nodeStatus } from '../status.ts'
import {
  presentAddresses,
  presentConditions,
  presentExplanation,
  presentIdentity,
  presentMembers,
  presentPeers,
  presentPlan,
  presentSpec,
  presentStatus,
} from './present.ts'
import type { ErrorResource } from './resources.ts'
import { apiVersion } from './resources.ts'

/** An order is a signed spec: far below this. */
const bodyBytesMax = 256 * 1_024

/** So often the status is looked at, asked for or not, so that it knows since when things are as they are. */
const stampIntervalMs = 1_000

/** A watcher gets a line at most so often. */
const watchIntervalMs = 250

const startBody = z.strictObject({
  without: z.array(z.string().regex(/^[1-9A-HJ-NP-Za-km-z]{32,64}$/)).max(charterListMax),
})

const leaveBody = z.strictObject({ cancel: z.boolean() })

const orderBody = z.strictObject({ signed: z.string().regex(/^([0-9a-f]{2})+$/) })

export interface ApiComponents {
  readonly agent: Agent
  readonly network: Pick<Network, 'peers' | 'nextCallInMs'>
  readonly distribution: Pick<Distribution, 'kubeconfig'>
  readonly logger: Logger
}

export interface ApiInit {
  readonly socketPath: string
  readonly networkName: string
  readonly operatorKey: string
}

/** HTTP on a unix socket that only its owner can open. Read-only but for orders, which carry their own signature. */
export class ApiServer {
  readonly #components: ApiComponents
  readonly #init: ApiInit
  readonly #conditions = new ConditionLog()
  readonly #server: Server
  #stamping: NodeJS.Timeout | undefined

  constructor(components: ApiComponents, init: ApiInit) {
    this.#components = components
    this.#init = init
    this.#server = createServer((request, response) => {
      this.#answer(request, response).catch((error: unknown) => fail(response, error))
    })
  }

  async start(): Promise<void> {
    const { socketPath } = this.#init
    mkdirSync(dirname(socketPath), { recursive: true, mode: 0o755 })
    // The state directory's lock is held, so a socket that lies here belongs to an agent that is gone.
    rmSync(socketPath, { force: true })
    await new Promise<void>((resolve, reject) => {
      const before = process.umask(0o177)
      this.#server.once('error', reject)
      this.#server.listen(socketPath, resolve)
      process.umask(before)
    })
    chmodSync(socketPath, 0o600)
    this.#stamping = setInterval(() => this.status(), stampIntervalMs)
  }

  async stop(): Promise<void> {
    clearInterval(this.#stamping)
    this.#server.closeAllConnections()
    await new Promise<void>((resolve) => {
      this.#server.close(() => resolve())
    })
    rmSync(this.#init.socketPath, { force: true })
  }

  /** The status as of now. */
  status(): NodeStatus {
    const { agent, network } = this.#components
    return nodeStatus(
      agent.view(),
      {
        networkName: this.#init.networkName,
        storeFailure: agent.storeFailure,
        nextCallInMs: network.nextCallInMs(),
      },
      this.#conditions,
    )
  }

  async #answer(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const url = new URL(request.url ?? '/', 'http://agent')
    if (request.method === 'POST') return this.#carryOut(url.pathname, request, response)
    if (request.method !== 'GET') throw new MusterError('ERR_USAGE', { detail: `no ${request.method} here` })
    const { agent, network } = this.#components
    const view = agent.view()
    switch (url.pathname) {
      case '/livez':
        return send(response, 200, { apiVersion, kind: 'Health', ok: true })
      case '/readyz': {
        const { ready, waiting } = this.status()
        return send(response, ready ? 200 : 503, { apiVersion, kind: 'Health', ok: ready, waiting })
      }
      case '/v1/status':
        return send(response, 200, presentStatus(view, this.status()))
      case '/v1/watch':
        return this.#watch(request, response)
      case '/v1/why':
        return send(response, 200, { apiVersion, kind: 'Why', items: why(this.status(), view.now) })
      case '/v1/members':
        return send(response, 200, presentMembers(view))
      case '/v1/peers':
        return send(response, 200, presentPeers(view, network.peers()))
      case '/v1/conditions':
        return send(response, 200, presentConditions(view, this.status()))
      case '/v1/addresses':
        return send(response, 200, presentAddresses(view))
      case '/v1/plan': {
        const plan = presentPlan(view)
        if (plan === undefined) throw notYet('there is no certified plan yet')
        return send(response, 200, plan)
      }
      case '/v1/explain': {
        const wanted = url.searchParams.get('node') ?? ''
        const explanation = presentExplanation(view, wanted)
        if (explanation === undefined) throw notYet(`no plan speaks of a node ${JSON.stringify(wanted)}`)
        return send(response, 200, explanation)
      }
      case '/v1/spec':
        return send(response, 200, presentSpec(view, this.#init.operatorKey))
      case '/v1/identity':
        return send(response, 200, presentIdentity(view, this.#init.operatorKey))
      case '/v1/kubeconfig':
        return this.#kubeconfig(response)
      default:
        throw new MusterError('ERR_USAGE', { detail: `the agent has no ${url.pathname}` })
    }
  }

  async #kubeconfig(response: ServerResponse): Promise<void> {
    const { agent, distribution } = this.#components
    const view = agent.view()
    const { plan, assignment } = this.status()
    if (plan?.phase !== 'active') throw notYet('there is no active cluster yet, so there is no kubeconfig')
    const address = assignment?.address4 ?? view.overlay?.address4 ?? '127.0.0.1'
    const kubeconfig = await distribution.kubeconfig(`https://${address}:6443`)
    if (kubeconfig === undefined) {
      throw notYet(
        `this node is a ${assignment?.role ?? 'stranger'} and holds no kubeconfig; ask a control-plane node`,
      )
    }
    return send(response, 200, { apiVersion, kind: 'Kubeconfig', kubeconfig })
  }

  async #carryOut(path: string, request: IncomingMessage, response: ServerResponse): Promise<void> {
    const answer = await this.#components.agent.request(requestOf(path, await readBody(request)))
    return send(
      response,
      answer.accepted ? 200 : 409,
      answer.accepted ? { apiVersion, kind: 'OrderAnswer', ...answer } : refusedOrder(answer),
    )
  }

  #watch(request: IncomingMessage, response: ServerResponse): void {
    response.writeHead(200, { 'content-type': 'application/x-ndjson' })
    let last = ''
    let sentAt = 0
    let timer: NodeJS.Timeout | undefined
    const write = (): void => {
      timer = undefined
      sentAt = performance.now()
      const resource = presentStatus(this.#components.agent.view(), this.status())
      const content = JSON.stringify({ ...resource, now: 0 })
      if (content === last) return
      last = content
      response.write(`${JSON.stringify(resource)}\n`)
    }
    write()
    const stop = this.#components.agent.watch(() => {
      timer ??= setTimeout(write, Math.max(0, sentAt + watchIntervalMs - performance.now()))
    })
    request.on('close', () => {
      clearTimeout(timer)
      stop()
    })
  }
}

/** What a POST asks of the core. Throws ERR_USAGE. */
function requestOf(path: string, text: string): LocalRequest {
  switch (path) {
    case '/v1/order': {
      const body = orderBody.safeParse(parsed(text))
      if (!body.success) throw new MusterError('ERR_USAGE', { detail: 'an order is {"signed": "<hex>"}' })
      return { kind: 'order', signed: decodeOrder(body.data.signed) }
    }
    case '/v1/leave': {
      const body = leaveBody.safeParse(parsed(text))
      if (!body.success) throw new MusterError('ERR_USAGE', { detail: 'a goodbye is {"cancel": false}' })
      return { kind: 'leave', cancel: body.data.cancel }
    }
    case '/v1/start': {
      const body = startBody.safeParse(parsed(text))
      if (!body.success)
        throw new MusterError('ERR_USAGE', { detail: 'a start is {"without": ["<node id>"]}' })
      return { kind: 'go-on-without', without: body.data.without }
    }
    case '/v1/identity/keep':
      return { kind: 'keep-identity' }
    default:
      throw new MusterError('ERR_USAGE', { detail: `no POST ${path} here` })
  }
}

function parsed(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    return undefined
  }
}

function decodeOrder(hex: string): SignedStatement {
  try {
    return decodeStrict(signedStatementCodec, Buffer.from(hex, 'hex'))
  } catch (error) {
    if (error instanceof CodecError)
      throw new MusterError('ERR_USAGE', { detail: `the order is ${error.message}` })
    throw error
  }
}

function notYet(detail: string): MusterError {
  return new MusterError('ERR_NOT_READY', { detail: `${detail[0]?.toUpperCase()}${detail.slice(1)}.` })
}

function refusedOrder(answer: { reason: string; message: string }): ErrorResource {
  const error = new MusterError('ERR_ORDER_REFUSED', { detail: answer.message })
  return {
    apiVersion,
    kind: 'Error',
    code: error.code,
    message: error.message,
    hint: error.hint,
    exitCode: 1,
  }
}

function send(response: ServerResponse, status: number, body: object): void {
  response.writeHead(status, { 'content-type': 'application/json' })
  response.end(`${JSON.stringify(body)}\n`)
}

const statusByCode: Partial<Record<ErrorCode, number>> = { ERR_USAGE: 400, ERR_NOT_READY: 404 }

function fail(response: ServerResponse, error: unknown): void {
  if (response.headersSent) return void response.end()
  const known = error instanceof MusterError ? error : undefined
  const body: ErrorResource = {
    apiVersion,
    kind: 'Error',
    code: known?.code ?? 'ERR_INTERNAL',
    message: known?.message ?? errorText(error),
    hint: known?.hint ?? 'This is a defect of muster: please report it with the agent’s log.',
    exitCode: known?.exitCode ?? 1,
  }
  send(response, known === undefined ? 500 : (statusByCode[known.code] ?? 500), body)
}

async function readBody(request: IncomingMessage): Promise<string> {
  let body = ''
  for await (const part of request) {
    body += String(part)
    if (body.length > bodyBytesMax) throw new MusterError('ERR_USAGE', { detail: 'the body is too long' })
  }
  return body
}
