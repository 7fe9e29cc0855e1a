import type { ChildProcess } from 'node:child_process'
import { spawn } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import { existsSync, mkdirSync, renameSync } from 'node:fs'
import { join } from 'node:path'
import type { Answer } from './http.ts'
import { ask } from './http.ts'
import { Fatal, log, pause, read, scaled, write } from './process.ts'

/** One member as the JSON gateway lists it. */
export interface Member {
  readonly ID: string
  readonly name?: string
  readonly peerURLs: readonly string[]
  readonly clientURLs?: readonly string[]
  readonly isLearner?: boolean
}

export interface EtcdInit {
  /** `server/db/etcd` */
  readonly directory: string
  readonly tls: string
  readonly nodeName: string
  readonly nodeIp: string
  readonly loopback: string
  /** `etcd-arg` of the configuration. */
  readonly args: readonly string[]
}

/** A real etcd as k3s runs it (k3s pkg/etcd/etcd.go): names, ports, mTLS, learners, promotion, tombstone. */
export class Etcd {
  readonly #init: EtcdInit
  #child: ChildProcess | undefined
  #removed = false
  #stopping = false
  readonly #stalledSince = new Map<string, number>()

  constructor(init: EtcdInit) {
    this.#init = init
  }

  get hasData(): boolean {
    return existsSync(join(this.#init.directory, 'member/wal'))
  }

  get #tombstone(): string {
    return join(this.#init.directory, 'tombstone')
  }

  get peerUrl(): string {
    return `https://${this.#init.nodeIp}:2380`
  }

  /** `<node>-<8 hex>`, kept for as long as the data are. */
  get name(): string {
    const path = join(this.#init.directory, 'name')
    const held = read(path)
    if (held !== undefined) return held
    const name = `${this.#init.nodeName}-${randomBytes(4).toString('hex')}`
    write(path, name)
    return name
  }

  /** A removed member rejoins with a fresh database if it has a server to join, else it refuses. */
  handleTombstone(server: string): void {
    if (!existsSync(this.#tombstone)) return
    if (server === '') {
      throw new Fatal('this server has been removed from the cluster: refusing to start without --server')
    }
    const backup = `${this.#init.directory}-backup-${Date.now()}`
    renameSync(this.#init.directory, backup)
    log('info', `This node was removed from the cluster: data moved to ${backup}, rejoining`)
  }

  /** Waits for its turn to be added as a learner; returns `--initial-cluster`. */
  async join(listMembers: () => Promise<readonly Member[]>): Promise<string> {
    for (;;) {
      const members = await listMembers().catch(() => undefined)
      if (members === undefined) {
        log('info', 'Failed to get member list from cluster. Will retry')
        await pause(1_000)
        continue
      }
      const own = members.find((member) => member.peerURLs.includes(this.peerUrl))
      this.#refuseDuplicate(members)
      if (own !== undefined && (own.name ?? '') === '') return this.#initialCluster(members, own)
      const answer = await this.#call(clientUrl(members), 'cluster/member/add', {
        peerURLs: [this.peerUrl],
        isLearner: true,
      }).catch(() => undefined)
      if (answer?.status === 200) continue
      const reason = answer?.body ?? 'no answer'
      const patient = /too many learner|unhealthy cluster|no answer|timed out|re-configuration failed/
      if (!patient.test(reason)) throw new Fatal(`failed to add member as learner: ${reason}`)
      log('info', `Waiting for other members to finish joining etcd cluster: ${reason}`)
      await pause(1_000)
    }
  }

  #refuseDuplicate(members: readonly Member[]): void {
    for (const member of members) {
      const node = (member.name ?? '').replace(/-[0-9a-f]{8}$/, '')
      if (node === this.#init.nodeName && member.name !== this.name) {
        throw new Fatal('duplicate node name found, please use a unique name for this node')
      }
    }
  }

  #initialCluster(members: readonly Member[], own: Member): string {
    return members
      .filter((member) => member === own || (member.name ?? '') !== '')
      .flatMap((member) => member.peerURLs.map((url) => `${member === own ? this.name : member.name}=${url}`))
      .join(',')
  }

  /** Starts the child. `initialCluster` empty: the first member, or one that has its data. */
  start(initialCluster: string, onEnd: (error: Fatal) => void): void {
    const { directory, tls, nodeIp, loopback, args } = this.#init
    mkdirSync(directory, { recursive: true, mode: 0o700 })
    const addresses = [...new Set([nodeIp, loopback])]
    const at = (port: number, hosts: readonly string[]): readonly string[] =>
      hosts.map((host) => `https://${host}:${port}`)
    const certificates = join(tls, 'etcd')
    const flags: Record<string, string> = {
      name: this.name,
      'data-dir': directory,
      'listen-client-urls': [...at(2379, addresses), ...at(2382, [loopback])].join(),
      'advertise-client-urls': `https://${nodeIp}:2379`,
      'listen-peer-urls': at(2380, addresses).join(),
      'initial-advertise-peer-urls': this.peerUrl,
      'listen-metrics-urls': `http://${loopback}:2381`,
      'initial-cluster': initialCluster === '' ? `${this.name}=${this.peerUrl}` : initialCluster,
      'initial-cluster-state': initialCluster === '' ? 'new' : 'existing',
      'heartbeat-interval': String(scaled(500)),
      'election-timeout': String(scaled(5_000, 500)),
      'client-cert-auth': 'true',
      'trusted-ca-file': join(certificates, 'server-ca.crt'),
      'cert-file': join(certificates, 'server-client.crt'),
      'key-file': join(certificates, 'server-client.key'),
      'peer-client-cert-auth': 'true',
      'peer-trusted-ca-file': join(certificates, 'peer-ca.crt'),
      'peer-cert-file': join(certificates, 'peer-server-client.crt'),
      'peer-key-file': join(certificates, 'peer-server-client.key'),
      logger: 'zap',
      'log-level': 'warn',
    }
    for (const argument of args) {
      const [name = '', value = 'true'] = argument.split(/=(.*)/s)
      flags[name] = value
    }
    const argv = Object.entries(flags).map(([name, value]) => `--${name}=${value}`)
    // k3s runs etcd inside its own process, so neither ever outlives the other.
    const watched = ['--pdeathsig', 'KILL', 'etcd', ...argv]
    const child = spawn('setpriv', watched, { stdio: ['ignore', 'ignore', 'pipe'] })
    this.#child = child
    child.stderr.setEncoding('utf8')
    child.stderr.on('data', (chunk: string) => {
      if (/permanently removed|has been removed from the cluster|member removed/.test(chunk))
        this.#removed = true
      process.stderr.write(chunk)
    })
    child.once('error', (error) => onEnd(new Fatal(`etcd: ${error.message}`)))
    child.once('exit', (code) => {
      if (this.#stopping) return
      if (this.#removed) write(this.#tombstone, '')
      onEnd(
        new Fatal(this.#removed ? 'this server has been removed from the cluster' : `etcd exited: ${code}`),
      )
    })
  }

  /** Ends the child and waits for it. */
  async stop(): Promise<void> {
    const child = this.#child
    this.#stopping = true
    if (child === undefined || child.exitCode !== null || child.signalCode !== null) return
    const ended = new Promise((resolve) => child.once('exit', resolve))
    child.kill('SIGTERM')
    const timer = setTimeout(() => child.kill('SIGKILL'), 5_000)
    await ended
    clearTimeout(timer)
  }

  /** The local list, as `/db/info` shows it. */
  async members(): Promise<readonly Member[]> {
    const answer = await this.#call(this.#local, 'cluster/member/list', {})
    if (answer.status !== 200) throw new Error(answer.body)
    return (JSON.parse(answer.body) as { readonly members?: readonly Member[] }).members ?? []
  }

  /** A call of the local member's JSON gateway. */
  call(path: string, body: object): Promise<Answer> {
    return this.#call(this.#local, path, body)
  }

  get #local(): string {
    return `https://${this.#init.loopback}:2379`
  }

  #call(base: string, path: string, body: object): Promise<Answer> {
    const certificates = join(this.#init.tls, 'etcd')
    return ask(`${base}/v3/${path}`, {
      method: 'POST',
      body: JSON.stringify(body),
      ca: read(join(certificates, 'server-ca.crt')) ?? '',
      cert: read(join(certificates, 'client.crt')) ?? '',
      key: read(join(certificates, 'client.key')) ?? '',
    })
  }

  /** The leader's tick: promote learners that are in sync, drop those that make no progress for five minutes. */
  async manageLearners(): Promise<void> {
    const status = await this.call('maintenance/status', {})
    const { leader, header } = JSON.parse(status.body) as {
      readonly leader?: string
      readonly header?: { readonly member_id?: string }
    }
    if (leader === undefined || leader !== header?.member_id) return
    for (const member of await this.members()) {
      if (member.isLearner !== true) {
        this.#stalledSince.delete(member.ID)
        continue
      }
      const answer = await this.call('cluster/member/promote', { ID: member.ID })
      if (answer.status === 200) continue
      const since = this.#stalledSince.get(member.ID) ?? Date.now()
      this.#stalledSince.set(member.ID, since)
      if (Date.now() - since < scaled(300_000)) continue
      log('warning', `Removing learner ${member.ID} from etcd cluster: no progress`)
      await this.call('cluster/member/remove', { ID: member.ID })
    }
  }
}

function clientUrl(members: readonly Member[]): string {
  return members.find((member) => member.isLearner !== true)?.clientURLs?.[0] ?? 'https://127.0.0.1:2379'
}
