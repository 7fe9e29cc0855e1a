import type { Effect } from '../effect.ts'
import type { Instant, NodeId } from '../model/ids.ts'
import type { Message } from '../model/message.ts'
import type { Write } from '../ports.ts'
import type { NodeInit } from './node-view.ts'
import type { Quarantine } from './quarantine.ts'

/** What all parts of one node share: who it is, what time it is, and where its effects go. */
export interface NodeContext {
  readonly init: NodeInit
  /** The moment of the input that is being handled. It moves between inputs, never within one. */
  readonly moment: { readonly now: Instant }
  readonly outbox: Outbox
  readonly quarantine: Quarantine
}

/**
 * Collects what the parts of a node ask for while one input is handled. `drain` keeps the promise of the
 * order: all that must be durable comes first, in one write.
 */
export class Outbox {
  readonly #self: NodeId
  #writes: Write[] = []
  #effects: Effect[] = []
  #toSelf: Message[] = []

  constructor(self: NodeId) {
    this.#self = self
  }

  persist(...writes: readonly Write[]): void {
    this.#writes.push(...writes)
  }

  /** A message for a peer, or for this node itself: it votes for its own plans by the same words. */
  send(to: NodeId, message: Message): void {
    if (to === this.#self) this.#toSelf.push(message)
    else this.#effects.push({ kind: 'send', to, message })
  }

  /** Ends the talk with a peer that did what no honest one does. */
  cutOff(peer: NodeId, detail: string): void {
    this.push({ kind: 'cut-off', peer, code: 'Garbage', detail })
  }

  event(level: Extract<Effect, { kind: 'event' }>['level'], reason: string, message: string): void {
    this.push({ kind: 'event', level, reason, message })
  }

  push(effect: Exclude<Effect, { kind: 'persist' | 'send' }>): void {
    this.#effects.push(effect)
  }

  /** The messages from this node to itself, once. */
  takeOwn(): readonly Message[] {
    const messages = this.#toSelf
    if (messages.length > 0) this.#toSelf = []
    return messages
  }

  drain(): readonly Effect[] {
    const effects = this.#effects
    this.#effects = []
    if (this.#writes.length === 0) return effects
    const writes = mergeWrites(this.#writes)
    this.#writes = []
    return [{ kind: 'persist', writes }, ...effects]
  }
}

/** Of several puts of one key the last one counts; the chain's records keep their order and come first. */
function mergeWrites(writes: readonly Write[]): readonly Write[] {
  const puts = new Map<string, Write>()
  const appends: Write[] = []
  for (const write of writes) {
    if (write.op === 'append') appends.push(write)
    else puts.set(write.key, write)
  }
  return [...appends, ...puts.values()]
}
