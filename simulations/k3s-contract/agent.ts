import { randomBytes } from 'node:crypto'
import { createServer as createHttpServer } from 'node:http'
import { connect, createServer } from 'node:net'
import type { Server, Socket } from 'node:net'
import { hostname } from 'node:os'
import { dirname, join } from 'node:path'
import { ask } from './http.ts'
import { heartbeatMs } from './nodes.ts'
import type { Options } from './options.ts'
import { secretOf } from './options.ts'
import { Fatal, log, pause, read, write } from './process.ts'
import { basicAuth, checkCa, parseToken } from './token.ts'

const loopback = process.env['K3S_CONTRACT_LOOPBACK'] ?? '127.0.0.1'

/** Runs an agent until it is ended (k3s pkg/agent/run.go, pkg/agent/config, pkg/agent/loadbalancer). */
export async function runAgent(options: Options, signal: AbortSignal): Promise<void> {
  const server = options.one('server')
  if (server === '') throw new Fatal('--server is required')
  const data = options.one('data-dir', '/var/lib/rancher/k3s')
  const nodeName = options.one('node-name', hostname()).toLowerCase()
  const token = parseToken(await secretOf(options, 'token'), 'node')
  const balancer = new Balancer(join(data, 'agent/etc/k3s-agent-load-balancer.json'), server)
  const proxy = balancer.listen()
  const headers = {
    authorization: basicAuth(token),
    'k3s-node-name': nodeName,
    'k3s-node-password': nodePassword(),
  }
  const health = createHttpServer((_, response) => response.end('ok'))
  let registered = false
  try {
    while (!signal.aborted) {
      try {
        const cacerts = await ask(`${balancer.current}/cacerts`)
        checkCa(token, cacerts.body)
        write(join(data, 'agent/server-ca.crt'), cacerts.body, 0o644)
        const question = { ca: cacerts.body, headers }
        const kubelet = await ask(`${balancer.current}/v1-k3s/serving-kubelet.crt`, question)
        if (kubelet.status !== 200) throw new Error(kubelet.body)
        const servers = await ask(`${balancer.current}/v1-k3s/apiservers`, question)
        balancer.learn(JSON.parse(servers.body) as readonly string[])
        const renewed = await ask(`${balancer.current}/api/v1/nodes/${nodeName}`, {
          ...question,
          method: 'PATCH',
        })
        if (renewed.status !== 200) throw new Error(renewed.body)
        if (!registered) {
          registered = true
          health.listen({ host: loopback, port: 10_248 })
          log('info', `Node ${nodeName} registered`)
        }
        await interruptible(heartbeatMs, signal)
      } catch (error) {
        if (error instanceof Fatal) throw error
        log('info', `Waiting for a server (${balancer.current}): ${String(error)}`)
        balancer.next()
        await interruptible(1_000, signal)
      }
    }
  } finally {
    proxy.close()
    health.close()
    health.closeAllConnections()
  }
}

async function interruptible(durationMs: number, signal: AbortSignal): Promise<void> {
  const aborted = new Promise<void>((resolve) => {
    signal.addEventListener('abort', () => resolve(), { once: true })
  })
  await Promise.race([pause(durationMs), aborted])
}

/** `/etc/rancher/node/password`; beside the configuration where that was moved. */
function nodePassword(): string {
  const config = process.env['K3S_CONFIG_FILE'] ?? '/etc/rancher/k3s/config.yaml'
  const path = join(dirname(dirname(config)), 'node/password')
  const held = read(path)
  if (held !== undefined) return held
  const password = randomBytes(16).toString('hex')
  write(path, password)
  return password
}

/** The agent's own load balancer: knows all servers, keeps them over a restart if `server:` is the same. */
class Balancer {
  readonly #path: string
  readonly #default: string
  #addresses: readonly string[]
  #index = 0

  constructor(path: string, server: string) {
    this.#path = path
    this.#default = server
    const saved = JSON.parse(read(path) ?? '{}') as {
      readonly ServerURL?: string
      readonly ServerAddresses?: readonly string[]
    }
    const known = saved.ServerURL === server ? (saved.ServerAddresses ?? []) : []
    this.#addresses = [...new Set([new URL(server).host, ...known])]
  }

  get current(): string {
    return `https://${this.#addresses[this.#index % this.#addresses.length] ?? ''}`
  }

  next(): void {
    this.#index += 1
  }

  learn(addresses: readonly string[]): void {
    const current = this.#addresses[this.#index % this.#addresses.length] ?? ''
    this.#addresses = [...new Set([current, ...addresses])]
    this.#index = 0
    write(this.#path, JSON.stringify({ ServerURL: this.#default, ServerAddresses: addresses }))
  }

  listen(): Server {
    const proxy = createServer((client) => {
      const { hostname: host, port } = new URL(this.current)
      const upstream = connect({ host, port: Number(port) })
      const end =
        (socket: Socket): (() => void) =>
        () =>
          socket.destroy()
      client.on('error', end(upstream)).on('close', end(upstream))
      upstream.on('error', end(client)).on('close', end(client))
      client.pipe(upstream).pipe(client)
    })
    proxy.on('error', (error) => log('error', `load balancer: ${error.message}`))
    return proxy.listen({ host: loopback, port: 6444 })
  }
}
