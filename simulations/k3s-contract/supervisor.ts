import { createServer } from 'node:https'
import type { IncomingMessage, Server } from 'node:http'
import type { TLSSocket } from 'node:tls'
import { readBootstrap } from './certificates.ts'
import type { Etcd } from './etcd.ts'
import type { Nodes } from './nodes.ts'
import { read } from './process.ts'
import { basicAuth } from './token.ts'

export interface SupervisorInit {
  readonly tls: string
  readonly serverPassword: string
  readonly agentPassword: string
  readonly critical: Readonly<Record<string, string>>
  readonly etcd: Etcd
  readonly nodes: Nodes
}

type Reply = readonly [status: number, body: string]
const forbidden: Reply = [403, 'forbidden']
const notReady: Reply = [503, 'etcd is not ready']

/** What k3s serves on its port 6443: supervisor paths, and the little of the API that is needed here. */
export function createSupervisor(init: SupervisorInit): Server {
  const server = createServer(
    {
      cert: read(`${init.tls}/serving-kube-apiserver.crt`),
      key: read(`${init.tls}/serving-kube-apiserver.key`),
      ca: read(`${init.tls}/client-ca.crt`),
      requestCert: true,
      rejectUnauthorized: false,
    },
    (request, response) => {
      void answer(init, request)
        .catch((error: unknown): Reply => [503, error instanceof Error ? error.message : String(error)])
        .then(([status, body]) => {
          response.writeHead(status, {
            'content-type': body.startsWith('{') ? 'application/json' : 'text/plain',
          })
          response.end(body)
        })
    },
  )
  return server
}

async function answer(init: SupervisorInit, request: IncomingMessage): Promise<Reply> {
  const { pathname } = new URL(request.url ?? '/', 'https://k3s')
  if (pathname === '/ping') return [200, 'pong']
  if (pathname === '/cacerts') return [200, read(`${init.tls}/server-ca.crt`) ?? '']
  const who = identify(init, request)
  if (pathname === '/db/info') return databaseInfo(init, request, who)
  if (pathname.startsWith('/v1-k3s/')) return supervise(init, request, pathname.slice(8), who)
  // The API server knows no anonymous clients (k3s pkg/daemons/control/server.go, anonymous-auth=false).
  const admin = (request.socket as TLSSocket).authorized
  if (!admin && who !== 'node') return [401, 'Unauthorized']
  if (pathname === '/readyz' || pathname === '/livez')
    return (await init.nodes.answers()) ? [200, 'ok'] : notReady
  return serveNodes(init, request, pathname, admin)
}

/** Who the basic credentials name; a node's agent token is good for the server's as well. */
function identify(init: SupervisorInit, request: IncomingMessage): 'server' | 'node' | undefined {
  const given = request.headers.authorization
  const { serverPassword, agentPassword } = init
  if (given === basicAuth({ user: 'server', password: serverPassword })) return 'server'
  const asNode = [serverPassword, agentPassword].map((password) => basicAuth({ user: 'node', password }))
  return given !== undefined && asNode.includes(given) ? 'node' : undefined
}

async function databaseInfo(
  init: SupervisorInit,
  request: IncomingMessage,
  who: string | undefined,
): Promise<Reply> {
  const local = request.socket.remoteAddress === request.socket.localAddress
  if (!local && who !== 'server') return forbidden
  return [200, JSON.stringify({ members: await init.etcd.members() })]
}

async function supervise(
  init: SupervisorInit,
  request: IncomingMessage,
  path: string,
  who: 'server' | 'node' | undefined,
): Promise<Reply> {
  if (who === undefined) return [401, 'Unauthorized']
  if (path === 'config') return [200, JSON.stringify(init.critical)]
  if (path === 'server-bootstrap') {
    return who === 'server' ? [200, JSON.stringify(readBootstrap(init.tls))] : forbidden
  }
  if (!(await init.nodes.answers())) return notReady
  if (path === 'readyz') return [200, 'ok']
  if (path === 'apiservers') {
    const voters = (await init.etcd.members()).filter((member) => member.isLearner !== true)
    return [200, JSON.stringify(voters.flatMap((member) => apiAddress(member.clientURLs)))]
  }
  if (path === 'serving-kubelet.crt') {
    const name = header(request, 'k3s-node-name')
    const fits = await init.nodes.passwordFits(name, header(request, 'k3s-node-password'))
    return fits ? [200, ''] : [403, `Node password rejected, duplicate hostname or contents of node password`]
  }
  return [404, 'not found']
}

function apiAddress(urls: readonly string[] | undefined): readonly string[] {
  return urls === undefined || urls[0] === undefined ? [] : [`${new URL(urls[0]).hostname}:6443`]
}

async function serveNodes(
  init: SupervisorInit,
  request: IncomingMessage,
  path: string,
  admin: boolean,
): Promise<Reply> {
  const match = /^\/api\/v1\/nodes(?:\/([a-z0-9.-]+))?$/.exec(path)
  if (match === null) return [404, 'not found']
  const [, name] = match
  if (request.method === 'GET') {
    const items = await init.nodes.list()
    return [200, JSON.stringify({ kind: 'NodeList', items })]
  }
  if (name === undefined) return [405, 'method not allowed']
  if (request.method === 'DELETE') {
    if (!admin) return forbidden
    await init.nodes.remove(name)
    return [200, '{}']
  }
  if (request.method === 'PATCH') {
    await init.nodes.heartbeat(name, {}, {})
    return [200, '{}']
  }
  return [405, 'method not allowed']
}

function header(request: IncomingMessage, name: string): string {
  const value = request.headers[name]
  return typeof value === 'string' ? value : ''
}
