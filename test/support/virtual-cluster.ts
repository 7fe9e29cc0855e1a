import { createHash } from 'node:crypto'
import type { Effect } from '../../src/core/effect.ts'
import type { Input } from '../../src/core/input.ts'
import type { K3sStep } from '../../src/core/k3s/types.ts'
import type { Crypto } from '../../src/core/model/crypto.ts'
import { encodeCanonical } from '../../src/core/model/codec.ts'
import type { NodeId } from '../../src/core/model/ids.ts'
import type { Message } from '../../src/core/model/message.ts'
import type { CertifiedHeader } from '../../src/core/model/plan.ts'
import { planHash } from '../../src/core/model/plan-hash.ts'
import { Random } from '../../src/core/model/random.ts'
import type { BootstrapSetting, ClusterSpec } from '../../src/core/model/spec.ts'
import { defaultSpec } from '../../src/core/model/spec.ts'
import { ClusterNode } from '../../src/core/node.ts'
import type { NodeView } from '../../src/core/node/node-view.ts'
import type { StoredState, Write } from '../../src/core/ports.ts'
import { factsOf } from '../../simulations/world/hardware.ts'
import { VirtualK3s } from './virtual-k3s.ts'

// A small virtual site for tests of the whole core: production nodes, a virtual clock, links that can be cut,
// disks that survive a crash, and a k3s that needs a moment to start. No real time passes.

/** Network of every virtual site. */
export const networkId: string = 'a'.repeat(64)

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
  readonly operatorKey?: string
  /** Voting on a charter is held back for so long. */
  readonly bootstrapDelayMs?: number
}

/** A machine: what lies on its disk, and the node while it has power. */
export interface VirtualHost {
  readonly index: number
  readonly id: NodeId
  node: ClusterNode | undefined
  boots: number
  disk: Map<string, unknown>
  chain: unknown[]
  /** Why the next start is in doubt of its identity. */
  quarantine: string | undefined
  up: Set<NodeId>
  /** When the node wants to be woken. */
  dueAt: number
  /** When it was last woken, and how often at that very moment. */
  woken: { at: number; times: number }
}

/** A plan that a host has adopted: written into its chain. */
export interface Adoption {
  readonly host: number
  readonly clusterId: string
  readonly generation: number
  readonly hash: string
}

/** Deadlines that one node may have at the same moment. */
const wakesAtOnceMax = 8

interface Event {
  readonly at: number
  readonly order: number
  readonly run: () => void
}

/** Many production nodes on one virtual clock. */
export class VirtualCluster {
  readonly hosts: VirtualHost[]
  readonly events: { at: number; host: number; level: string; reason: string; message: string }[] = []
  readonly #options: VirtualOptions
  readonly #random: Random
  #queue: Event[] = []
  #order = 0
  #cut: (a: number, b: number) => boolean = () => false
  now = 0
  /** Called for each effect, before it is carried out: a test may crash the host here. */
  onEffect: ((host: VirtualHost, effect: Effect) => void) | undefined
  /** Called after each effect was carried out. */
  afterEffect: ((host: VirtualHost, effect: Effect) => void) | undefined
  /** Every plan that any host ever wrote into its chain. */
  readonly adoptions: Adoption[] = []
  /** One line for each effect, in order, with a digest of all that it says. */
  readonly trace: string[] = []
  readonly cutOffs: { readonly by: number; readonly peer: NodeId; readonly detail: string }[] = []
  readonly k3s: VirtualK3s = new VirtualK3s((host) => this.hosts[host]?.node !== undefined)

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

  /** What a host that has power knows. */
  view(index: number): NodeView {
    const node = this.hosts[index]?.node
    if (node === undefined) throw new Error(`host ${index} has no power`)
    return node.view()
  }

  /** Views of all hosts that have power. */
  views(): NodeView[] {
    return this.hosts.flatMap((host) => host.node?.view() ?? [])
  }

  /** Whether every host that has power holds an active plan of the same generation. */
  isActive(): boolean {
    const powered = this.hosts.filter((host) => host.node !== undefined)
    if (powered.length === 0) return false
    return powered.every((host) => {
      const newest = host.chain.at(-1) as CertifiedHeader | undefined
      return newest?.header.phase === 'active' && host.chain.length === powered[0]?.chain.length
    })
  }

  /** Runs this after so much virtual time. */
  after(ms: number, run: () => void): void {
    this.#at(this.now + ms, run)
  }

  /** Hands a message to a host as if a peer had sent it. */
  inject(from: NodeId, to: number, message: Message): void {
    this.#input(this.hosts[to] as VirtualHost, { kind: 'message', from, message })
  }

  /** Hands an input to a host as if its machine had said so. */
  tell(index: number, input: Input): void {
    this.#input(this.hosts[index] as VirtualHost, input)
  }

  /** Cuts links for which this says so; heals all others. */
  cut(isCut: (a: number, b: number) => boolean): void {
    this.#cut = (a, b) => isCut(a, b) || isCut(b, a)
    for (const a of this.hosts) for (const b of this.hosts) if (a.index !== b.index) this.#relink(a, b)
  }

