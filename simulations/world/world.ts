import type { BirthRecord } from '../../src/core/identity/birth.ts'
import { birthDigest } from '../../src/core/identity/birth.ts'
import { nextBoot } from '../../src/core/identity/boot.ts'
import { decideIdentity } from '../../src/core/identity/clone.ts'
import type { Effect } from '../../src/core/effect.ts'
import type { K3sStep } from '../../src/core/k3s/types.ts'
import type { Message } from '../../src/core/model/message.ts'
import { assignmentOf } from '../../src/core/model/plan.ts'
import type { BootstrapSetting, ClusterSpec } from '../../src/core/model/spec.ts'
import type { SignedStatement, Statement } from '../../src/core/model/statement.ts'
import { ClusterNode } from '../../src/core/node.ts'
import { seedBytes, stream } from '../kernel/streams.ts'
import { Timeline } from '../kernel/timeline.ts'
import type { Fault, Plan } from '../plan/plan.ts'
import type { CoreFactory } from './core.ts'
import { Disk } from './disk.ts'
import type { Identity } from './identity.ts'
import { makeIdentity, makeOperator } from './identity.ts'
import { K3sSite } from './k3s.ts'
import { Liar } from './liar.ts'
import type { MachineWorld } from './machine.ts'
import { Machine } from './machine.ts'
import type { Watcher } from './watcher.ts'
import { SimulatedNetwork } from './network.ts'
import { bootstrapOf, specOf } from './wishes.ts'

/** A step of k3s takes so long. */
const stepMs = 300
/** A look at k3s takes so long. */
const lookMs = 20
/** Between an agent's goodbye and its end. */
const goodbyeMs = 10
/** The overlay's device comes up in this time. */
const overlayMs = 50

/** etcd's leader looks for learners to promote so often (k3s: 15 s; shorter, as the timers of a simulated site are). */
const promoteMs = 3_000
/** Clocks begin anywhere within this. */
const clockOffsetMs = 100_000

/** Network of every simulated site. */
export const networkId: string = 'a'.repeat(64)

/** Everything of a site but who judges it: machines, network, disks, clocks, k3s, and the faults of the plan. */
export class World {
  readonly plan: Plan
  readonly timeline = new Timeline()
  readonly machines: readonly Machine[]
  readonly network: SimulatedNetwork
  readonly k3s: K3sSite
  readonly #watchers: readonly Watcher[]
  readonly #makeCore: CoreFactory
  readonly #operator: Identity
  readonly #spec: ClusterSpec
  readonly #bootstrap: BootstrapSetting
  readonly #diskRandom
  readonly #slow = new Map<number, { until: number; writeMs: number }>()
  readonly #full = new Map<number, number>()
  readonly #hangs = new Map<number, number>()
  readonly #failures = new Map<number, number>()
  readonly #lostReplies = new Map<number, number>()
  readonly #liars = new Map<number, { until: number; liar: Liar }>()
  readonly #k3sRandom
  #nextCopy: number
  #healed = false
  /** Identities that ever had power, in order of their first start. */
  readonly identities = new Map<string, number>()
  /** Disks that were put back to an older state, or copied with their identity. */
  amnesias = 0

