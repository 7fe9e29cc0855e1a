import type { Effect } from '../core/effect.ts'
import type { Input } from '../core/input.ts'
import type { Instant } from '../core/model/ids.ts'
import { inputQueueMax } from '../core/model/limits.ts'
import type { ClusterNode } from '../core/node.ts'
import type { K3sObservation } from '../core/k3s/types.ts'

/** k3s is looked at so often while something is under way, and when all is well. */
const observeIntervalMs = { moving: 1_000, ready: 5_000 }

/** After a look at k3s at least so many times its own length passes before the next. */
export const lookRestFactor = 4

/** The overlay's state is read so often. */
export const overlayIntervalMs = 2_000

/** A store that cannot write is tried again after this; meanwhile nothing is said and nothing is done. */
export const persistRetryMs = 2_000

/** What the loop drives: the node, as far as inputs, effects and time go. */
export type TurnTaker = Pick<ClusterNode, 'handle' | 'drain' | 'nextDeadline' | 'generation'>

/**
 * The agent's loop without its waiting: what comes in is queued, and a turn hands all of it to the core. The
 * daemon drives it with real time and real adapters, the simulator with virtual ones; both carry out the effects
 * of a turn, in order and to the end, before the next turn.
 */
export class Turns {
  readonly #node: TurnTaker
  readonly #queue: Input[] = []
  #stepsDone = 0
  #count = 0

  constructor(node: TurnTaker) {
    this.#node = node
  }

  /** How many turns there were: a watchdog sees that the loop lives. */
  get count(): number {
    return this.#count
  }

  /** Whether nothing waits to be taken in. */
  get idle(): boolean {
    return this.#queue.length === 0
  }

  /** Queues an input. Messages are repeated by design and may be dropped; what this machine reports may not. */
  push(input: Input): void {
    if (input.kind === 'message' && this.#queue.length >= inputQueueMax) return
    this.#queue.push(input)
  }

  /** What the construction of the node asks for: the raised boot counter is on disk before a word. */
  begin(): readonly Effect[] {
    return this.#node.drain()
  }

  /** Takes everything in, and the deadline if it has passed. The effects are to be carried out in order. */
  take(now: Instant): readonly Effect[] {
    for (const input of this.#queue.splice(0)) this.#node.handle(input, now)
    if (this.#node.nextDeadline() <= now) this.#node.handle({ kind: 'deadline' }, now)
    this.#count += 1
    return this.#node.drain()
  }

  /** When the next turn is wanted although nothing came in. */
  nextDeadline(): Instant {
    return this.#node.nextDeadline()
  }

  /** A step of k3s has ended. */
  stepDone(): void {
    this.#stepsDone += 1
  }

  /**
   * A look at k3s begins. The returned function takes what was seen: an observation that is older than the end
   * of a step says nothing about afterwards, and is dropped. It answers when to look again, in milliseconds.
   */
  look(): (observation: K3sObservation) => number {
    const stepsDone = this.#stepsDone
    const { generation } = this.#node
    return (observation) => {
      if (stepsDone === this.#stepsDone) this.push({ kind: 'k3s-observed', observation, generation })
      return observation.ready ? observeIntervalMs.ready : observeIntervalMs.moving
    }
  }

  /** When to look again after a look that failed, in milliseconds. */
  get lookAgainMs(): number {
    return observeIntervalMs.moving
  }
}
