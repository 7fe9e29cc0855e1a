import type { NodeId } from '../../src/core/model/ids.ts'
import type { Random } from '../../src/core/model/random.ts'
import type { Message } from '../../src/core/model/message.ts'
import type { NetworkEvent, RefusalCode } from '../../src/core/ports.ts'
import { exponential, stream } from '../kernel/streams.ts'
import type { Timeline } from '../kernel/timeline.ts'
import type { Fault, Plan } from '../plan/plan.ts'
import { readBack, readCorrupt } from './frames.ts'
import type { Arrival } from './frames.ts'

/** A connection whose other end is silent is given up after this. */
const silenceMs = [3_000, 15_000] as const
/** A peer that was lost is dialled again after this. */
const redialMs = [500, 4_000] as const
/** Two that speak different versions try again after this: one of them may be another one by then. */
const versionRetryMs = [5_000, 15_000] as const
/** A peer that was cut off is refused for so long. */
const refuseMs = 60_000
/** Machines of one segment hear each other's multicast after this (mean); others meet in the DHT. */
const discoveryMs = { multicast: 300, dht: 2_000 }
/** An old answer of the DHT costs so much: the dials of it fail first. */
const staleMs = [5_000, 30_000] as const
/** On a larger site a start finds so many others and no more: a real one dials what it found up to a bound. */
const foundMax = 8
/** Up to so many machines everybody finds everybody. */
const everybodyMax = 128
/** A machine with so many connections dials nobody more for having found it (the adapter's `discoveredLinksMax`). */
const discoveredLinksMax = 48

/** A fault of links, not of a machine. */
export type LinkFault = Extract<Fault, { readonly from: number[] }>

/** What the network knows of a machine. */
export interface Endpoint {
  readonly index: number
  /** Identity under which it runs; undefined: it is off. */
  readonly id: NodeId | undefined
  /** Counts starts: what was under way for an earlier one is void. */
  readonly boots: number
  /** Version of the protocol that its agent speaks. */
  readonly version: () => number
  readonly receive: (event: NetworkEvent) => void
}

/** What the network tells of every message. */
export interface NetworkTold {
  sent(serial: number, from: number, to: number, message: Message): void
  delivered(serial: number, from: number, to: number, message: Message): void
  dropped(serial: number, from: number, to: number, why: string): void
  refused(index: number, peer: NodeId, code: RefusalCode): void
}

interface Cut {
  readonly until: number
  readonly blocks: (from: number, to: number) => boolean
}

/**
 * The underlay of the site: which machines are connected, and when a message arrives, if it does. A whole cut ends a
 * connection after a silence; a one-way cut and a clog do not: messages vanish or wait, and nobody is told.
 */
export class SimulatedNetwork {
  readonly #plan: Plan
  readonly #timeline: Timeline
  readonly #endpoints: readonly Endpoint[]
  readonly #told: NetworkTold
  readonly #random: Random
  readonly #discovery: Random
  /** By machine: which machine it talks to under which identity, and the same the other way round. */
  readonly #links: Map<number, NodeId>[]
  readonly #linksById: Map<NodeId, number>[]
  /** By machine: whom its core wants to be connected to. */
  readonly #kept: (readonly NodeId[])[]
  /** Machines that run under an identity, the lowest number first; clones share one. */
  readonly #holders = new Map<NodeId, readonly number[]>()
  readonly #cuts: Cut[] = []
  readonly #clogs: Cut[] = []
  readonly #corruptions: (Cut & { readonly share: number })[] = []
  readonly #echoes: (Cut & { readonly afterMs: number })[] = []
  readonly #refused = new Map<string, number>()
  readonly #dialling = new Set<string>()
  #healedCore: ReadonlySet<number> = new Set()
  #serial = 0

  constructor(plan: Plan, timeline: Timeline, endpoints: readonly Endpoint[], told: NetworkTold) {
    this.#plan = plan
    this.#timeline = timeline
    this.#endpoints = endpoints
    this.#told = told
    this.#random = stream(plan.seed, 'network')
    this.#discovery = stream(plan.seed, 'discovery')
    this.#links = endpoints.map(() => new Map())
    this.#linksById = endpoints.map(() => new Map())
    this.#kept = endpoints.map(() => [])
  }

