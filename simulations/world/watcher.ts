import type { Effect } from '../../src/core/effect.ts'
import type { K3sStep } from '../../src/core/k3s/types.ts'
import type { NodeId } from '../../src/core/model/ids.ts'
import type { Message } from '../../src/core/model/message.ts'
import type { RefusalCode, Write } from '../../src/core/ports.ts'
import type { Fault } from '../plan/plan.ts'
import type { K3sEvent } from './k3s-parts.ts'
import type { Machine } from './machine.ts'

/** Whoever watches the world: checkers, coverage, traces, digests. Called at the moment of the event. */
export interface Watcher {
  /** Power is on: the disk is as the start finds it, and the core has done nothing yet. */
  booting?(machine: Machine): void
  booted?(machine: Machine): void
  /** Just before the power goes. */
  stopping?(machine: Machine, why: string): void
  /** A persist is about to be carried out: the disk still holds the old state. */
  persisting?(machine: Machine, writes: readonly Write[]): void
  persisted?(machine: Machine, writes: readonly Write[]): void
  effect?(machine: Machine, effect: Effect): void
  sent?(serial: number, from: Machine, to: Machine, message: Message): void
  delivered?(serial: number, from: Machine, to: Machine, message: Message): void
  dropped?(serial: number, from: number, to: number, why: string): void
  /** A machine turns a peer away: for its version, or for a frame that was none. */
  refused?(machine: Machine, peer: NodeId, code: RefusalCode): void
  /** A machine has carried out all effects of a turn. */
  settled?(machine: Machine): void
  /** A step of k3s is about to be carried out on this machine. */
  stepping?(machine: Machine, step: K3sStep): void
  k3s?(event: K3sEvent): void
  fault?(event: Fault): void
  healed?(core: readonly number[]): void
  broke?(machine: Machine, error: unknown): void
}

/**
 * Many watchers as one, told in order. Each of them watches few things: what nobody watches costs nothing, and the others
 * are not asked.
 */
export function together(watchers: readonly Watcher[]): Required<Watcher> {
  const all = <K extends keyof Watcher>(name: K): NonNullable<Watcher[K]>[] =>
    watchers.flatMap((watcher) => {
      const told = watcher[name]
      return told === undefined ? [] : [told.bind(watcher) as NonNullable<Watcher[K]>]
    })
  const booting = all('booting')
  const booted = all('booted')
  const stopping = all('stopping')
  const persisting = all('persisting')
  const persisted = all('persisted')
  const effect = all('effect')
  const sent = all('sent')
  const delivered = all('delivered')
  const dropped = all('dropped')
  const refused = all('refused')
  const settled = all('settled')
  const stepping = all('stepping')
  const k3s = all('k3s')
  const fault = all('fault')
  const healed = all('healed')
  const broke = all('broke')
  return {
    booting: (machine) => {
      for (const tell of booting) tell(machine)
    },
    booted: (machine) => {
      for (const tell of booted) tell(machine)
    },
    stopping: (machine, why) => {
      for (const tell of stopping) tell(machine, why)
    },
    persisting: (machine, writes) => {
      for (const tell of persisting) tell(machine, writes)
    },
    persisted: (machine, writes) => {
      for (const tell of persisted) tell(machine, writes)
    },
    effect: (machine, what) => {
      for (const tell of effect) tell(machine, what)
    },
    sent: (serial, from, to, message) => {
      for (const tell of sent) tell(serial, from, to, message)
    },
    delivered: (serial, from, to, message) => {
      for (const tell of delivered) tell(serial, from, to, message)
    },
    dropped: (serial, from, to, why) => {
      for (const tell of dropped) tell(serial, from, to, why)
    },
    refused: (machine, peer, code) => {
      for (const tell of refused) tell(machine, peer, code)
    },
    settled: (machine) => {
      for (const tell of settled) tell(machine)
    },
    stepping: (machine, step) => {
      for (const tell of stepping) tell(machine, step)
    },
    k3s: (event) => {
      for (const tell of k3s) tell(event)
    },
    fault: (event) => {
      for (const tell of fault) tell(event)
    },
    healed: (core) => {
      for (const tell of healed) tell(core)
    },
    broke: (machine, error) => {
      for (const tell of broke) tell(machine, error)
    },
  }
}
