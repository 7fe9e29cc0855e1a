import type { Effect } from '../../src/core/effect.ts'
import type { Input } from '../../src/core/input.ts'
import type { K3sStep } from '../../src/core/k3s/types.ts'
import type { Crypto } from '../../src/core/model/crypto.ts'
import type { NodeId } from '../../src/core/model/ids.ts'
import { Random } from '../../src/core/model/random.ts'
import { defaultSpec } from '../../src/core/model/spec.ts'
import { ClusterNode } from '../../src/core/node.ts'
import { factsOf } from '../../simulations/world/hardware.ts'
import { virtualId } from './virtual-cluster.ts'
import { VirtualK3s } from './virtual-k3s.ts'

// What the core itself costs: whole formations on one processor, with crypto that costs next to nothing, no encoding,
// no trace and no copies. Nothing is checked here; test/core/node does that.

/** What is run. */
export interface CoreBench {
  readonly nodes: number
  readonly seed: number
  /** Virtual time that goes on after everybody is active, in ms. */
  readonly afterMs?: number
  /** Share of messages that are lost. */
  readonly loss?: number
}

/** What it came to. */
export interface CoreBenchResult {
  /** Whether every node came to hold the same active plan. */
  readonly active: boolean
  /** Virtual time until then, in ms. */
  readonly activeMs: number
  /** Inputs that the nodes handled. */
  readonly inputs: number
  /** Messages among them. */
  readonly messages: number
}

/** Nothing gets later than this. */
const virtualMsMax = 1_800_000

/** Peers that a machine hears of by itself; of the others it hears through these. */
const foundPeers = 8

interface Machine {
  readonly index: number
  readonly id: NodeId
  readonly node: ClusterNode
  readonly links: Set<number>
  dueAt: number
}

/** Digests by content, computed once for each object; signatures that remember what they are for. */
function freeCrypto(): (self: NodeId) => Crypto {
  const digests = new WeakMap<object, Map<string, string>>()
  const signed = new WeakMap<Uint8Array, { signer: string; label: string; value: object }>()
  const digest = (label: string, value: object): string => {
    let known = digests.get(value)
    if (known === undefined) digests.set(value, (known = new Map()))
    let hash = known.get(label)
    if (hash === undefined) known.set(label, (hash = textHash(`${label} ${JSON.stringify(value)}`)))
    return hash
  }
  const verify = (signer: string, label: string, value: object, signature: Uint8Array): boolean => {
    const made = signed.get(signature)
    if (made === undefined || made.signer !== signer || made.label !== label) return false
    return made.value === value || digest(label, made.value) === digest(label, value)
  }
  return (self) => ({
    digest,
    sign: (label, value) => {
      const signature = new Uint8Array(1)
      signed.set(signature, { signer: self, label, value })
      return signature
    },
    verify,
    verifyOperator: verify,
  })
}

/** 64 hexadecimal characters that tell texts apart; no defence against anybody. */
function textHash(text: string): string {
  let a = 0x811c9dc5
  let b = 0x9e3779b9
  for (let index = 0; index < text.length; index++) {
    const code = text.charCodeAt(index)
    a = Math.imul(a ^ code, 0x01000193)
    b = Math.imul(b + code, 0x85ebca6b) ^ (b >>> 13)
  }
  const word = (value: number): string => (value >>> 0).toString(16).padStart(8, '0')
  return (word(a) + word(b)).repeat(4)
}

/** A heap of things to do, the earliest first, and of two at one time the one that was planned first. */
class Agenda {
  #items: { at: number; order: number; run: () => void }[] = []
  #order = 0

  get nextAt(): number {
    return this.#items[0]?.at ?? Number.POSITIVE_INFINITY
  }

