// A network of membership machines in virtual time: seeded, with loss, cuts, slow and dead nodes.
import { createHash } from 'node:crypto'

import { Membership } from '../../../src/core/membership/membership.ts'
import type { MembershipOutput } from '../../../src/core/membership/contract.ts'
import type { Crypto, SigningLabel } from '../../../src/core/model/crypto.ts'
import type { Instant, NodeId } from '../../../src/core/model/ids.ts'
import type { MemberRecord, SignedRecord } from '../../../src/core/model/member.ts'
import type { MembershipMessage } from '../../../src/core/model/message.ts'
import { Random } from '../../../src/core/model/random.ts'
import { defaultTimers } from '../../../src/core/model/spec.ts'

export const networkId = 'a'.repeat(64)

const digests = new WeakMap<object, string>()

function contentOf(value: object): string {
  let digest = digests.get(value)
  if (digest === undefined) {
    digest = createHash('sha256').update(JSON.stringify(value)).digest('hex')
    digests.set(value, digest)
  }
  return digest
}

function tag(signer: NodeId, label: SigningLabel, value: object): Uint8Array {
  return new TextEncoder().encode(`${signer}|${label}|${contentOf(value)}`)
}

/** Signatures that nobody makes by accident: they name signer, purpose and content. Counts verifications. */
export class FakeCrypto implements Crypto {
  readonly #self: NodeId
  verifications = 0
  constructor(self: NodeId) {
    this.#self = self
  }
  digest(label: string, value: object): string {
    return createHash('sha256').update(label).update(contentOf(value)).digest('hex')
  }
  sign(label: SigningLabel, value: object): Uint8Array {
    return tag(this.#self, label, value)
  }
  verify(signer: NodeId, label: SigningLabel, value: object, signature: Uint8Array): boolean {
    this.verifications++
    return Buffer.compare(tag(signer, label, value), signature) === 0
  }
  verifyOperator(): boolean {
    return false
  }
}

export function seeded(seed: number): Random {
  return new Random(createHash('sha256').update(`seed ${seed}`).digest())
}

export function nodeName(index: number): NodeId {
  return `node-${String(index).padStart(4, '0')}`
}

export function recordOf(id: NodeId, changes: Partial<MemberRecord> = {}): MemberRecord {
  return {
    nodeId: id,
    networkId,
    incarnation: 0,
    sequence: 0,
    bootNonce: `nonce of ${id}`,
    birth: 'b'.repeat(64),
    facts: {
      hostname: id,
      machineId: id,
      arch: 'x64',
      cpus: 4,
      memoryMiB: 8_192,
      zone: '',
      roles: ['control-plane', 'worker'],
      durable: true,
      version: '0.1.0',
      k3sVersion: '',
      localNetworks: [],
    },
    phase: 'waiting',
    note: '',
    left: false,
    endpoints: [`/ip4/192.0.2.1/tcp/1`],
    overlayPort: 0,
    overlayKey: '',
    bootstrap: { mode: 'auto' },
    specHash: 'c'.repeat(64),
    specKeys: {},
    plan: { clusterId: '', generation: -1, hash: '' },
    etcd: [],
    ...changes,
  }
}

export function signed(record: MemberRecord): SignedRecord {
  return { record, signature: new FakeCrypto(record.nodeId).sign('muster/record/1', record) }
}

export function machine(
  id: NodeId,
  options: { seed?: number; now?: Instant; own?: Partial<MemberRecord>; crypto?: Crypto } = {},
): Membership {
  return new Membership({
    self: id,
    networkId,
    crypto: options.crypto ?? new FakeCrypto(id),
    random: seeded(options.seed ?? 1),
    timers: defaultTimers,
    own: recordOf(id, options.own),
    now: options.now ?? 0,
  })
}

interface Event {
  readonly at: Instant
  readonly order: number
  readonly run: () => void
}

/** A binary heap by (time, order of insertion). */
class EventHeap {
  readonly #items: Event[] = []
  #order = 0
  push(at: Instant, run: () => void): void {
    const items = this.#items
    items.push({ at, order: this.#order++, run })
    let index = items.length - 1
    while (index > 0) {
      const parent = (index - 1) >> 1
      if (!before(items[index]!, items[parent]!)) break
      ;[items[index], items[parent]] = [items[parent]!, items[index]!]
      index = parent
    }
  }
  peek(): Event | undefined {
    return this.#items[0]
  }
  pop(): Event | undefined {
    const items = this.#items
    const top = items[0]
    const last = items.pop()
    if (top === undefined || last === undefined || items.length === 0) return top
    items[0] = last
    for (let index = 0; ;) {
      let least = index
      for (const child of [2 * index + 1, 2 * index + 2]) {
        if (child < items.length && before(items[child]!, items[least]!)) least = child
      }
      if (least === index) return top
      ;[items[index], items[least]] = [items[least]!, items[index]!]
      index = least
    }
  }
}

function before(a: Event, b: Event): boolean {
  return a.at < b.at || (a.at === b.at && a.order < b.order)
}

interface Host {
  readonly id: NodeId
  machine: Membership
  readonly peers: Set<NodeId>
  up: boolean
  /** Extra time that each message to and from it takes, drawn up to this bound. */
  slowMs: number
  wakeAt: Instant
}

export class VirtualNetwork {
  now: Instant = 0
  loss = 0
  readonly hosts = new Map<NodeId, Host>()
  /** Everything that came out of the machines: `kind` counts, and the lines of the log. */
  readonly sent = new Map<string, number>()
  readonly log: string[] = []
  readonly misconduct: string[] = []
  readonly clones: string[] = []
  readonly deaths: { observer: NodeId; subject: NodeId; at: Instant }[] = []
  onSend: (from: NodeId, to: NodeId, message: MembershipMessage) => void = () => {}
  readonly #events = new EventHeap()
  readonly #random: Random
  readonly #seed: number
  #side = new Map<NodeId, number>()

  constructor(seed: number) {
    this.#seed = seed
    this.#random = seeded(seed)
    this.#redial()
  }

  add(id: NodeId, own: Partial<MemberRecord> = {}): Membership {
    const created = machine(id, { seed: this.#seed * 10_007 + this.hosts.size, now: this.now, own })
    this.hosts.set(id, { id, machine: created, peers: new Set(), up: true, slowMs: 0, wakeAt: Infinity })
    this.#after(this.hosts.get(id)!)
    return created
  }

  /** `count` nodes, each of which discovered the one before it. */
  static ofSize(count: number, seed: number, loss = 0): VirtualNetwork {
    const network = new VirtualNetwork(seed)
    network.loss = loss
    for (let index = 0; index < count; index++) network.add(nodeName(index))
    for (let index = 1; index < count; index++) network.connect(nodeName(index - 1), nodeName(index))
    return network
  }

  host(id: NodeId): Host {
    return this.hosts.get(id)!
  }

  connect(a: NodeId, b: NodeId): void {
    if (a === b || this.host(a).peers.has(b) || !this.#reachable(a, b)) return
    this.host(a).peers.add(b)
    this.host(b).peers.add(a)
    this.act(a, (membership) => membership.peerUp(b, this.now))
    this.act(b, (membership) => membership.peerUp(a, this.now))
  }

  disconnect(a: NodeId, b: NodeId): void {
    for (const [one, other] of [
      [a, b],
      [b, a],
    ] as const) {
      if (!this.host(one).peers.delete(other) || !this.host(one).up) continue
      this.act(one, (membership) => membership.peerDown(other, this.now))
    }
  }

  /** Stops a node without a word; its peers notice nothing but silence. */
  kill(id: NodeId): void {
    this.host(id).up = false
  }

  /** Cuts the network into the sides given. Connections across are lost. */
  cut(sideOf: (id: NodeId) => number): void {
    this.#side = new Map([...this.hosts.keys()].map((id) => [id, sideOf(id)]))
    for (const a of this.hosts.values()) {
      for (const b of a.peers) if (!this.#reachable(a.id, b)) this.disconnect(a.id, b)
    }
  }

  heal(): void {
    this.#side.clear()
  }

  act(id: NodeId, deed: (membership: Membership) => void): void {
    const host = this.host(id)
    if (!host.up) return
    deed(host.machine)
    this.#after(host)
  }

  run(forMs: number): void {
    const end = this.now + forMs
    for (let next = this.#events.peek(); next !== undefined && next.at <= end; next = this.#events.peek()) {
      this.#events.pop()
      this.now = next.at
      next.run()
    }
    this.now = end
  }

  /** Runs until the condition holds; false if it does not within the time. */
  runUntil(condition: () => boolean, withinMs: number): boolean {
    for (let spent = 0; spent < withinMs; spent += 500) {
      if (condition()) return true
      this.run(500)
    }
    return condition()
  }

  /** Whether each running node sees the running ones alive, the others dead, and knows all. */
  converged(): boolean {
    const hosts = [...this.hosts.values()].filter((host) => host.up)
    const running = new Set(hosts.map((host) => host.id))
    return hosts.every((host) => {
      const { members } = host.machine.view()
      return (
        members.length === this.hosts.size &&
        members.every((member) => member.liveness === (running.has(member.record.nodeId) ? 'alive' : 'dead'))
      )
    })
  }

  messages(): number {
    return this.sent.values().reduce((sum, count) => sum + count, 0)
  }

  #after(host: Host): void {
    for (const output of host.machine.drain()) this.#apply(host, output)
    const due = host.machine.nextDeadline()
    if (due >= host.wakeAt) return
    this.#wakeAt(host, due)
  }

  #wakeAt(host: Host, due: Instant): void {
    host.wakeAt = Math.max(due, this.now)
    const { wakeAt } = host
    this.#events.push(wakeAt, () => {
      if (host.wakeAt !== wakeAt) return
      host.wakeAt = Infinity
      this.act(host.id, (membership) => membership.handleDeadline(this.now))
    })
  }

  #apply(host: Host, output: MembershipOutput): void {
    switch (output.kind) {
      case 'send':
        return this.#send(host, output.to, output.message)
      case 'changed': {
        const { id, current } = output
        this.log.push(
          `${this.now.toFixed(3)} ${host.id} sees ${id} ${current.liveness} ${current.record.incarnation}.${current.record.sequence}`,
        )
        if (current.liveness === 'dead') {
          this.deaths.push({ observer: host.id, subject: id, at: this.now })
        }
        return
      }
      case 'misconduct':
        this.misconduct.push(`${host.id} accuses ${output.peer} of ${output.code}: ${output.detail}`)
        return
      case 'clone':
        this.clones.push(`${host.id} reports ${output.id}: ${output.detail}`)
    }
  }

  #send(host: Host, to: NodeId, message: MembershipMessage): void {
    this.sent.set(message.kind, (this.sent.get(message.kind) ?? 0) + 1)
    this.onSend(host.id, to, message)
    const target = this.hosts.get(to)
    if (target === undefined || this.#random.unit() < this.loss) return
    const delay = this.#random.between(1, 10) + this.#random.between(0, host.slowMs + target.slowMs)
    this.#events.push(this.now + delay, () => {
      if (!target.up || !this.#reachable(host.id, to)) return
      this.act(to, (membership) => membership.handle(host.id, message, this.now))
    })
  }

  /** Contacts that are not connected are dialled once a second, as the network port promises. */
  #redial(): void {
    this.#events.push(this.now + 1_000, () => {
      for (const host of this.hosts.values()) {
        if (!host.up) continue
        for (const { id } of host.machine.contacts()) if (this.hosts.has(id)) this.connect(host.id, id)
      }
      this.#redial()
    })
  }

  #reachable(a: NodeId, b: NodeId): boolean {
    return this.host(a).up && this.host(b).up && this.#side.get(a) === this.#side.get(b)
  }
}