  constructor(
    plan: Plan,
    watchers: readonly Watcher[],
    makeCore: CoreFactory = (init) => new ClusterNode(init),
  ) {
    this.plan = plan
    this.#watchers = watchers
    this.#makeCore = makeCore
    this.#operator = makeOperator(plan)
    this.#diskRandom = stream(plan.seed, 'disk')
    this.#k3sRandom = stream(plan.seed, 'k3s/answers')
    this.#spec = specOf(plan)
    const machineWorld = this.#machineWorld()
    const copies = plan.faults.filter((fault) => fault.kind === 'clone').length
    const remembers = plan.faults.some((fault) => fault.kind === 'rollback')
    this.machines = Array.from({ length: plan.nodes + copies }, (_, index) => {
      const random = stream(plan.seed, `clock/${index}`)
      const rate = plan.drift === 0 ? 1 : 1 + random.between(-plan.drift, plan.drift)
      const offset = Math.floor(random.unit() * clockOffsetMs)
      return new Machine(index, new Disk(plan.crypto === 'real', remembers), { rate, offset }, machineWorld)
    })
    this.#nextCopy = plan.nodes
    this.#bootstrap = bootstrapOf(plan)
    const { machines } = this
    this.network = new SimulatedNetwork(
      plan,
      this.timeline,
      machines.map((machine) => ({
        index: machine.index,
        get id() {
          return machine.id
        },
        get boots() {
          return machine.boots
        },
        receive: (event) => machine.push(event),
      })),
      {
        sent: (serial, from, to, message) =>
          this.#tell((watcher) =>
            watcher.sent?.(serial, machines[from] as Machine, machines[to] as Machine, message),
          ),
        delivered: (serial, from, to, message) =>
          this.#tell((watcher) =>
            watcher.delivered?.(serial, machines[from] as Machine, machines[to] as Machine, message),
          ),
        dropped: (serial, from, to, why) => this.#tell((watcher) => watcher.dropped?.(serial, from, to, why)),
      },
    )
    this.k3s = new K3sSite({
      timeline: this.timeline,
      random: stream(plan.seed, 'k3s'),
      startMs: plan.k3s.startMs,
      promoteMs,
      powered: (index) => this.machines[index]?.isOn ?? false,
      reaches: (a, b) => this.network.reaches(a, b),
      hangs: (index) => this.#active(this.#hangs, index),
      addressOf: (index) => this.#addressOf(index),
      tell: (event) => this.#tell((watcher) => watcher.k3s?.(event)),
    })
    for (const [index, at] of plan.boots.entries()) {
      const machine = this.machines[index]
      if (machine !== undefined) this.timeline.at(at, () => this.boot(machine))
    }
    for (const fault of plan.faults) this.timeline.at(fault.at, () => this.#happen(fault))
  }

  /** Faults end between the machines of the core, and all of them have power. The rest stays as it is. */
  heal(core: readonly number[]): void {
    this.#healed = true
    this.network.heal(core)
    for (const index of core) {
      for (const faults of [this.#slow, this.#full, this.#hangs, this.#failures, this.#lostReplies])
        faults.delete(index)
      this.#liars.delete(index)
      const machine = this.machines[index] as Machine
      if (machine.isOn) machine.heal()
      else this.boot(machine)
    }
    this.#tell((watcher) => watcher.healed?.(core))
  }

  /** Whether this machine lies now. */
  lies(index: number): boolean {
    return (this.#liars.get(index)?.until ?? 0) > this.timeline.now
  }

  /** Power on. */
  boot(machine: Machine): void {
    if (machine.isOn) return
    const { plan } = this
    const hardware = hardwareOf(machine.index)
    const found = machine.disk.open()
    let document = found.document
    const chartered =
      document !== undefined && (document.values.plan !== undefined || document.chain.length > 0)
    const decision = document === undefined ? undefined : decideIdentity(document.birth, hardware, chartered)
    if (document === undefined || decision?.kind === 're-key') {
      if (machine.boots > 0 || found.lost || decision !== undefined) machine.life += 1
      document = machine.disk.create(makeIdentity(plan, machine.index, machine.life), hardware)
    }
    if (decision?.kind === 'keep' && decision.rewriteBirth) machine.disk.adoptBirth(hardware)
    const { identity, values, chain } = document
    machine.boots += 1
    if (!this.identities.has(identity.id)) this.identities.set(identity.id, machine.index)
    const entropy = seedBytes(plan.seed, `node/${machine.index}/${machine.boots}`)
    const previous = values.boot as { counter: number; nonce: string } | undefined
    const nonce = Buffer.from(entropy.slice(0, 16)).toString('hex')
    const facts = factsOf(machine.index)
    try {
      const core = this.#makeCore(
        {
          self: identity.id,
          crypto: identity.crypto,
          networkId,
          prefix6: 'fd00:1:2:3::/64',
          operatorKey: this.#operator.id,
          bootstrap: this.#bootstrap,
          bootstrapDelayMs: 0,
          spec: this.#spec,
          facts,
          birth: birthDigest(hardware, identity.crypto),
          boot: nextBoot(previous, nonce),
          entropy,
          stored: { values, chain },
          overlay: { device: 'muster0', mtu: 1_400, port: 7_947, publicKey: 'c'.repeat(64) },
          now: machine.localNow(),
          quarantine: decision?.kind === 'quarantine' ? decision.reason : undefined,
        },
        machine.index,
      )
      machine.powerOn(identity, core)
    } catch (error) {
      return this.#broke(machine, error)
    }
    this.#tell((watcher) => watcher.booted?.(machine))
    if (!machine.isOn) return
    machine.push({
      kind: 'machine-changed',
      endpoints: [`/ip4/10.77.${machine.index >> 8}.${machine.index & 255}/tcp/7946`],
      localNetworks: ['10.77.0.0/16'],
      linkUp: true,
    })
    this.network.started(machine.index)
    this.#look(machine, machine.boots)
  }

  /** Power off. `downMs`: it comes back by itself after so long. */
  powerOff(machine: Machine, why: string, downMs: number | undefined): void {
    if (!machine.isOn) return
    this.#tell((watcher) => watcher.stopping?.(machine, why))
    this.k3s.powerOff(machine.index)
    this.network.stopped(machine.index, why === 'orderly')
    machine.powerOff()
    machine.boots += 1
    if (downMs !== undefined) this.timeline.after(downMs, () => this.boot(machine))
  }

  #machineWorld(): MachineWorld {
    return {
      timeline: this.timeline,
      writeMs: (machine) => this.#writeMs(machine.index),
      cutPower: (machine, why, downMs) => this.powerOff(machine, why, downMs),
      willPersist: (machine, writes) => this.#tell((watcher) => watcher.persisting?.(machine, writes)),
      persisted: (machine, writes) => this.#tell((watcher) => watcher.persisted?.(machine, writes)),
      carryOut: (machine, effect) => this.#carryOut(machine, effect),
      settled: (machine) => this.#tell((watcher) => watcher.settled?.(machine)),
      broke: (machine, error) => this.#broke(machine, error),
    }
  }

  #broke(machine: Machine, error: unknown): void {
    this.#tell((watcher) => watcher.broke?.(machine, error))
    this.powerOff(machine, 'the core threw', 1_000)
  }

  #writeMs(index: number): number | undefined {
    if (this.#active(this.#full, index)) return undefined
    const slow = this.#slow.get(index)
    if (slow !== undefined && slow.until > this.timeline.now) return slow.writeMs
    const [low, high] = this.plan.disk.syncMs
    return high === 0 ? 0 : this.#diskRandom.between(low, high)
  }

  #carryOut(machine: Machine, effect: Exclude<Effect, { kind: 'persist' }>): void {
    this.#tell((watcher) => watcher.effect?.(machine, effect))
    switch (effect.kind) {
      case 'send':
        return this.#send(machine, effect.to, effect.message)
      case 'keep-peers':
        return this.network.keep(
          machine.index,
          effect.peers.map((peer) => peer.id),
        )
      case 'cut-off':
        return this.network.cutOff(machine.index, effect.peer)
      case 'overlay': {
        const { device, address4, address6, mtu } = effect.intent
        const { core } = machine
        const state = { up: true, device, address4, address6, mtu, detail: '', peers: [] }
        return this.timeline.after(overlayMs, () => {
          if (machine.core === core) machine.push({ kind: 'overlay-observed', state })
        })
      }
      case 'k3s':
        return this.#step(machine, effect.step)
      case 'identity':
        return this.#endQuarantine(machine, effect.verdict)
      case 'pace':
      case 'answer':
      case 'event':
    }
  }

  #send(machine: Machine, to: string, message: Message): void {
    const lie = this.#liars.get(machine.index)
    if (lie === undefined || lie.until <= this.timeline.now)
      return this.network.send(machine.index, to, message)
    for (const twisted of lie.liar.twist(to, message)) this.network.send(machine.index, to, twisted)
  }

  #step(machine: Machine, step: K3sStep): void {
    const { core } = machine
    this.#tell((watcher) => watcher.stepping?.(machine, step))
    this.timeline.after(stepMs, () => {
      // A step that a power cut ends was carried out, or not: the core must be right in both cases.
      if (machine.core !== core) return
      const { failure, lostReply } = this.#healed ? { failure: 0, lostReply: 0 } : this.plan.k3s
      const [first, second] = [this.#k3sRandom.unit(), this.#k3sRandom.unit()]
      const fails = first < failure || this.#active(this.#failures, machine.index)
      const result = fails
        ? { kind: 'failed' as const, step: step.kind, detail: 'failed on purpose' }
        : this.k3s.run(machine.index, step)
      const lost = second < lostReply || this.#active(this.#lostReplies, machine.index)
      const told = lost ? { kind: 'failed' as const, step: step.kind, detail: 'no answer came' } : result
      machine.stepDone()
      machine.push({ kind: 'k3s-result', result: told })
      this.#lookOnce(machine, machine.boots)
    })
  }

  #look(machine: Machine, boots: number): void {
    if (machine.boots !== boots) return
    const seen = machine.look()
    if (seen === undefined) return
    this.timeline.after(lookMs, () => {
      if (machine.boots !== boots) return
      const againMs = seen(this.k3s.observe(machine.index))
      this.timeline.after(againMs, () => this.#look(machine, boots))
    })
  }

  #lookOnce(machine: Machine, boots: number): void {
    const seen = machine.look()
    this.timeline.after(lookMs, () => {
      if (machine.boots === boots) seen?.(this.k3s.observe(machine.index))
    })
  }

  #endQuarantine(machine: Machine, verdict: 'keep' | 're-key'): void {
    if (verdict === 'keep') {
      machine.disk.adoptBirth(hardwareOf(machine.index))
      return machine.push({ kind: 'identity-kept' })
    }
    this.k3s.run(machine.index, { kind: 'stop' })
    this.powerOff(machine, 'a clone starts anew', undefined)
    machine.disk.wipe()
    this.timeline.after(1_000, () => this.boot(machine))
  }

  #addressOf(index: number): string {
    const machine = this.machines[index]
    const plan = machine?.core?.view?.().chain.newest?.plan
    if (plan === undefined || machine?.identity === undefined) return `host${index}`
    return assignmentOf(plan.body, machine.identity.id)?.address4 ?? `host${index}`
  }

  // Faults

  #happen(fault: Fault): void {
    if (this.#healed && fault.kind !== 'order') return
    const { now } = this.timeline
    if (fault.kind === 'cut') {
      this.network.cut(fault.from, fault.to, fault.oneWay, now + fault.forMs)
    } else if (fault.kind === 'clog') {
      this.network.clog(fault.from, fault.to, now + fault.forMs)
    } else {
      const machine = this.machines[fault.node]
      if (machine === undefined || fault.node >= this.plan.nodes) return
      this.#happenTo(machine, fault)
    }
    this.#tell((watcher) => watcher.fault?.(fault))
  }

  #happenTo(machine: Machine, fault: Exclude<Fault, { kind: 'cut' | 'clog' }>): void {
    const { now } = this.timeline
    const { index } = machine
    switch (fault.kind) {
      case 'power-cut':
        // A persist that is under way is cut as well: what it leaves is the old state or the new one.
        machine.cutPersist(fault.keeps)
        return this.powerOff(machine, 'power cut', fault.forMs)
      case 'crash-at-write':
        return machine.setTrap({ effect: 'persist', after: fault.after, downMs: fault.forMs, count: 1 })
      case 'crash-at-effect':
        return machine.setTrap({ ...fault, downMs: fault.forMs })
      case 'stop':
        if (!machine.isOn) return
        machine.push({ kind: 'leaving' })
        this.timeline.after(goodbyeMs, () => this.powerOff(machine, 'orderly', fault.forMs))
        return
      case 'pause':
        return machine.pause(now + fault.forMs)
      case 'wipe':
        return this.#whileOff(machine, 'wiped', fault.forMs, () => {
          machine.disk.wipe()
          this.k3s.wipe(index)
        })
      case 'bit-rot':
        return this.#whileOff(machine, 'bit rot', fault.forMs, () => machine.disk.rot(fault.copies))
      case 'rollback':
        return this.#whileOff(machine, 'rolled back', fault.forMs, () => {
          if (machine.disk.rollBack(now - fault.backMs)) this.amnesias += 1
        })
      case 'clone':
        return this.#clone(machine)
      case 'slow-disk':
        this.#slow.set(index, { until: now + fault.forMs, writeMs: fault.syncMs })
        return
      case 'full-disk':
        this.#full.set(index, now + fault.forMs)
        return
      case 'clock-jump':
        machine.clock.offset += fault.byMs
        return machine.tick()
      case 'lie': {
        if (machine.identity === undefined) return
        const { id: self, crypto } = machine.identity
        const liar = new Liar({ self, crypto, random: stream(this.plan.seed, `liar/${index}`) }, fault.how)
        if (fault.how === 'equivocate') this.amnesias += 1
        this.#liars.set(index, { until: now + fault.forMs, liar })
        return
      }
      case 'k3s-hang':
        this.#hangs.set(index, now + fault.forMs)
        return
      case 'k3s-failure':
        this.#failures.set(index, now + fault.forMs)
        return
      case 'k3s-lost-reply':
        this.#lostReplies.set(index, now + fault.forMs)
        return
      case 'order':
        return this.#order(machine, fault)
    }
  }

  /** Power off, something happens to the disk, power on. A machine that never ran has nothing to lose. */
  #whileOff(machine: Machine, why: string, downMs: number, work: () => void): void {
    if (machine.identity === undefined) return
    this.powerOff(machine, why, undefined)
    work()
    this.timeline.after(downMs, () => this.boot(machine))
  }

  #clone(from: Machine): void {
    const to = this.machines[this.#nextCopy]
    if (to === undefined || from.disk.document === undefined) return
    this.#nextCopy += 1
    to.disk.copyFrom(from.disk)
    this.k3s.copy(from.index, to.index)
    this.amnesias += 1
    this.boot(to)
  }

  #order(machine: Machine, event: Extract<Fault, { kind: 'order' }>): void {
    const plan = machine.core?.view?.().chain.newest?.plan
    if (plan === undefined) return
    const { epoch, clusterId } = plan.header
    const spec = { ...plan.body.spec, controlPlane: event.controlPlane }
    const statement: Statement = { kind: 'spec', networkId, epoch, clusterId, serial: event.serial, spec }
    const signature = this.#operator.crypto.sign('muster/order/1', statement)
    const signed: SignedStatement = { statement, signer: this.#operator.id, signature }
    machine.push({ kind: 'request', requestId: event.serial, request: { kind: 'order', signed } })
  }

  #active(faults: ReadonlyMap<number, number>, index: number): boolean {
    return (faults.get(index) ?? 0) > this.timeline.now
  }

  #tell(word: (watcher: Watcher) => void): void {
    for (const watcher of this.#watchers) word(watcher)
  }
}

/** Every machine is a board of its own: a disk in another one is known. */
function hardwareOf(index: number): BirthRecord {
  return {
    machineId: '',
    productUuid: `board-${index}`,
    macs: [`02:00:00:00:${(index >> 8).toString(16)}:${(index & 255).toString(16)}`],
    diskSerial: `disk-${index}`,
  }
}

function factsOf(index: number) {
  return {
    hostname: `host${index}`,
    machineId: `machine${index}`,
    arch: 'x64',
    cpus: 2,
    memoryMiB: 4_096,
    zone: '',
    roles: ['control-plane', 'worker'] as ('control-plane' | 'worker')[],
    durable: true,
    version: '0',
    k3sVersion: '',
    localNetworks: ['10.77.0.0/16'],
  }
}
