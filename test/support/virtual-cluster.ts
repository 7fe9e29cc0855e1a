import { createHash } from 'node:crypto'
import type { Effect } from '../../src/core/effect.ts'
import type { Input } from '../../src/core/input.ts'
import { accessKeyOf, fingerprintOf } from '../../src/core/k3s/files.ts'
import type { K3sObservation, K3sStep } from '../../src/core/k3s/types.ts'
import type { Crypto } from '../../src/core/model/crypto.ts'
import { encodeCanonical } from '../../src/core/model/codec.ts'
import type { NodeId } from '../../src/core/model/ids.ts'
import { Random } from '../../src/core/model/random.ts'
import type { BootstrapSetting, ClusterSpec } from '../../src/core/model/spec.ts'
import { defaultSpec } from '../../src/core/model/spec.ts'
import type { EtcdMember } from '../../src/core/model/statement.ts'
import { ClusterNode } from '../../src/core/node.ts'
import type { StoredState, Write } from '../../src/core/ports.ts'

// A small virtual site for tests of the whole core: production nodes, a virtual clock, links that can be cut,
// disks that survive a crash, and a k3s that needs a moment to start. No real time passes.

const networkId = 'a'.repeat(64)

/** Signatures that only the right signer can make here: a hash over signer, label and value. */
export function virtualCrypto(self: NodeId): Crypto {
  const seal = (signer: string, label: string, value: object): Uint8Array =>
    createHash('sha256').update(`${signer}\0${label}\0`).update(encodeCanonical(value)).digest()
  return {
    digest: (label, value) =>
      createHash('sha256').update(`${label}\0`).update(encodeCanonical(value)).digest('hex'),
    sign: (label, value) => seal(self, label, value),
    verify: (signer, label, value, signature) => Buffer.compare(seal(signer, label, value), signature) === 0,
    verifyOperator: (key, label, value, signature) =>
      Buffer.compare(seal(key, label, value), signature) === 0,
  }
}

/** A node id that looks like a peer id. */
export function virtualId(index: number): NodeId {
  const alphabet = '123456789ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz'
  const digest = createHash('sha256').update(`node ${index}`).digest()
  return `12D3KooW${[...digest, ...digest]
    .slice(0, 44)
    .map((byte) => alphabet[byte % 58])
    .join('')}`
}

export interface VirtualOptions {
  readonly count: number
  readonly bootstrap?: BootstrapSetting
  readonly spec?: Partial<ClusterSpec>
  readonly seed?: number
  /** Share of messages that are lost. */
  readonly loss?: number
  /** Node i starts after so many milliseconds. */
  readonly startAt?: (index: number) => number
  /** Until then every link is cut, so that all nodes are there before the first word. */
  readonly bootstrapDelayMs?: number
}

interface Host {
  readonly index: number
  readonly id: NodeId
  node: ClusterNode | undefined
  boots: number
  disk: Map<string, unknown>
  chain: unknown[]
  k3s: VirtualK3s
  up: Set<NodeId>
}

interface VirtualK3s {
  role: string | undefined
  startedAt: number
  /** Hash of the CA on this disk. */
  authority: string
  configured: string
  access: string
}

interface Event {
  readonly at: number
  readonly order: number
  readonly run: () => void
}

/** Many production nodes on one virtual clock. */
export class VirtualCluster {
  readonly hosts: Host[]
  readonly events: { at: number; host: number; level: string; reason: string; message: string }[] = []
  readonly #options: VirtualOptions
  readonly #random: Random
  #queue: Event[] = []
  #order = 0
  #cut: (a: number, b: number) => boolean = () => false
  now = 0
  /** Called for each effect, before it is carried out: a test may crash the host here. */
  onEffect: ((host: Host, effect: Effect) => void) | undefined
  etcd: EtcdMember[] = []

