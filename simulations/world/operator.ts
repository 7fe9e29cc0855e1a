import { assignmentOf } from '../../src/core/model/plan.ts'
import type { ClusterSpec } from '../../src/core/model/spec.ts'
import type { Timeline } from '../kernel/timeline.ts'
import type { Identity } from './identity.ts'
import type { Machine } from './machine.ts'
import { specOrder } from './wishes.ts'

/** Whoever asked a machine to leave looks so often whether it has answered, and whether it is out. */
const lookMs = 2_000
/** Number of the request to leave. */
const leaveRequest = 1_000_000

/** The person behind a site: holds the operator key, and is root on every machine. */
export class Operator {
  readonly #identity: Identity
  readonly #timeline: Timeline
  readonly #switchOff: (machine: Machine) => void
  /** Machines that were allowed to leave for good: the cluster owes them nothing any more. */
  readonly leaving = new Set<number>()
  /** Who was asked to leave, and has not answered. */
  readonly #asked = new Map<Machine, Identity>()

  constructor(identity: Identity, timeline: Timeline, switchOff: (machine: Machine) => void) {
    this.#identity = identity
    this.#timeline = timeline
    this.#switchOff = switchOff
  }

  get key(): string {
    return this.#identity.id
  }

  /** Orders another size of the control plane, on this machine. */
  order(machine: Machine, serial: number, controlPlane: number): void {
    const spec = machine.core?.glance?.().chain.newest?.plan.body.spec
    if (spec !== undefined) this.orderSpec(machine, { serial, spec: { ...spec, controlPlane } })
  }

  /** Orders another spec, on this machine. */
  orderSpec(machine: Machine, order: { readonly serial: number; readonly spec: ClusterSpec }): void {
    const plan = machine.core?.glance?.().chain.newest?.plan
    if (plan === undefined) return
    const signed = specOrder(plan, this.#identity, order)
    machine.push({ kind: 'request', requestId: order.serial, request: { kind: 'order', signed } })
  }

  /** Asks a machine that is on to leave, and asks again where a crash took the answer. */
  askToLeave(machine: Machine): void {
    const { identity } = machine
    if (!machine.isOn || identity === undefined) return
    this.#asked.set(machine, identity)
    const ask = (): void => {
      if (this.#asked.get(machine) !== identity || machine.identity !== identity) return
      machine.push({
        kind: 'request',
        requestId: leaveRequest,
        request: { kind: 'leave', cancel: false },
      })
      this.#timeline.after(lookMs, ask)
    }
    ask()
  }

  /** What a machine answered to whatever it was asked. */
  answered(machine: Machine, requestId: number, accepted: boolean): void {
    if (requestId !== leaveRequest) return
    this.#asked.delete(machine)
    if (!accepted || this.leaving.has(machine.index)) return
    this.leaving.add(machine.index)
    this.#seeOff(machine)
  }

  /** The machine's disk is empty: who was leaving is somebody else now. */
  forget(machine: Machine): void {
    this.leaving.delete(machine.index)
    this.#asked.delete(machine)
  }

  /** Waits until the plan no longer has the machine, and switches it off for good. */
  #seeOff(machine: Machine): void {
    const look = (): void => {
      if (!this.leaving.has(machine.index)) return
      const plan = machine.core?.glance?.().chain.newest?.plan
      const id = machine.identity?.id
      if (plan === undefined || id === undefined || assignmentOf(plan.body, id) !== undefined)
        return this.#timeline.after(lookMs, look)
      this.#switchOff(machine)
    }
    this.#timeline.after(lookMs, look)
  }
}
