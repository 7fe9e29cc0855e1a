import type { Effect } from '../../src/core/effect.ts'
import type { K3sStep } from '../../src/core/k3s/types.ts'
import type { Message } from '../../src/core/model/message.ts'
import type { Write } from '../../src/core/ports.ts'
import type { Fault } from '../plan/plan.ts'
import type { K3sEvent } from './k3s-parts.ts'
import type { Machine } from './machine.ts'

/** Whoever watches the world: checkers, coverage, traces, digests. Called at the moment of the event. */
export interface Watcher {
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
  /** A machine has carried out all effects of a turn. */
  settled?(machine: Machine): void
  /** A step of k3s is about to be carried out on this machine. */
  stepping?(machine: Machine, step: K3sStep): void
  k3s?(event: K3sEvent): void
  fault?(event: Fault): void
  healed?(core: readonly number[]): void
  broke?(machine: Machine, error: unknown): void
}
