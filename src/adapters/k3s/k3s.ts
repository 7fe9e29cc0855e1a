import { constants } from 'node:fs'
import { access, rename, rm } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { agentTokenPath, apiPort, fingerprintOf, ownedPaths, tokenPath } from '../../core/k3s/files.ts'
import type { K3sObservation, K3sRole, K3sStep, K3sStepResult } from '../../core/k3s/types.ts'
import type { Distribution, RunProgram, ServiceManager, ServiceState, ServiceUnit } from '../../core/ports.ts'
import { MusterError } from '../../errors.ts'
import { hashOfCa, makeAuthority } from './authority.ts'
import { exists, namesIn, readIfThere, readOwned, syncDirectory, writeDurably, writeOwned } from './disk.ts'
import { EtcdGateway } from './etcd-gateway.ts'
import { nodePasswordPath } from './node-password.ts'
import { ApiDoor } from './guard.ts'
import type { K3sLayout } from './layout.ts'
import { layoutUnder } from './layout.ts'
import { askLocal } from './local-https.ts'

/** What the driver needs of the outside. */
export interface K3sComponents {
  readonly services: ServiceManager
  readonly exec: RunProgram
  /** Wall clock: the dates in certificates and in the names of backups. */
  readonly wallClock: () => Date
}

/** How the driver is set up. */
export interface K3sInit {
  /** Path of the k3s binary. */
  readonly binary: string
  /** Prefix of all paths; empty on a machine. */
  readonly root: string
  /** What this node shows when it registers (`nodePasswordOf`). */
  readonly nodePassword: string
  /** More environment for the unit: a lab names its host here. */
  readonly environment?: Readonly<Record<string, string>>
  /** What the user set for k3s in one role. */
  readonly serverEnvironment?: Readonly<Record<string, string>>
  readonly agentEnvironment?: Readonly<Record<string, string>>
  /** Where the local endpoints listen; another one only where several nodes share one network stack. */
  readonly loopback?: string
}

const units = { server: 'k3s', agent: 'k3s-agent' } as const
/** Port of the load balancer that every agent runs on the loopback address. */
const agentProxyPort = 6444
const kubeletHealthPort = 10_248

/** Runs k3s: the driver behind the port `Distribution`. */
export function createK3s(components: K3sComponents, init: K3sInit): Distribution {
  return new K3sDriver(components, init)
}

class K3sDriver implements Distribution {
  readonly #components: K3sComponents
  readonly #init: K3sInit
  readonly #layout: K3sLayout
  readonly #loopback: string
  readonly #etcd: EtcdGateway
  readonly #door: ApiDoor
  #version: string | undefined

  constructor(components: K3sComponents, init: K3sInit) {
    this.#components = components
    this.#init = init
    this.#layout = layoutUnder(init.root)
    this.#loopback = init.loopback ?? '127.0.0.1'
    this.#door = new ApiDoor(components.exec)
    this.#etcd = new EtcdGateway(this.#layout, this.#loopback)
  }

  async run(step: K3sStep): Promise<K3sStepResult> {
    try {
      return await this.#carryOut(step)
    } catch (error) {
      const hint = error instanceof MusterError ? ` ${error.hint}` : ''
      const detail = `${error instanceof Error ? error.message : String(error)}${hint}`
      return { kind: 'failed', step: step.kind, detail }
    }
  }

  async #carryOut(step: K3sStep): Promise<K3sStepResult> {
    const { services } = this.#components
    const done: K3sStepResult = { kind: 'done', step: step.kind }
    switch (step.kind) {
      case 'make-authority': {
        const secrets = await makeAuthority(this.#layout, step.grant, this.#components.wallClock())
        return { kind: 'authority', grant: step.grant, secrets }
      }
      case 'configure':
        await this.#door.set(step.allow)
        await writeOwned(this.#init.root, step.files)
        return done
      case 'start': {
        // The door first: k3s binds its API to every address, and no one but the team may meet it (S14).
        await this.#door.set(step.allow)
        await this.#writeNodePassword()
        const changed = await writeOwned(this.#init.root, step.files)
        const unit = this.#unit(step.role)
        const other = step.role === 'agent' ? units.server : units.agent
        await services.stop(other)
        if (changed || step.restart) await services.stop(unit.name)
        if (step.role !== 'agent') await this.#dropAgentBalancer()
        await services.start(unit)
        return done
      }
      case 'stop':
        await this.#stop()
        return done
      case 'clear':
        await this.#stop()
        await this.#putAway()
        return done
      case 'remove-member': {
        const refusal = await this.#etcd.remove(step.memberId)
        return refusal === undefined ? done : { kind: 'failed', step: step.kind, detail: refusal }
      }
    }
  }

  #unit(role: K3sRole): ServiceUnit {
    const { binary, root, environment, serverEnvironment, agentEnvironment } = this.#init
    const own = role === 'agent' ? agentEnvironment : serverEnvironment
    const layout = this.#layout
    const flags = ['--data-dir', layout.data, '--token-file', join(root, tokenPath)]
    const server = ['--agent-token-file', join(root, agentTokenPath), '--write-kubeconfig', layout.kubeconfig]
    return {
      name: role === 'agent' ? units.agent : units.server,
      description: role === 'agent' ? 'Lightweight Kubernetes (worker)' : 'Lightweight Kubernetes (server)',
      command: role === 'agent' ? [binary, 'agent', ...flags] : [binary, 'server', ...flags, ...server],
      environment: { ...own, ...environment, ...(root === '' ? {} : { K3S_CONFIG_FILE: layout.config }) },
      // k3s would put the data away and rejoin by itself; the newest plan has to say so first.
      unlessExists: layout.tombstone,
    }
  }

  async #writeNodePassword(): Promise<void> {
    const path = join(this.#init.root, nodePasswordPath)
    const { nodePassword } = this.#init
    if ((await readIfThere(path)) !== nodePassword) await writeDurably(path, nodePassword, 0o600)
  }

  async #stop(): Promise<void> {
    await this.#components.services.stop(units.server)
    await this.#components.services.stop(units.agent)
  }