  constructor(options: VirtualOptions) {
    this.#options = options
    const seed = new Uint8Array(32)
    new DataView(seed.buffer).setUint32(0, options.seed ?? 1)
    this.#random = new Random(seed)
    this.hosts = Array.from({ length: options.count }, (_, index) => this.#newHost(index))
    for (const host of this.hosts) {
      this.#at(options.startAt?.(host.index) ?? 0, () => this.start(host.index))
    }
  }

  addHost(): number {
    const host = this.#newHost(this.hosts.length)
    this.hosts.push(host)
    this.start(host.index)
    return host.index
  }

  /** Cuts links for which this says so; heals all others. */
  cut(isCut: (a: number, b: number) => boolean): void {
    this.#cut = (a, b) => isCut(a, b) || isCut(b, a)
    for (const a of this.hosts) for (const b of this.hosts) if (a.index !== b.index) this.#relink(a, b)
  }

  start(index: number): void {
    const host = this.hosts[index] as Host
    host.boots += 1
    const entropy = createHash('sha256')
      .update(`${this.#options.seed ?? 1}/${index}/${host.boots}`)
      .digest()
    const boot = host.disk.get('boot') as { counter: number } | undefined
    const spec = { ...defaultSpec, ...this.#options.spec }
    host.node = new ClusterNode({
      self: host.id,
      crypto: virtualCrypto(host.id),
      networkId,
      prefix6: 'fd00:1:2:3::/64',
      operatorKey: 'none',
      bootstrap: this.#options.bootstrap ?? { mode: 'expect', expect: this.#options.count },
      bootstrapDelayMs: this.#options.bootstrapDelayMs ?? 0,
      spec,
      facts: {
        hostname: `host${index}`,
        machineId: `machine${index}`,
        arch: 'x64',
        cpus: 2,
        memoryMiB: 4_096,
        zone: '',
        roles: ['control-plane', 'worker'],
        durable: true,
        version: '0',
        k3sVersion: '',
        localNetworks: ['10.77.0.0/24'],
      },
      birth: 'b'.repeat(64),
      boot: {
        counter: (boot?.counter ?? 0) + 1,
        nonce: createHash('sha256').update(entropy).digest('hex').slice(0, 32),
      },
      entropy,
      stored: { values: Object.fromEntries(host.disk) as StoredState['values'], chain: host.chain },
      overlay: { device: 'muster0', mtu: 1_400, port: 7_947, publicKey: 'c'.repeat(64) },
      now: this.now,
      quarantine: undefined,
    })
    this.#carryOut(host)
    this.#input(host, {
      kind: 'machine-changed',
      endpoints: [`/ip4/10.77.0.${index + 1}/tcp/7946`],
      localNetworks: ['10.77.0.0/24'],
      linkUp: true,
    })
    for (const other of this.hosts) if (other !== host) this.#relink(host, other)
    this.#pollK3s(host, host.node)
  }

  /** Power off: what was persisted stays, all else is gone. k3s dies with the machine. */
  kill(index: number): void {
    const host = this.hosts[index] as Host
    host.node = undefined
    for (const other of this.hosts) this.#relink(host, other)
  }

  /** Lets so much virtual time pass, or less if `until` becomes true. Whether it did. */
  run(ms: number, until?: () => boolean): boolean {
    const end = this.now + ms
    for (;;) {
      if (until?.() === true) return true
      const next = this.#queue[0]
      const due = this.#nextDeadline()
      const at = Math.min(next?.at ?? Number.POSITIVE_INFINITY, due?.at ?? Number.POSITIVE_INFINITY)
      if (at > end) {
        this.now = end
        return until?.() === true
      }
      this.now = Math.max(this.now, at)
      if (next !== undefined && next.at <= at) {
        this.#queue.shift()
        next.run()
      } else if (due !== undefined) {
        this.#input(due.host, { kind: 'deadline' })
      }
    }
  }