  /** Machines that this one is connected to. */
  linksOf(index: number): readonly number[] {
    return [...(this.#links[index] as Map<number, NodeId>).keys()]
  }

  /** Whether packets pass both ways now: what k3s and etcd need. */
  reaches(a: number, b: number): boolean {
    return !this.#blocked(a, b) && !this.#blocked(b, a)
  }

  /** A fault of links begins. */
  strike(fault: LinkFault): void {
    const { from, to } = fault
    const until = this.#timeline.now + fault.forMs
    const there = between(from, to)
    switch (fault.kind) {
      case 'cut':
        return this.#cut(there, fault.oneWay, until)
      case 'clog':
        this.#clogs.push({ until, blocks: there })
        return
      case 'corrupt':
        this.#corruptions.push({ until, blocks: there, share: fault.share })
        return
      case 'echo':
        this.#echoes.push({ until, blocks: there, afterMs: fault.afterMs })
        return
    }
  }

  /** Messages on these links are lost, and back as well unless `oneWay`. */
  #cut(there: Cut['blocks'], oneWay: boolean, until: number): void {
    const blocks = oneWay ? there : (a: number, b: number): boolean => there(a, b) || there(b, a)
    this.#cuts.push({ until, blocks })
    if (oneWay) return
    this.#noticeCuts()
    this.#timeline.at(until, () => this.#redial(this.#endpoints.map(({ index }) => index)))
  }

  /** From now on nothing bad happens between these. */
  heal(core: readonly number[]): void {
    this.#healedCore = new Set(core)
    for (const pair of this.#refused.keys()) {
      if (pair.split(' ').every((index) => this.#healedCore.has(Number(index)))) this.#refused.delete(pair)
    }
    this.#redial(core)
  }

  /** A machine has started: it finds the others, and they find it. */
  started(index: number): void {
    const { stale: staleShare } = this.#plan.network
    const { id } = this.#endpoints[index] as Endpoint
    if (id === undefined) return
    this.#holders.set(
      id,
      [...(this.#holders.get(id) ?? []), index].toSorted((a, b) => a - b),
    )
    for (const other of this.#foundBy(index)) {
      const near = this.#sameSegment(index, other.index)
      const stale = !near && this.#discovery.unit() < staleShare
      const mean = near ? discoveryMs.multicast : discoveryMs.dht
      const wait = 5 + exponential(this.#discovery, mean) + (stale ? this.#discovery.between(...staleMs) : 0)
      const key = this.#pairNow(index, other.index)
      this.#timeline.after(stale ? wait / 4 : wait, () => {
        if (key !== this.#pairNow(index, other.index)) return
        this.#hear(index, other.index)
        const links = Math.min(this.#links[index]?.size ?? 0, this.#links[other.index]?.size ?? 0)
        if (links < discoveredLinksMax) this.#dial(index, other.index, stale ? wait : 0)
      })
    }
  }

  /** Whom a machine finds at its start. */
  #foundBy(index: number): readonly Endpoint[] {
    const others = this.#endpoints.filter((other) => other.index !== index && other.id !== undefined)
    return this.#isLarge ? this.#discovery.sample(others, foundMax) : others
  }

  /** A machine has lost its power: the others notice after a while. */
  stopped(index: number, orderly: boolean): void {
    const { id } = this.#endpoints[index] as Endpoint
    if (id !== undefined) {
      const rest = (this.#holders.get(id) ?? []).filter((holder) => holder !== index)
      if (rest.length === 0) this.#holders.delete(id)
      else this.#holders.set(id, rest)
    }
    this.#kept[index] = []
    for (const other of this.linksOf(index)) {
      const held = (this.#links[other] as Map<number, NodeId>).get(index)
      const boots = this.#endpoints[other]?.boots
      this.#timeline.after(orderly ? 5 : this.#random.between(...silenceMs), () => {
        if (this.#endpoints[other]?.boots === boots) this.#down(other, index, held, 'silent')
      })
    }
    ;(this.#links[index] as Map<number, NodeId>).clear()
    this.#linksById[index]?.clear()
  }

  /** A machine asks to be connected to these. */
  keep(index: number, ids: readonly NodeId[]): void {
    this.#kept[index] = ids
    for (const id of ids) {
      const other = this.#machineOf(id)
      if (other === undefined || other === index) continue
      if (!(this.#links[index] as Map<number, NodeId>).has(other)) {
        this.#dial(index, other, this.#discovery.between(20, 200))
      }
    }
  }

  cutOff(index: number, id: NodeId): void {
    for (const [other, held] of this.#links[index] as Map<number, NodeId>)
      if (held === id) this.#refuse(index, other, held)
  }

  #refuse(index: number, other: number, held: NodeId): void {
    this.#refused.set(pairKey(index, other), this.#timeline.now + refuseMs)
    this.#down(index, other, held, 'cut off')
    this.#down(other, index, undefined, 'cut off')
    this.#timeline.after(refuseMs + 1_000, () => this.#dial(index, other, 0))
  }

  /** A message from one machine to an identity. `raw`: made by no codec, so the receiver's codec judges it. */
  send(from: number, id: NodeId, message: Message, raw = false): void {
    const to = this.#linkTo(from, id)
    const serial = ++this.#serial
    if (to === undefined) {
      const known = this.#machineOf(id)
      if (known !== undefined && known !== from) this.#dial(from, known, this.#discovery.between(50, 500))
      return
    }
    this.#told.sent(serial, from, to, message)
    const healed = this.#isHealed(from, to)
    const random = this.#random
    const lossy = random.unit()
    const twice = random.unit()
    const delay = this.#delay(from, to, healed)
    if (!healed && lossy < this.#plan.network.loss) {
      return this.#told.dropped(serial, from, to, 'lost')
    }
    this.#deliverAfter(delay, serial, from, to, message, raw)
    if (!healed && twice < this.#plan.network.duplicate) {
      this.#deliverAfter(delay + this.#delay(from, to, healed), serial, from, to, message, raw)
    }
    if (this.#echoes.length > 0 && !healed) this.#echoAfter(delay, from, to, message)
  }

  #echoAfter(delay: number, from: number, to: number, message: Message): void {
    const { now } = this.#timeline
    const echo = this.#echoes.find((one) => one.until > now && one.blocks(from, to))
    const id = this.#endpoints[from]?.id
    if (echo === undefined) return
    this.#timeline.after(delay + echo.afterMs, () => {
      if (this.#endpoints[from]?.id !== id || this.#isHealed(from, to)) return
      const serial = ++this.#serial
      this.#told.sent(serial, from, to, message)
      this.#deliverAfter(0, serial, from, to, message, false)
    })
  }

  #deliverAfter(
    delay: number,
    serial: number,
    from: number,
    to: number,
    message: Message,
    raw: boolean,
  ): void {
    const sender = this.#endpoints[from] as Endpoint
    const { id } = sender
    if (id === undefined) return
    const receiver = this.#endpoints[to] as Endpoint
    const { boots } = receiver
    this.#timeline.after(delay, () => {
      if (this.#blocked(from, to)) return this.#told.dropped(serial, from, to, 'cut')
      if (receiver.boots !== boots || receiver.id === undefined)
        return this.#told.dropped(serial, from, to, 'off')
      if ((this.#links[to] as Map<number, NodeId>).get(from) !== id)
        return this.#told.dropped(serial, from, to, 'down')
      const arrival = this.#arrived(from, to, message, raw)
      if (arrival !== undefined && arrival.kind !== 'message') {
        this.#told.dropped(serial, from, to, arrival.kind)
        if (arrival.kind === 'garbage') this.#blame(to, from, arrival.detail)
        return
      }
      const received = arrival === undefined ? message : arrival.message
      this.#told.delivered(serial, from, to, received)
      receiver.receive({ kind: 'message', from: id, message: received })
    })
  }

  /** What the bytes come to; undefined: they need not be made, and are the message. */
  #arrived(from: number, to: number, message: Message, raw: boolean): Arrival | undefined {
    if (this.#corruptions.length > 0 && !this.#isHealed(from, to)) {
      const { now } = this.#timeline
      const one = this.#corruptions.find(({ until, blocks }) => until > now && blocks(from, to))
      if (one !== undefined && this.#random.unit() < one.share) return readCorrupt(message, this.#random)
    }
    return raw || this.#plan.crypto === 'real' ? readBack(message) : undefined
  }

  /** As the production adapter does with a frame that is no message: the peer is named, and refused for a while. */
  #blame(index: number, other: number, detail: string): void {
    const held = (this.#links[index] as Map<number, NodeId>).get(other)
    if (held === undefined) return
    this.#turnAway(index, other, held, 'Garbage', detail)
    this.#refuse(index, other, held)
  }

  #delay(from: number, to: number, healed: boolean): number {
    const { delayMs, tail, tailMs } = this.#plan.network
    const random = this.#random
    let delay = random.between(...delayMs)
    if (!this.#sameSegment(from, to)) delay *= 4
    const slow = random.unit()
    if (!healed && slow < tail) delay += random.between(...tailMs) / Math.max(random.unit(), 0.01)
    if (healed) return delay
    const { now } = this.#timeline
    for (const clog of this.#clogs) {
      if (clog.until > now && clog.blocks(from, to)) delay = Math.max(delay, clog.until - now + delay)
    }
    return delay
  }

  #blocked(from: number, to: number): boolean {
    if (this.#isHealed(from, to)) return false
    const { now } = this.#timeline
    return this.#cuts.some((cut) => cut.until > now && cut.blocks(from, to))
  }

  #isHealed(a: number, b: number): boolean {
    return this.#healedCore.has(a) && this.#healedCore.has(b)
  }

  /** Two machines try to connect. */
  #dial(a: number, b: number, wait: number): void {
    const key = this.#pairNow(a, b)
    if (this.#dialling.has(key)) return
    const pair = pairKey(a, b)
    if (!this.#isHealed(a, b) && this.#hasNoPath(a, b, pair)) return
    this.#timeline.after(wait + 2, () => {
      this.#dialling.delete(key)
      if (key !== this.#pairNow(a, b)) return
      if (this.#endpoints[a]?.id === undefined || this.#endpoints[b]?.id === undefined) return
      if ((this.#refused.get(pairKey(a, b)) ?? 0) > this.#timeline.now) return
      if (this.#blocked(a, b) || this.#blocked(b, a))
        return this.#dial(a, b, this.#discovery.between(...redialMs))
      if (this.#endpoints[a]?.version() !== this.#endpoints[b]?.version()) return this.#differ(a, b)
      this.#up(a, b)
      this.#up(b, a)
    })
  }

  #hasNoPath(a: number, b: number, pair: string): boolean {
    const { noPath, nats } = this.#plan
    const [left = 0, right = 0] = [nats?.[a], nats?.[b]]
    return (
      (left !== right && left > 0 && right > 0) || noPath.some((ends) => pairKey(ends[0], ends[1]) === pair)
    )
  }

  /** Each end of a connection tells the other its version first: both name the other one and turn away. */
  #differ(a: number, b: number): void {
    for (const [index, other] of [
      [a, b],
      [b, a],
    ] as const) {
      const [own, its] = [this.#endpoints[index], this.#endpoints[other]]
      if (own === undefined || its?.id === undefined) continue
      const detail = `protocol versions ${own.version()} and ${its.version()}`
      this.#turnAway(index, other, its.id, 'ProtocolVersion', detail)
    }
    this.#dial(a, b, this.#discovery.between(...versionRetryMs))
  }

  #turnAway(index: number, other: number, peer: NodeId, code: RefusalCode, detail: string): void {
    this.#told.refused(index, peer, code)
    const address = addressOf(other)
    this.#endpoints[index]?.receive({ kind: 'peer-refused', peer, address, code, detail })
  }

  #up(index: number, other: number): void {
    const links = this.#links[index] as Map<number, NodeId>
    const id = this.#endpoints[other]?.id
    if (id === undefined || links.get(other) === id) return
    // One connection for each identity: a twin takes the place of the one that was there, which is closed at both ends.
    for (const [machine, held] of links) {
      if (held !== id && machine !== other) continue
      this.#down(index, machine, held, 'replaced')
      if (machine !== other) this.#down(machine, index, undefined, 'replaced')
    }
    links.set(other, id)
    this.#linksById[index]?.set(id, other)
    this.#endpoints[index]?.receive({ kind: 'peer-up', peer: id, endpoint: addressOf(other), via: 'mdns' })
  }

  #down(index: number, other: number, id: NodeId | undefined, reason: string): void {
    const links = this.#links[index] as Map<number, NodeId>
    const held = links.get(other)
    if (held === undefined || (id !== undefined && held !== id)) return
    links.delete(other)
    this.#linksById[index]?.delete(held)
    this.#endpoints[index]?.receive({ kind: 'peer-down', peer: held, reason })
    this.#timeline.after(this.#discovery.between(...redialMs), () => {
      if (this.#endpoints[other]?.id !== undefined) this.#dial(index, other, 0)
    })
  }

  #hear(a: number, b: number): void {
    if (this.#blocked(a, b) || this.#blocked(b, a)) return
    const [left, right] = [this.#endpoints[a] as Endpoint, this.#endpoints[b] as Endpoint]
    const [leftId, rightId] = [left.id, right.id]
    if (leftId === undefined || rightId === undefined) return
    // Each of the two may lose its power by what it does with this.
    left.receive({ kind: 'peer-found', peer: rightId, via: 'mdns' })
    right.receive({ kind: 'peer-found', peer: leftId, via: 'mdns' })
  }

  /** Connections over a cut end after a silence. */
  #noticeCuts(): void {
    for (const { index, boots } of this.#endpoints) {
      for (const [other, id] of this.#links[index] as Map<number, NodeId>) {
        if (!this.#blocked(index, other) || other < index) continue
        this.#timeline.after(this.#random.between(...silenceMs), () => {
          if (!this.#blocked(index, other) || this.#endpoints[index]?.boots !== boots) return
          this.#down(index, other, id, 'silent')
          this.#down(other, index, undefined, 'silent')
        })
      }
    }
  }

  /** Machines without a connection try again: all pairs of a small site, on a large one what the cores want. */
  #redial(machines: readonly number[]): void {
    const among = new Set(machines)
    for (const a of machines) {
      if (this.#endpoints[a]?.id === undefined && this.#healedCore.size === 0) continue
      const others = this.#isLarge
        ? (this.#kept[a] ?? []).flatMap((id) => this.#machineOf(id) ?? [])
        : machines.filter((b) => b > a)
      for (const b of others) {
        if (a === b || !among.has(b) || this.#links[a]?.has(b) === true) continue
        this.#dial(a, b, this.#discovery.between(...redialMs))
      }
    }
  }

  #linkTo(from: number, id: NodeId): number | undefined {
    return this.#linksById[from]?.get(id)
  }

  #machineOf(id: NodeId): number | undefined {
    return this.#holders.get(id)?.[0]
  }

  get #isLarge(): boolean {
    return this.#endpoints.length > everybodyMax
  }

  #sameSegment(a: number, b: number): boolean {
    const { segments } = this.#plan
    return (segments[a] ?? 0) === (segments[b] ?? 0)
  }

  #pairNow(a: number, b: number): string {
    const [low, high] = a < b ? [a, b] : [b, a]
    return `${low} ${this.#endpoints[low]?.boots} ${high} ${this.#endpoints[high]?.boots}`
  }
}

function addressOf(index: number): string {
  return `/ip4/10.77.${index >> 8}.${index & 255}/tcp/7946`
}

function pairKey(a: number, b: number): string {
  return a < b ? `${a} ${b}` : `${b} ${a}`
}

function between(from: readonly number[], to: readonly number[]): (a: number, b: number) => boolean {
  const [left, right] = [new Set(from), new Set(to)]
  return (a, b) => left.has(a) && right.has(b)
}