  start(index: number): void {
    const host = this.hosts[index] as VirtualHost
    host.boots += 1
    this.k3s.boot(index, this.now)
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
      operatorKey: this.#options.operatorKey ?? 'none',
      bootstrap: this.#options.bootstrap ?? { mode: 'expect', expect: this.#options.count },
      bootstrapDelayMs: this.#options.bootstrapDelayMs ?? 0,
      spec,
      facts: { ...factsOf(index), localNetworks: ['10.77.0.0/24'] },
      birth: 'b'.repeat(64),
      boot: {
        counter: (boot?.counter ?? 0) + 1,
        nonce: createHash('sha256').update(entropy).digest('hex').slice(0, 32),
      },
      entropy,
      stored: { values: Object.fromEntries(host.disk) as StoredState['values'], chain: host.chain },
      overlay: { device: 'muster0', mtu: 1_400, port: 7_947, publicKey: 'c'.repeat(64) },
      now: this.now,
      quarantine: host.quarantine,
    })
    this.#carryOut(host)
    if (host.node === undefined) return
    this.#input(host, {
      kind: 'machine-changed',
      endpoints: [`/ip4/10.77.0.${index + 1}/tcp/7946`],
      localNetworks: ['10.77.0.0/24'],
      linkUp: true,
    })
    for (const other of this.hosts) if (other !== host) this.#relink(host, other)
    if (host.node !== undefined) this.#pollK3s(host, host.node)
  }

  /** Power off: what was persisted stays, all else is gone. k3s dies with the machine. */
  kill(index: number): void {
    const host = this.hosts[index] as VirtualHost
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
        this.#wake(due.host)
      }
    }
  }

  /** A node that wants to be woken again and again at one moment would keep a real processor busy for ever. */
  #wake(host: VirtualHost): void {
    const times = host.woken.at === this.now ? host.woken.times + 1 : 1
    host.woken = { at: this.now, times }
    if (times > wakesAtOnceMax) throw new Error(`host ${host.index} does not get further at ${this.now}`)
    this.#input(host, { kind: 'deadline' })
  }

  #newHost(index: number): VirtualHost {
    return {
      index,
      id: virtualId(index),
      node: undefined,
      boots: 0,
      disk: new Map(),
      chain: [],
      quarantine: undefined,
      up: new Set(),
      dueAt: Number.POSITIVE_INFINITY,
      woken: { at: 0, times: 0 },
    }
  }

  #relink(a: VirtualHost, b: VirtualHost): void {
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

  #input(host: VirtualHost, input: Input): void {
    if (host.node === undefined) return
    host.node.handle(input, this.now)
    this.#carryOut(host)
  }

  #carryOut(host: VirtualHost): void {
    const node = host.node as ClusterNode
    const effects = node.drain()
    // S12: a node that sends before it has written down forgets its word in the next power cut.
    if (effects.some((effect, index) => effect.kind === 'persist' && index > 0)) {
      throw new Error(`host ${host.index} acts before it persists`)
    }
    for (const effect of effects) {
      this.onEffect?.(host, effect)
      if (host.node !== node) return
      const digest = createHash('sha256').update(encodeCanonical(effect)).digest('hex').slice(0, 12)
      this.trace.push(`${this.now} ${host.index} ${effect.kind} ${digest}`)
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
        case 'cut-off':
          this.cutOffs.push({ by: host.index, peer: effect.peer, detail: effect.detail })
          break
        case 'identity':
          if (effect.verdict === 'keep') this.#input(host, { kind: 'identity-kept' })
          break
        case 'keep-peers':
        case 'pace':
        case 'answer':
          break
      }
      this.afterEffect?.(host, effect)
      if (host.node !== node) return
    }
    host.dueAt = node.nextDeadline()
  }

  #persist(host: VirtualHost, write: Write): void {
    if (write.op === 'append') {
      host.chain.push(structuredClone(write.value))
      const { header } = write.value as CertifiedHeader
      const { clusterId, generation } = header
      const hash = planHash(header, virtualCrypto(host.id))
      this.adoptions.push({ host: host.index, clusterId, generation, hash })
    } else host.disk.set(write.key, structuredClone(write.value))
  }

  #step(host: VirtualHost, node: ClusterNode, step: K3sStep): void {
    this.#at(this.now + 300, () => {
      if (host.node !== node) return
      const plan = node.view().chain.newest?.plan
      const first = this.hosts.find((other) => other.id === plan?.header.grant?.team[0])
      const authority = first === undefined ? '' : this.k3s.authorityOf(first.index)
      const place = { host: host.index, address: this.#overlayAddress(host), authority, now: this.now }
      this.#input(host, { kind: 'k3s-result', result: this.k3s.run(step, place) })
    })
  }

  #overlayAddress(host: VirtualHost): string {
    const body = host.node?.view().chain.newest?.plan.body
    return body?.assignments.find((assignment) => assignment.nodeId === host.id)?.address4 ?? ''
  }

  #pollK3s(host: VirtualHost, node: ClusterNode): void {
    if (host.node !== node) return
    const { generation } = node
    this.#input(host, {
      kind: 'k3s-observed',
      observation: this.k3s.observe(host.index, this.now),
      generation,
    })
    this.#at(this.now + 1_000, () => this.#pollK3s(host, node))
  }

  #nextDeadline(): { at: number; host: VirtualHost } | undefined {
    let best: { at: number; host: VirtualHost } | undefined
    for (const host of this.hosts) {
      const at = host.node === undefined ? undefined : host.dueAt
      if (at !== undefined && (best === undefined || at < best.at)) best = { at, host }
    }
    return best
  }

  #at(at: number, run: () => void): void {
    this.#queue.push({ at, order: this.#order++, run })
    this.#queue.sort((a, b) => a.at - b.at || a.order - b.order)
  }
}
