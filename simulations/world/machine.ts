import { persistRetryMs, Turns } from '../../src/agent/turns.ts'
import type { Effect } from '../../src/core/effect.ts'
import type { Input } from '../../src/core/input.ts'
import { invariant } from '../../src/core/model/invariant.ts'
import type { NodeId } from '../../src/core/model/ids.ts'
import type { Write } from '../../src/core/ports.ts'
import type { Timeline } from '../kernel/timeline.ts'
import type { Fault } from '../plan/plan.ts'
import type { Core } from './core.ts'
import type { Disk } from './disk.ts'
import type { Identity } from './identity.ts'

/** Turns without anything new that a core may ask for at one moment. */
const idleTurnsMax = 32

/** A clock that drifts may show a deadline a hair later than it was computed. */
const roundingMs = 0.5

/** A power cut that waits for its effect. */
interface Trap {
  readonly effect: Extract<Fault, { kind: 'crash-at-effect' }>['effect']
  readonly after: boolean
  readonly downMs: number
  count: number
}

/** What a machine asks of the world around it. */
export interface MachineWorld {
  readonly timeline: Timeline
  /** How long a persist takes now; undefined: the disk is full. */
  writeMs(machine: Machine): number | undefined
  /** The power goes, and comes back after so long. */
  cutPower(machine: Machine, why: string, downMs: number): void
  willPersist(machine: Machine, writes: readonly Write[]): void
  persisted(machine: Machine, writes: readonly Write[]): void
  carryOut(machine: Machine, effect: Exclude<Effect, { kind: 'persist' }>): void
  /** After every turn, when its effects are carried out. */
  settled(machine: Machine): void
  /** The core threw. */
  broke(machine: Machine, error: unknown): void
}

/** A clock that only its machine reads: it drifts, and somebody may set it. */
export interface MachineClock {
  readonly rate: number
  offset: number
}

/** One machine: a disk, a clock, and while it has power the agent's loop around a core. */
export class Machine {
  readonly index: number
  readonly disk: Disk
  readonly clock: MachineClock
  readonly #world: MachineWorld
  /** Empty disks so far: the first has life 0. */
  life = 0
  boots = 0
  identity: Identity | undefined
  core: Core | undefined
  #turns: Turns | undefined
  /** Effects of a turn are being carried out, or wait for the disk. */
  #busy = false
  /** What is being written at this moment. */
  #writing: readonly Write[] | undefined
  #pausedUntil = 0
  #wakeAt = Number.POSITIVE_INFINITY
  #spin = { at: -1, times: 0 }
  #traps: Trap[] = []

  constructor(index: number, disk: Disk, clock: MachineClock, world: MachineWorld) {
    this.index = index
    this.disk = disk
    this.clock = clock
    this.#world = world
  }

  /** Identity under which it runs; undefined while it is off. */
  get id(): NodeId | undefined {
    return this.core === undefined ? undefined : this.identity?.id
  }

  get isOn(): boolean {
    return this.core !== undefined
  }

  /** Time on this machine's own clock. */
  localNow(): number {
    return this.#world.timeline.now * this.clock.rate + this.clock.offset
  }

  /** Power on with this core. */
  powerOn(identity: Identity, core: Core): void {
    this.identity = identity
    this.core = core
    this.#turns = new Turns(core)
    this.#busy = false
    this.#wakeAt = Number.POSITIVE_INFINITY
    this.#carryOut(this.#turns.begin(), 0)
  }

  /** Power off: the core and all that was not persisted are gone. */
  powerOff(): void {
    this.core = undefined
    this.#turns = undefined
    this.#writing = undefined
    this.#traps = []
    this.#pausedUntil = 0
  }

  setTrap(trap: Trap): void {
    this.#traps.push({ ...trap })
  }

  pause(until: number): void {
    this.#pausedUntil = Math.max(this.#pausedUntil, until)
    this.#wake(until)
  }

  /** The clock was set: what is due now is done. */
  tick(): void {
    this.#turn()
  }

