import type { CertifiedHeader } from '../../src/core/model/plan.ts'
import { planHash } from '../../src/core/model/plan-hash.ts'
import type { Message } from '../../src/core/model/message.ts'
import type { Plan } from '../plan/plan.ts'
import type { Machine } from '../world/machine.ts'
import type { World } from '../world/world.ts'
import type { Watcher } from '../world/watcher.ts'
import type { Violation } from './result.ts'
import type { NodeSnapshot, Trace, TraceEvent } from './trace.ts'

/** Events of one trace; the first ones are kept. */
const eventsMax = 200_000

/** A trace event without its time. */
type Untimed<E> = E extends { readonly at: number } ? Omit<E, 'at'> : never

/** Writes down what happens, for a picture. */
export class Recorder {
  readonly #plan: Plan
  readonly #world: () => World
  readonly #events: TraceEvent[] = []
  readonly #said = new Map<number, string>()
  #truncated = false

  constructor(plan: Plan, world: () => World) {
    this.#plan = plan
    this.#world = world
  }

  trace(): Trace {
    return {
      plan: this.#plan,
      endMs: this.#world().timeline.now,
      events: this.#events,
      truncated: this.#truncated,
    }
  }

  violated({ node, invariant, text }: Violation): void {
    this.#push({ kind: 'violation', node, invariant, text })
  }

  readonly booted: NonNullable<Watcher['booted']> = (machine) =>
    this.#push({ kind: 'boot', node: machine.index, id: machine.identity?.id ?? '', boots: machine.boots })

  readonly stopping: NonNullable<Watcher['stopping']> = (machine, why) => {
    this.#said.delete(machine.index)
    this.#push({ kind: 'crash', node: machine.index, why })
  }

  readonly sent: NonNullable<Watcher['sent']> = (message, from, to, body) =>
    this.#push({
      kind: 'send',
      message,
      from: from.index,
      to: to.index,
      type: body.kind,
      text: wordsFor(body),
    })

  readonly delivered: NonNullable<Watcher['delivered']> = (message, from, to) =>
    this.#push({ kind: 'delivery', message, from: from.index, to: to.index })

  readonly dropped: NonNullable<Watcher['dropped']> = (message, _from, _to, why) =>
    this.#push({ kind: 'drop', message, why })

  readonly persisted: NonNullable<Watcher['persisted']> = (machine, writes) => {
    const keys = writes.map((write) => (write.op === 'put' ? write.key : write.log))
    this.#push({ kind: 'persist', node: machine.index, keys })
    for (const write of writes) {
      if (write.op !== 'append' || machine.identity === undefined) continue
      const { header } = write.value as CertifiedHeader
      const { clusterId, generation, phase } = header
      const hash = planHash(header, machine.identity.crypto)
      this.#push({ kind: 'adoption', node: machine.index, clusterId, generation, phase, hash })
    }
  }

  readonly effect: NonNullable<Watcher['effect']> = (machine, effect) => {
    if (effect.kind !== 'event') return
    const { level, reason, message } = effect
    this.#push({ kind: 'log', node: machine.index, level, reason, message })
  }

  readonly k3s: NonNullable<Watcher['k3s']> = (event) =>
    this.#push({ kind: 'k3s', node: event.machine, what: event.what, detail: event.detail })

  readonly fault: NonNullable<Watcher['fault']> = (fault) => {
    const until = this.#world().timeline.now + ('forMs' in fault ? fault.forMs : 0)
    if (fault.kind === 'cut' || fault.kind === 'clog') {
      const how = fault.kind === 'clog' ? 'clog' : fault.oneWay ? 'one-way' : 'partition'
      return this.#push({ kind: 'partition', how, groups: [fault.from, fault.to], until })
    }
    if (fault.kind === 'corrupt' || fault.kind === 'echo') {
      return this.#push({ kind: 'fault', what: fault.kind, nodes: fault.from, text: JSON.stringify(fault) })
    }
    if (fault.kind === 'pause') this.#push({ kind: 'pause', node: fault.node, until })
    this.#push({ kind: 'fault', what: fault.kind, nodes: [fault.node], text: JSON.stringify(fault) })
  }

  readonly healed: NonNullable<Watcher['healed']> = (core) => this.#push({ kind: 'healed', core })

  readonly settled: NonNullable<Watcher['settled']> = (machine) => {
    const state = this.#snapshot(machine)
    if (state === undefined) return
    const text = JSON.stringify(state)
    if (this.#said.get(machine.index) === text) return
    this.#said.set(machine.index, text)
    this.#push({ kind: 'phase', node: machine.index, phase: state.phase, note: state.note })
    this.#push({ kind: 'snapshot', node: machine.index, state })
  }

  #snapshot(machine: Machine): NodeSnapshot | undefined {
    const view = machine.core?.view?.()
    if (view === undefined) return undefined
    const { machines } = this.#world()
    const header = view.chain.newest?.plan.header
    const indexOf = (id: string | undefined): number | undefined =>
      machines.find((one) => one.id === id)?.index
    return {
      phase: view.own.phase,
      note: view.own.note,
      clusterId: header?.clusterId ?? '',
      generation: header?.generation ?? -1,
      planPhase: header?.phase ?? '',
      leader: view.consensus.leader === undefined ? undefined : indexOf(view.consensus.leader),
      connected: view.connected.flatMap((id) => indexOf(id) ?? []),
      seen: view.seen.length,
      etcd: view.k3sObservation?.members?.length ?? 0,
    }
  }

  #push(event: Untimed<TraceEvent>): void {
    if (this.#events.length >= eventsMax) {
      this.#truncated = true
      return
    }
    this.#events.push({ at: this.#world().timeline.now, ...event })
  }
}

function wordsFor(message: Message): string {
  switch (message.kind) {
    case 'prepare':
    case 'promise':
    case 'accept':
      return `generation ${message.generation}, ballot ${message.ballot.number}`
    case 'propose':
      return `generation ${message.plan.header.generation}, ballot ${message.ballot.number}: ${message.plan.header.phase}`
    case 'refuse':
      return message.reason
    case 'statement':
      return message.signed.statement.kind
    case 'plan-announce':
      return `generation ${message.generation}`
    default:
      return ''
  }
}
