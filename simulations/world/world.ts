import { birthDigest } from '../../src/core/identity/birth.ts'
import { nextBoot } from '../../src/core/identity/boot.ts'
import { decideIdentity } from '../../src/core/identity/clone.ts'
import type { Effect } from '../../src/core/effect.ts'
import type { K3sStep } from '../../src/core/k3s/types.ts'
import type { Message } from '../../src/core/model/message.ts'
import { assignmentOf } from '../../src/core/model/plan.ts'
import type { BootstrapSetting, ClusterSpec } from '../../src/core/model/spec.ts'
import { ClusterNode } from '../../src/core/node.ts'
import { seedBytes, stream } from '../kernel/streams.ts'
import { Timeline } from '../kernel/timeline.ts'
import type { Fault, Plan } from '../plan/plan.ts'
import type { CoreFactory } from './core.ts'
import { Disk } from './disk.ts'
import { factsOf, hardwareOf, networkId } from './hardware.ts'
import { makeIdentity, makeOperator } from './identity.ts'
import { K3sSite } from './k3s.ts'
import { doubleVotes, Liar } from './liar.ts'
import type { MachineWorld } from './machine.ts'
import { Machine } from './machine.ts'
import type { Trouble } from './spells.ts'
import { Spells } from './spells.ts'
import type { Watcher } from './watcher.ts'
import { together } from './watcher.ts'
import type { LinkFault } from './network.ts'
import { SimulatedNetwork } from './network.ts'
import { Operator } from './operator.ts'
import { bootstrapOf, specOf } from './wishes.ts'

/** A step of k3s takes so long. */
const stepMs = 300
/** A look at k3s takes so long. */
const lookMs = 20
/** Between an agent's goodbye and its end. */
const goodbyeMs = 10
/** The overlay's device comes up in this time. */
const overlayMs = 50

/** An upgrade of an agent takes so long where nobody says otherwise. */
const upgradeMs = 500
/** etcd's leader looks for learners to promote so often (k3s: 15 s; shorter, as the timers of a simulated site are). */
const promoteMs = 3_000
/** Clocks begin anywhere within this. */
const clockOffsetMs = 100_000

/** Everything of a site but who judges it: machines, network, disks, clocks, k3s, and the faults of the plan. */
export class World {
  readonly plan: Plan
  readonly timeline = new Timeline()
  readonly machines: readonly Machine[]
  readonly network: SimulatedNetwork
  readonly k3s: K3sSite
  readonly operator: Operator
  readonly #watch: Required<Watcher>
  readonly #makeCore: CoreFactory
  readonly #spec: ClusterSpec
  readonly #bootstrap: BootstrapSetting
  readonly #diskRandom
  readonly #spells = new Spells()
  readonly #liars = new Map<number, { until: number; liar: Liar }>()
  readonly #k3sRandom
  readonly #versions: number[]
  #nextCopy: number
  #healed = false
  /** Identities that ever had power, in order of their first start. */
  readonly identities = new Map<string, number>()
  /** Disks that were put back to an older state, or copied with their identity, and members that vote twice. */
  amnesias = 0
  /** Machines that led a ballot and showed some another plan than the rest. */
  readonly lyingProposers = new Set<number>()
  /** Machines that forged votes: whoever caught them listens to them no more until it restarts. */
  readonly distrusted = new Set<number>()

