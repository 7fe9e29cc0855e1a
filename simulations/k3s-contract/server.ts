import { existsSync } from 'node:fs'
import { hostname } from 'node:os'
import { join } from 'node:path'
import { ensureAuthorities, issue, writeBootstrap } from './certificates.ts'
import type { Member } from './etcd.ts'
import { Etcd } from './etcd.ts'
import { ask } from './http.ts'
import { heartbeatMs, Nodes } from './nodes.ts'
import type { Options } from './options.ts'
import { secretOf } from './options.ts'
import { Fatal, log, pause, read, scaled, write } from './process.ts'
import { createSupervisor } from './supervisor.ts'
import type { Token } from './token.ts'
import { basicAuth, caHashOf, checkCa, parseToken } from './token.ts'

/** Another address than 127.0.0.1 (the node's own) lets several servers share one network stack in a test. */
const loopback = process.env['K3S_CONTRACT_LOOPBACK'] ?? '127.0.0.1'

/** Runs a server until it is ended. The order is that of k3s pkg/cluster/cluster.go and pkg/etcd/etcd.go. */
export async function runServer(options: Options, signal: AbortSignal): Promise<void> {
  const nodeName = options.one('node-name', hostname()).toLowerCase()
  const [nodeIp] = options.all('node-ip')
  if (nodeIp === undefined) throw new Fatal('node-ip is required: there is no default route to guess it from')
  const data = options.one('data-dir', '/var/lib/rancher/k3s')
  const tls = join(data, 'server/tls')
  const token = parseToken(await secretOf(options, 'token'), 'server')
  const agentPassword = parsePassword(await secretOf(options, 'agent-token'), token.password)
  const etcd = new Etcd({
    directory: join(data, 'server/db/etcd'),
    tls,
    nodeName,
    nodeIp,
    loopback,
    args: options.all('etcd-arg'),
  })
  const joinUrl = options.one('server')
  etcd.handleTombstone(joinUrl)
  const resumes = etcd.hasData
  const joins = !resumes && joinUrl !== ''
  if (joins) await bootstrapFrom(joinUrl, token, options, tls)
  else if (resumes) log('info', 'Managed etcd cluster found on disk: cluster-init and server are ignored')
  else if (options.on('cluster-init')) ensureAuthorities(tls)
  else
    throw new Fatal(
      'without cluster-init, server or data k3s uses SQLite, which is not part of this contract',
    )

  issueLeaves(tls, nodeName, nodeIp, options.all('tls-san'))
  const nodes = new Nodes(etcd)
  const critical = options.critical()
  const supervisor = createSupervisor({
    tls,
    serverPassword: token.password,
    agentPassword,
    critical,
    etcd,
    nodes,
  })
  const failed = Promise.withResolvers<never>()
  // `failed` is awaited only at the end; until then its rejection must not end the process by itself.
  failed.promise.catch(() => undefined)
  supervisor.once('error', (error) => failed.reject(new Fatal(error.message)))
  supervisor.listen({ host: process.env['K3S_CONTRACT_LOOPBACK'] === undefined ? '::' : nodeIp, port: 6443 })
  try {
    const members = joins ? await etcd.join(() => databaseInfo(joinUrl, token)) : ''
    etcd.start(members, failed.reject)
    await Promise.race([becomeReady(nodes, signal), failed.promise])
    if (signal.aborted) return
    if (!(await nodes.tokenFits(token.password))) {
      throw new Fatal('bootstrap data already found and encrypted with different token')
    }
    persist(data, options, token, agentPassword, tls)
    log('info', 'k3s is up and running')
    const ended = new Promise<void>((resolve) => {
      if (signal.aborted) resolve()
      signal.addEventListener('abort', () => resolve(), { once: true })
    })
    const stopped = { now: false }
    void tick(15_000, stopped, () => etcd.manageLearners())
    const labels = { 'node-role.kubernetes.io/etcd': 'true', 'node-role.kubernetes.io/control-plane': 'true' }
    const annotations = {
      'etcd.k3s.cattle.io/node-name': etcd.name,
      'etcd.k3s.cattle.io/node-address': nodeIp,
    }
    void tick(heartbeatMs, stopped, () => nodes.heartbeat(nodeName, labels, annotations))
    await Promise.race([ended, failed.promise]).finally(() => (stopped.now = true))
  } finally {
    supervisor.closeAllConnections()
    supervisor.close()
    await etcd.stop()
  }
}

function parsePassword(token: string, otherwise: string): string {
  return token === '' ? otherwise : parseToken(token, 'node').password
}