  /** A server that once was an agent must not keep the agent's list of servers (k3s docs, role change). */
  async #dropAgentBalancer(): Promise<void> {
    const directory = join(this.#layout.agent, 'etc')
    for (const name of await namesIn(directory)) {
      if (name.endsWith('load-balancer.json')) await rm(join(directory, name))
    }
  }

  /** Data are renamed, never deleted; what an agent derived from them is made again by k3s. */
  async #putAway(): Promise<void> {
    const layout = this.#layout
    if (await exists(layout.server)) {
      const stamp = this.#components
        .wallClock()
        .toISOString()
        .replaceAll(/[-:]|\.\d+/g, '')
      let backup = `${layout.server}.backup-${stamp}`
      for (let copy = 2; await exists(backup); copy++) backup = `${layout.server}.backup-${stamp}-${copy}`
      await rename(layout.server, backup)
      await syncDirectory(dirname(layout.server))
    }
    await this.#dropAgentBalancer()
    for (const name of await namesIn(layout.agent)) {
      if (/\.(crt|key|kubeconfig)$/.test(name)) await rm(join(layout.agent, name))
    }
    for (const path of ownedPaths) await rm(join(this.#init.root, path), { force: true })
    await rm(layout.kubeconfig, { force: true })
  }

  async observe(): Promise<K3sObservation> {
    const layout = this.#layout
    const version = await this.version()
    const { state, agent } = await this.#unitState()
    const alive = state.state === 'starting' || state.state === 'running'
    const ca =
      (await readIfThere(join(layout.tls, 'server-ca.crt'))) ??
      (await readIfThere(join(layout.agent, 'server-ca.crt')))
    const [apiAnswers, ready, members] = alive
      ? await Promise.all([
          this.#ping(agent ? agentProxyPort : apiPort),
          agent ? this.#kubeletReady(state) : this.#controlPlaneReady(),
          agent ? undefined : this.#etcd.members(),
        ])
      : [false, false, undefined]
    return {
      installed: version !== undefined,
      version: version ?? '',
      unit: state.state,
      detail: state.detail,
      apiAnswers,
      ready,
      hasEtcdData: await exists(join(layout.etcd, 'member')),
      tombstone: await exists(layout.tombstone),
      caHash: ca === undefined ? '' : hashOfCa(ca),
      configured: fingerprintOf(await readOwned(this.#init.root)),
      access: await this.#door.read(),
      members,
    }
  }

  /** The unit that is there; where both were left behind, the one that runs. */
  async #unitState(): Promise<{ readonly state: ServiceState; readonly agent: boolean }> {
    const server = await this.#components.services.state(units.server)
    const agent = await this.#components.services.state(units.agent)
    const rank = ({ state }: ServiceState): number =>
      ['absent', 'stopped', 'failed', 'starting', 'running'].indexOf(state)
    return rank(agent) > rank(server) ? { state: agent, agent: true } : { state: server, agent: false }
  }

  async #ping(port: number): Promise<boolean> {
    const answer = await askLocal({ url: `https://${this.#loopback}:${port}/ping` })
    return answer?.status === 200 && answer.body.trim() === 'pong'
  }

  /** The API server's own word. It knows no anonymous clients, so the administrator's certificate asks. */
  async #controlPlaneReady(): Promise<boolean> {
    const [ca, cert, key] = await Promise.all(
      ['server-ca.crt', 'client-admin.crt', 'client-admin.key'].map((name) =>
        readIfThere(join(this.#layout.tls, name)),
      ),
    )
    if (ca === undefined || cert === undefined || key === undefined) return false
    const answer = await askLocal({ url: `https://${this.#loopback}:${apiPort}/readyz`, ca, cert, key })
    return answer?.status === 200
  }

  /** An agent says READY when its node is configured, and its kubelet answers from then on. */
  async #kubeletReady(state: ServiceState): Promise<boolean> {
    if (state.state !== 'running') return false
    const answer = await askLocal({ url: `http://${this.#loopback}:${kubeletHealthPort}/healthz` })
    return answer?.status === 200
  }

  async kubeconfig(serverUrl: string): Promise<string | undefined> {
    const content = await readIfThere(this.#layout.kubeconfig)
    return content?.replaceAll(/^(\s*server:\s*)\S+$/gm, (_, label: string) => `${label}${serverUrl}`)
  }

  async version(): Promise<string | undefined> {
    if (this.#version !== undefined) return this.#version
    try {
      await access(this.#init.binary, constants.X_OK)
    } catch {
      return undefined
    }
    const result = await this.#components.exec([this.#init.binary, '--version'], { timeoutMs: 20_000 })
    this.#version = /k3s version (\S+)/.exec(result.stdout)?.[1]
    return this.#version
  }
}