  #newHost(index: number): Host {
    return {
      index,
      id: virtualId(index),
      node: undefined,
      boots: 0,
      disk: new Map(),
      chain: [],
      k3s: { role: undefined, startedAt: 0, authority: '', configured: '', access: '' },
      up: new Set(),
    }
  }

  #relink(a: Host, b: Host): void {
    const linked = a.node !== undefined && b.node !== undefined && !this.#cut(a.index, b.index) && a !== b
    for (const [from, to] of [
      [a, b],
      [b, a],
    ] as const) {
      if (from.node === undefined) from.up.clear()
      if (linked === from.up.has(to.id)) continue
      if (linked) from.up.add(to.id)
      else from.up.delete(to.id)
      const boots = from.boots
      this.#at(this.now + 5, () => {
        if (from.node === undefined || from.boots !== boots) return
        if (linked)
          this.#input(from, {
            kind: 'peer-up',
            peer: to.id,
            endpoint: `/ip4/10.77.0.${to.index + 1}/tcp/7946`,
            via: 'mdns',
          })
        else this.#input(from, { kind: 'peer-down', peer: to.id, reason: 'cut' })
      })
    }
  }

  #input(host: Host, input: Input): void {
    if (host.node === undefined) return
    host.node.handle(input, this.now)
    this.#carryOut(host)
  }

  #carryOut(host: Host): void {
    const node = host.node as ClusterNode
    for (const effect of node.drain()) {
      this.onEffect?.(host, effect)
      if (host.node !== node) return
      switch (effect.kind) {
        case 'persist':
          for (const write of effect.writes) this.#persist(host, write)
          break
        case 'send': {
          const to = this.hosts.find((other) => other.id === effect.to)
          if (to === undefined || !host.up.has(to.id) || this.#random.unit() < (this.#options.loss ?? 0))
            break
          const { message } = effect
          this.#at(this.now + 1 + this.#random.below(8), () => {
            if (to.up.has(host.id)) this.#input(to, { kind: 'message', from: host.id, message })
          })
          break
        }
        case 'overlay': {
          const { intent } = effect
          const state = {
            up: true,
            device: intent.device,
            address4: intent.address4,
            address6: intent.address6,
            mtu: 1_400,
            detail: '',
            peers: [],
          }
          this.#at(this.now + 50, () => this.#input(host, { kind: 'overlay-observed', state }))
          break
        }
        case 'k3s':
          this.#step(host, node, effect.step)
          break
        case 'event':
          this.events.push({
            at: this.now,
            host: host.index,
            level: effect.level,
            reason: effect.reason,
            message: effect.message,
          })
          break
        case 'keep-peers':
        case 'cut-off':
        case 'pace':
        case 'answer':
          break
      }
    }
  }

  #persist(host: Host, write: Write): void {
    if (write.op === 'append') host.chain.push(structuredClone(write.value))
    else host.disk.set(write.key, structuredClone(write.value))
  }

  #step(host: Host, node: ClusterNode, step: K3sStep): void {
    this.#at(this.now + 300, () => {
      if (host.node !== node) return
      const { k3s } = host
      if (step.kind === 'make-authority') {
        k3s.authority = createHash('sha256').update(`ca ${host.index} ${step.grant}`).digest('hex')
        const secrets = { caHash: k3s.authority, serverPassword: 's', agentPassword: 'a' }
        this.#input(host, { kind: 'k3s-result', result: { kind: 'authority', grant: step.grant, secrets } })
        return
      }
      if (step.kind === 'start' || step.kind === 'configure') {
        k3s.configured = fingerprintOf(step.files)
        k3s.access = accessKeyOf(step.allow)
      }
      if (step.kind === 'start') {
        const first = this.hosts.find(
          (other) => other.id === node.view().chain.newest?.plan.header.grant?.team[0],
        )
        if (step.role === 'server') k3s.authority = first?.k3s.authority ?? ''
        k3s.role = step.role
        k3s.startedAt = this.now
        const address = this.#overlayAddress(host)
        if (step.role !== 'agent' && !this.etcd.some((member) => member.address === address)) {
          const id = createHash('sha256')
            .update(`member ${host.index} ${this.now}`)
            .digest('hex')
            .slice(0, 16)
          this.etcd.push({ id, name: `host${host.index}-0`, address, learner: false })
          this.etcd.sort((a, b) => (a.id < b.id ? -1 : 1))
        }
      }
      if (step.kind === 'stop' || step.kind === 'clear') {
        k3s.role = undefined
        if (step.kind === 'clear') Object.assign(k3s, { authority: '', configured: '', access: '' })
        if (step.kind === 'clear')
          this.etcd = this.etcd.filter((member) => member.address !== this.#overlayAddress(host))
      }
      if (step.kind === 'remove-member') this.etcd = this.etcd.filter((member) => member.id !== step.memberId)
      this.#input(host, { kind: 'k3s-result', result: { kind: 'done', step: step.kind } })
    })
  }

  #overlayAddress(host: Host): string {
    const body = host.node?.view().chain.newest?.plan.body
    return body?.assignments.find((assignment) => assignment.nodeId === host.id)?.address4 ?? ''
  }

  #pollK3s(host: Host, node: ClusterNode): void {
    if (host.node !== node) return
    this.#input(host, { kind: 'k3s-observed', observation: this.#observe(host) })
    this.#at(this.now + 1_000, () => this.#pollK3s(host, node))
  }

  #observe(host: Host): K3sObservation {
    const { k3s } = host
    const running = k3s.role !== undefined
    const ready = running && this.now >= k3s.startedAt + 3_000
    const server = running && k3s.role !== 'agent'
    return {
      installed: true,
      version: 'v1',
      unit: running ? 'running' : 'absent',
      detail: '',
      apiAnswers: server && ready,
      ready,
      hasEtcdData: server,
      tombstone: false,
      caHash: k3s.authority,
      members: server && ready ? [...this.etcd] : undefined,
      configured: k3s.configured,
      access: k3s.access,
    }
  }

  #nextDeadline(): { at: number; host: Host } | undefined {
    let best: { at: number; host: Host } | undefined
    for (const host of this.hosts) {
      const at = host.node?.nextDeadline()
      if (at !== undefined && (best === undefined || at < best.at)) best = { at, host }
    }
    return best
  }

  #at(at: number, run: () => void): void {
    this.#queue.push({ at, order: this.#order++, run })
    this.#queue.sort((a, b) => a.at - b.at || a.order - b.order)
  }
}