  add(at: number, run: () => void): void {
    const items = this.#items
    const item = { at, order: this.#order++, run }
    let place = items.length
    items.push(item)
    while (place > 0) {
      const above = (place - 1) >> 1
      const parent = items[above]!
      if (parent.at < at || (parent.at === at && parent.order < item.order)) break
      items[place] = parent
      place = above
    }
    items[place] = item
  }

  take(): () => void {
    const items = this.#items
    const first = items[0]!
    const last = items.pop()!
    if (items.length > 0) {
      let place = 0
      for (;;) {
        let below = 2 * place + 1
        if (below >= items.length) break
        if (below + 1 < items.length && isBefore(items[below + 1]!, items[below]!)) below++
        if (!isBefore(items[below]!, last)) break
        items[place] = items[below]!
        place = below
      }
      items[place] = last
    }
    return first.run
  }
}

function isBefore(a: { at: number; order: number }, b: { at: number; order: number }): boolean {
  return a.at < b.at || (a.at === b.at && a.order < b.order)
}

/** Forms one cluster of production nodes and says what that took; time it from outside. */
export function formCluster(bench: CoreBench): CoreBenchResult {
  const seedBytes = new Uint8Array(32)
  new DataView(seedBytes.buffer).setUint32(0, bench.seed)
  const random = new Random(seedBytes)
  const crypto = freeCrypto()
  const agenda = new Agenda()
  const k3s = new VirtualK3s(() => true)
  let now = 0
  let inputs = 0
  let messages = 0
  let active = 0
  const activeNodes = new Set<number>()

  const entropyOf = (): Uint8Array => Uint8Array.from({ length: 32 }, () => random.below(256))
  const ids = Array.from({ length: bench.nodes }, (_, index) => virtualId(index))
  const byId = new Map(ids.map((id, index) => [id, index]))
  const endpoint = (index: number): string => `/ip4/10.77.${index >> 8}.${index & 255}/tcp/7946`
  const machines: Machine[] = ids.map((id, index) => ({
    index,
    id,
    node: new ClusterNode({
      self: id,
      crypto: crypto(id),
      networkId: 'a'.repeat(64),
      prefix6: 'fd00:1:2:3::/64',
      operatorKey: 'none',
      bootstrap: { mode: 'expect', expect: bench.nodes },
      bootstrapDelayMs: 0,
      spec: defaultSpec,
      facts: factsOf(index),
      birth: 'b'.repeat(64),
      boot: { counter: 1, nonce: index.toString(16).padStart(32, '0') },
      entropy: entropyOf(),
      stored: { values: {}, chain: [] },
      overlay: { device: 'muster0', mtu: 1_400, port: 7_947, publicKey: 'c'.repeat(64) },
      now,
      quarantine: undefined,
    }),
    links: new Set<number>(),
    dueAt: Number.POSITIVE_INFINITY,
  }))

  const link = (a: Machine, b: Machine): void => {
    if (a === b || a.links.has(b.index)) return
    for (const [from, to] of [
      [a, b],
      [b, a],
    ] as const) {
      from.links.add(to.index)
      agenda.add(now + 5, () =>
        give(from, { kind: 'peer-up', peer: to.id, endpoint: endpoint(to.index), via: 'mdns' }),
      )
    }
  }
  const step = (machine: Machine, what: K3sStep): void =>
    agenda.add(now + 300, () => {
      const { newest } = machine.node.view().chain
      const first = byId.get(newest?.plan.header.grant?.team[0] ?? '')
      const own = newest?.plan.body.assignments.find(({ nodeId }) => nodeId === machine.id)
      const authority = first === undefined ? '' : k3s.authorityOf(first)
      const place = { host: machine.index, address: own?.address4 ?? '', authority, now }
      give(machine, { kind: 'k3s-result', result: k3s.run(what, place) })
    })
  const carryOut = (machine: Machine, effect: Effect): void => {
    switch (effect.kind) {
      case 'send': {
        const to = machines[byId.get(effect.to) ?? -1]
        if (to === undefined) return
        link(machine, to)
        if (random.unit() < (bench.loss ?? 0)) return
        const { message } = effect
        agenda.add(now + 6 + random.below(8), () => give(to, { kind: 'message', from: machine.id, message }))
        return
      }
      case 'persist':
        for (const write of effect.writes) {
          if (write.op !== 'put' || write.key !== 'plan') continue
          const { plan } = write.value as { plan: { header: { phase: string; generation: number } } }
          if (plan.header.phase === 'active') activeNodes.add(machine.index)
        }
        return
      case 'keep-peers':
        for (const { id } of effect.peers) link(machine, machines[byId.get(id) ?? machine.index] as Machine)
        return
      case 'overlay': {
        const { device, address4, address6 } = effect.intent
        const state = { up: true, device, address4, address6, mtu: 1_400, detail: '', peers: [] }
        agenda.add(now + 50, () => give(machine, { kind: 'overlay-observed', state }))
        return
      }
      case 'k3s':
        return step(machine, effect.step)
      default:
    }
  }
  const deadline = (machine: Machine, at: number): void => {
    if (machine.dueAt === at) give(machine, { kind: 'deadline' })
  }
  const settle = (machine: Machine): void => {
    for (const effect of machine.node.drain()) carryOut(machine, effect)
    const at = machine.node.nextDeadline()
    if (at === machine.dueAt && at > now) return
    machine.dueAt = at
    agenda.add(Math.max(now, at), () => deadline(machine, at))
  }
  const give = (machine: Machine, input: Input): void => {
    inputs += 1
    if (input.kind === 'message') messages += 1
    machine.node.handle(input, now)
    settle(machine)
  }
  const look = (machine: Machine): void => {
    const { generation } = machine.node
    give(machine, { kind: 'k3s-observed', observation: k3s.observe(machine.index, now), generation })
    agenda.add(now + 1_000, () => look(machine))
  }

  for (const machine of machines) {
    settle(machine)
    const { index } = machine
    const where = [endpoint(index)]
    give(machine, {
      kind: 'machine-changed',
      endpoints: where,
      localNetworks: ['10.77.0.0/16'],
      linkUp: true,
    })
    const found = bench.nodes <= foundPeers + 1 ? machines : random.sample(machines, foundPeers)
    for (const other of found) link(machine, other)
    agenda.add(random.below(1_000), () => look(machine))
  }
  let end = virtualMsMax
  while (agenda.nextAt <= end) {
    now = Math.max(now, agenda.nextAt)
    agenda.take()()
    if (active === 0 && activeNodes.size === bench.nodes) {
      active = now
      end = now + (bench.afterMs ?? 0)
    }
  }
  return { active: active > 0, activeMs: active, inputs, messages }
}