/** Checks the CA, then the critical arguments, then fetches the keys: the order in which k3s refuses. */
async function bootstrapFrom(server: string, token: Token, options: Options, tls: string): Promise<void> {
  for (;;) {
    try {
      const cacerts = await ask(`${server}/cacerts`)
      checkCa(token, cacerts.body)
      const headers = { authorization: basicAuth(token) }
      const config = await ask(`${server}/v1-k3s/config`, { ca: cacerts.body, headers })
      if (config.status === 401 || config.status === 403) throw new Fatal('not authorized: wrong token')
      compareCritical(options, JSON.parse(config.body) as Record<string, string>)
      const bundle = await ask(`${server}/v1-k3s/server-bootstrap`, { ca: cacerts.body, headers })
      if (bundle.status !== 200) throw new Fatal(`server-bootstrap: ${bundle.body}`)
      writeBootstrap(tls, JSON.parse(bundle.body) as Record<string, string>)
      return
    } catch (error) {
      if (error instanceof Fatal) throw error
      log('info', `Waiting to retrieve the configuration of ${server}: ${String(error)}`)
      await pause(1_000)
    }
  }
}

function compareCritical(options: Options, theirs: Readonly<Record<string, string>>): void {
  const differing = Object.entries(options.critical()).filter(([name, value]) => theirs[name] !== value)
  if (differing.length === 0) return
  const names = differing.map(([name]) => name).join(', ')
  throw new Fatal(`critical configuration value mismatch between servers: ${names}`)
}

async function databaseInfo(server: string, token: Token): Promise<readonly Member[]> {
  const answer = await ask(`${server}/db/info`, { headers: { authorization: basicAuth(token) } })
  if (answer.status !== 200) throw new Error(answer.body)
  return (JSON.parse(answer.body) as { readonly members: readonly Member[] }).members
}

function issueLeaves(tls: string, nodeName: string, nodeIp: string, sans: readonly string[]): void {
  const hosts = ['localhost', 'kubernetes', nodeName, nodeIp, loopback, '127.0.0.1', ...sans]
  issue(tls, 'server-ca', 'serving-kube-apiserver', '/CN=kube-apiserver', hosts)
  issue(tls, 'client-ca', 'client-admin', '/O=system:masters/CN=system:admin', [])
  issue(tls, 'etcd/server-ca', 'etcd/server-client', '/CN=etcd-server', hosts)
  issue(tls, 'etcd/server-ca', 'etcd/client', '/CN=etcd-client', [])
  issue(tls, 'etcd/peer-ca', 'etcd/peer-server-client', '/CN=etcd-peer', hosts)
}

/** A server says READY when etcd serves reads: a learner, or one without quorum, goes on waiting. */
async function becomeReady(nodes: Nodes, signal: AbortSignal): Promise<void> {
  while (!signal.aborted && !(await nodes.answers())) await pause(1_000)
}

function persist(data: string, options: Options, token: Token, agentPassword: string, tls: string): void {
  const ca = read(join(tls, 'server-ca.crt')) ?? ''
  const full = (user: string, password: string): string => `K10${caHashOf(ca)}::${user}:${password}\n`
  write(join(data, 'server/token'), full('server', token.password))
  write(join(data, 'server/agent-token'), full('node', agentPassword))
  const path = options.one('write-kubeconfig', '/etc/rancher/k3s/k3s.yaml')
  const mode = Number.parseInt(options.one('write-kubeconfig-mode', '0600'), 8)
  const encoded = (file: string): string => Buffer.from(read(join(tls, file)) ?? '').toString('base64')
  const kubeconfig = [
    'apiVersion: v1',
    'clusters:',
    '- cluster:',
    `    certificate-authority-data: ${encoded('server-ca.crt')}`,
    '    server: https://127.0.0.1:6443',
    '  name: default',
    'kind: Config',
    'users:',
    '- name: default',
    '  user:',
    `    client-certificate-data: ${encoded('client-admin.crt')}`,
    `    client-key-data: ${encoded('client-admin.key')}`,
  ]
  if (!existsSync(path)) write(path, `${kubeconfig.join('\n')}\n`, mode)
}

async function tick(
  intervalMs: number,
  stopped: { now: boolean },
  action: () => Promise<void>,
): Promise<void> {
  while (!stopped.now) {
    await action().catch((error: unknown) => {
      if (!stopped.now) log('warning', error instanceof Error ? error.message : String(error))
    })
    await new Promise((resolve) => setTimeout(resolve, scaled(intervalMs)).unref())
  }
}