  constructor(
    plan: Plan,
    watchers: readonly Watcher[],
    makeCore: CoreFactory = (init) => new ClusterNode(init),
  ) {
    this.plan = plan
    this.#watch = together(watchers)
    this.#makeCore = makeCore
    this.operator = new Operator(makeOperator(plan), this.timeline, (machine) =>
      this.powerOff(machine, 'left the cluster', undefined),
    )
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
    this.#versions = this.machines.map(({ index }) => plan.versions?.[index] ?? 1)
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
        version: () => this.#versions[machine.index] ?? 1,
        receive: (event) => machine.push(event),
      })),
      {
        sent: (serial, from, to, message) =>
          this.#watch.sent(serial, machines[from] as Machine, machines[to] as Machine, message),
        delivered: (serial, from, to, message) => {
          if (this.#liars.size > 0) this.#liars.get(to)?.liar.hear(message)
          this.#watch.delivered(serial, machines[from] as Machine, machines[to] as Machine, message)
        },
        dropped: (serial, from, to, why) => this.#watch.dropped(serial, from, to, why),
        refused: (index, peer, code) => this.#watch.refused(machines[index] as Machine, peer, code),
      },
    )
    this.k3s = new K3sSite({
      timeline: this.timeline,
      random: stream(plan.seed, 'k3s'),
      startMs: plan.k3s.startMs,
      promoteMs,
      powered: (index) => this.machines[index]?.isOn ?? false,
      reaches: (a, b) => this.network.reaches(a, b),
      hangs: (index) => this.#has('k3s hangs', index),
      addressOf: (index) => this.#addressOf(index),
      tell: (event) => this.#watch.k3s(event),
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
    const version = Math.max(...core.map((index) => this.#versions[index] ?? 1))
    for (const index of core) {
      this.#spells.end(index)
      this.#liars.delete(index)
      const machine = this.machines[index] as Machine
      if (machine.isOn) machine.heal()
      else this.boot(machine)
      if (this.#versions[index] !== version) this.#upgrade(machine, version, upgradeMs)
    }
    this.#watch.healed(core)
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
    this.#watch.booting(machine)
    try {
      const core = this.#makeCore(
        {
          self: identity.id,
          crypto: identity.crypto,
          networkId,
          prefix6: 'fd00:1:2:3::/64',
          operatorKey: this.operator.key,
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
    this.#watch.booted(machine)
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
    this.#watch.stopping(machine, why)
    this.k3s.powerOff(machine.index)
    this.network.stopped(machine.index, why === 'orderly')
    machine.powerOff()
    machine.boots += 1
    if (downMs !== undefined) this.#bootAfter(machine, downMs)
  }

  /** Power on after a while, unless somebody has switched it on, and perhaps off again, in between. */
  #bootAfter(machine: Machine, downMs: number): void {
    const { boots } = machine
    this.timeline.after(downMs, () => {
      if (machine.boots === boots) this.boot(machine)
    })
  }

  #machineWorld(): MachineWorld {
    return {
      timeline: this.timeline,
      writeMs: (machine) => this.#writeMs(machine.index),
      cutPower: (machine, why, downMs) => this.powerOff(machine, why, downMs),
      willPersist: (machine, writes) => this.#watch.persisting(machine, writes),
      persisted: (machine, writes) => this.#watch.persisted(machine, writes),
      carryOut: (machine, effect) => this.#carryOut(machine, effect),
      settled: (machine) => this.#watch.settled(machine),
      broke: (machine, error) => this.#broke(machine, error),
    }
  }

  #broke(machine: Machine, error: unknown): void {
    this.#watch.broke(machine, error)
    this.powerOff(machine, 'the core threw', 1_000)
  }

  #writeMs(index: number): number | undefined {
    if (this.#has('full disk', index)) return undefined
    const slow = this.#spells.now('slow disk', index, this.timeline.now)
    if (slow !== undefined) return slow
    const [low, high] = this.plan.disk.syncMs
    return high === 0 ? 0 : this.#diskRandom.between(low, high)
  }

  #carryOut(machine: Machine, effect: Exclude<Effect, { kind: 'persist' }>): void {
    this.#watch.effect(machine, effect)
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
      case 'answer':
        return this.operator.answered(machine, effect.requestId, effect.answer.accepted)
      case 'pace':
      case 'event':
    }
  }

  #send(machine: Machine, to: string, message: Message): void {
    const lie = this.#liars.get(machine.index)
    // It is the member that lies: after a wipe the machine is another one.
    const isLie = lie !== undefined && lie.until > this.timeline.now && lie.liar.id === machine.identity?.id
    if (!isLie) return this.network.send(machine.index, to, message)
    if (message.kind === 'propose' && doubleVotes.has(lie.liar.how)) this.lyingProposers.add(machine.index)
    const raw = lie.liar.how === 'newer'
    for (const twisted of lie.liar.twist(to, message)) this.network.send(machine.index, to, twisted, raw)
  }

  #step(machine: Machine, step: K3sStep): void {
    const { core } = machine
    this.#watch.stepping(machine, step)
    this.timeline.after(stepMs, () => {
      // A step that a power cut ends was carried out, or not: the core must be right in both cases.
      if (machine.core !== core) return
      const { failure, lostReply } = this.#healed ? { failure: 0, lostReply: 0 } : this.plan.k3s
      const [first, second] = [this.#k3sRandom.unit(), this.#k3sRandom.unit()]
      const fails = first < failure || this.#has('k3s fails', machine.index)
      const result = fails
        ? { kind: 'failed' as const, step: step.kind, detail: 'failed on purpose' }
        : this.k3s.run(machine.index, step)
      const lost = second < lostReply || this.#has('k3s loses replies', machine.index)
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
    this.#bootAfter(machine, 1_000)
  }

  #addressOf(index: number): string {
    const machine = this.machines[index]
    const plan = machine?.core?.glance?.().chain.newest?.plan
    if (plan === undefined || machine?.identity === undefined) return `host${index}`
    return assignmentOf(plan.body, machine.identity.id)?.address4 ?? `host${index}`
  }

  // Faults

  #happen(fault: Fault): void {
    if (this.#healed && fault.kind !== 'order') return
    if ('from' in fault) this.network.strike(fault)
    else {
      const machine = this.machines[fault.node]
      if (machine === undefined || fault.node >= this.plan.nodes) return
      this.#happenTo(machine, fault)
    }
    this.#watch.fault(fault)
  }

  #happenTo(machine: Machine, fault: Exclude<Fault, LinkFault>): void {
    const { now } = this.timeline
    const { index } = machine
    switch (fault.kind) {
      case 'power-cut':
        // A persist that is under way is cut as well: what it leaves is the old state or the new one.
        machine.cutPersist(fault.keeps, fault.torn === true)
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
          this.operator.forget(machine)
          this.distrusted.delete(index)
        })
      case 'k3s-wipe':
        return this.#whileOff(machine, 'k3s data deleted', fault.forMs, () => this.k3s.wipe(index))
      case 'upgrade':
        return this.#upgrade(machine, fault.version, fault.forMs)
      case 'leave':
        return this.operator.askToLeave(machine)
      case 'bit-rot':
        return this.#whileOff(machine, 'bit rot', fault.forMs, () => machine.disk.rot(fault.copies))
      case 'rollback':
        return this.#whileOff(machine, 'rolled back', fault.forMs, () => {
          if (machine.disk.rollBack(now - fault.backMs)) this.amnesias += 1
        })
      case 'clone':
        return this.#clone(machine)
      case 'slow-disk':
        return this.#spells.begin('slow disk', index, now + fault.forMs, fault.syncMs)
      case 'full-disk':
        return this.#spells.begin('full disk', index, now + fault.forMs)
      case 'clock-jump':
        machine.clock.offset += fault.byMs
        return machine.tick()
      case 'lie': {
        if (machine.identity === undefined) return
        const { id: self, crypto } = machine.identity
        const liar = new Liar({ self, crypto, random: stream(this.plan.seed, `liar/${index}`) }, fault.how)
        if (doubleVotes.has(fault.how)) this.amnesias += 1
        if (fault.how === 'forge') this.distrusted.add(index)
        this.#liars.set(index, { until: now + fault.forMs, liar })
        return
      }
      case 'k3s-hang':
        return this.#spells.begin('k3s hangs', index, now + fault.forMs)
      case 'k3s-failure':
        return this.#spells.begin('k3s fails', index, now + fault.forMs)
      case 'k3s-lost-reply':
        return this.#spells.begin('k3s loses replies', index, now + fault.forMs)
      case 'order':
        return this.operator.order(machine, fault.serial, fault.controlPlane)
    }
  }

  /** Power off, something happens to the disk, power on. A machine that never ran has nothing to lose. */
  #whileOff(machine: Machine, why: string, downMs: number, work: () => void): void {
    if (machine.identity === undefined) return
    this.powerOff(machine, why, undefined)
    work()
    this.#bootAfter(machine, downMs)
  }

  #upgrade(machine: Machine, version: number, downMs: number): void {
    this.#versions[machine.index] = version
    this.powerOff(machine, 'upgraded', downMs)
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

  #has(trouble: Trouble, index: number): boolean {
    return this.#spells.now(trouble, index, this.timeline.now) !== undefined
  }
}