  /**
   * The power goes now: a persist that is under way leaves the old state or, if `keeps`, the new one. `torn`: in one
   * copy only, and the other one is damaged.
   */
  cutPersist(keeps: boolean, torn: boolean): void {
    if (this.#writing === undefined) return
    if (torn) this.disk.tear(this.#writing, keeps)
    else if (keeps) this.#persist(this.#writing)
  }

  /** Faults end here. */
  heal(): void {
    this.#traps = []
    this.#pausedUntil = 0
    this.#turn()
  }

  /** Something for the core: it is taken in at once, or when the machine comes to it. */
  push(input: Input): void {
    if (this.#turns === undefined) return
    this.#turns.push(input)
    this.#turn()
  }

  /** A look at k3s begins; the returned function takes what was seen and says when to look again. */
  look(): ReturnType<Turns['look']> | undefined {
    const turns = this.#turns
    if (turns === undefined) return undefined
    const seen = turns.look()
    return (observation) => {
      const againMs = seen(observation)
      if (this.#turns === turns) this.#turn()
      return againMs
    }
  }

  stepDone(): void {
    this.#turns?.stepDone()
  }

  #turn(): void {
    const turns = this.#turns
    if (turns === undefined || this.#busy) return
    const { timeline } = this.#world
    if (timeline.now < this.#pausedUntil) return
    const local = this.localNow()
    if (turns.idle && turns.nextDeadline() > local) {
      return this.#wake(Math.max(this.#worldTime(turns.nextDeadline()), timeline.now + roundingMs))
    }
    if (turns.idle) this.#countIdle()
    try {
      this.#carryOut(turns.take(local), 0)
    } catch (error) {
      this.#world.broke(this, error)
    }
  }

  /** A core that wants to be woken again and again at one moment would keep a real processor busy for ever. */
  #countIdle(): void {
    const { now } = this.#world.timeline
    this.#spin = this.#spin.at === now ? { at: now, times: this.#spin.times + 1 } : { at: now, times: 1 }
    invariant(this.#spin.times <= idleTurnsMax, 'the core asks for turns without end')
  }

  /** Effects in order: a persist that takes time holds up all that stand after it. */
  #carryOut(effects: readonly Effect[], from: number): void {
    const { core } = this
    this.#busy = true
    for (let at = from; at < effects.length; at++) {
      const effect = effects[at] as Effect
      if (this.#springs(effect, false)) return
      if (effect.kind === 'persist') {
        this.#world.willPersist(this, effect.writes)
        const writeMs = this.#world.writeMs(this)
        if (writeMs === undefined || writeMs > 0) return this.#resume(effects, at, writeMs)
        this.#persist(effect.writes)
      } else {
        this.#world.carryOut(this, effect)
      }
      if (this.core !== core || this.#springs(effect, true)) return
    }
    this.#busy = false
    this.#world.settled(this)
    if (this.core === core) this.#turnAgain()
  }

  #turnAgain(): void {
    const turns = this.#turns
    if (turns === undefined) return
    if (turns.idle) this.#wake(this.#worldTime(turns.nextDeadline()))
    else this.#world.timeline.after(0, () => this.#turns === turns && this.#turn())
  }

  /** Waits for the disk, then goes on; asks a full disk again. */
  #resume(effects: readonly Effect[], at: number, writeMs: number | undefined): void {
    const { core } = this
    const effect = effects[at]
    this.#writing = writeMs !== undefined && effect?.kind === 'persist' ? effect.writes : undefined
    this.#world.timeline.after(writeMs ?? persistRetryMs, () => {
      if (this.core !== core) return
      if (writeMs === undefined) {
        const nowMs = this.#world.writeMs(this)
        if (nowMs === undefined || nowMs > 0) return this.#resume(effects, at, nowMs)
      }
      if (effect?.kind === 'persist') this.#persist(effect.writes)
      if (effect !== undefined && this.#springs(effect, true)) return
      this.#carryOut(effects, at + 1)
    })
  }

  #persist(writes: readonly Write[]): void {
    this.#writing = undefined
    this.disk.persist(writes, this.#world.timeline.now)
    this.#world.persisted(this, writes)
  }

  #springs(effect: Effect, after: boolean): boolean {
    if (this.#traps.length === 0) return false
    const trap = this.#traps.find((one) => one.effect === effect.kind && one.after === after)
    if (trap === undefined || --trap.count > 0) return false
    this.#traps = this.#traps.filter((one) => one !== trap)
    this.#world.cutPower(this, `${after ? 'after' : 'before'} ${effect.kind}`, trap.downMs)
    return true
  }

  /** Earliest whole millisecond of the world at which this machine's clock shows `local`. */
  #worldTime(local: number): number {
    const at = Math.ceil((local - this.clock.offset) / this.clock.rate)
    return Number.isFinite(at) ? at : Number.POSITIVE_INFINITY
  }

  #wake(at: number): void {
    const { timeline } = this.#world
    const due = Math.max(at, timeline.now)
    if (due === Number.POSITIVE_INFINITY) return
    if (this.#wakeAt <= due && this.#wakeAt >= timeline.now) return
    this.#wakeAt = due
    const turns = this.#turns
    timeline.at(due, () => {
      if (this.#turns !== turns || this.#wakeAt !== due) return
      this.#wakeAt = Number.POSITIVE_INFINITY
      this.#turn()
    })
  }
}
