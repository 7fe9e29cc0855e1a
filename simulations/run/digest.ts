import type { World } from '../world/world.ts'
import type { Watcher } from '../world/watcher.ts'

/** A digest over all that happens, in order: what replays, replays to the same digest. */
export class RunDigest {
  #a = 0x811c9dc5
  #b = 0x01000193
  #count = 0
  readonly #world: () => World

  constructor(world: () => World) {
    this.#world = world
  }

  get count(): number {
    return this.#count
  }

  get text(): string {
    const hex = (word: number): string => (word >>> 0).toString(16).padStart(8, '0')
    return hex(this.#a) + hex(this.#b)
  }

  readonly booted: NonNullable<Watcher['booted']> = (machine) => this.#add('boot', machine.index)
  readonly stopping: NonNullable<Watcher['stopping']> = (machine, why) => this.#add(why, machine.index)
  readonly persisted: NonNullable<Watcher['persisted']> = (machine, writes) =>
    this.#add('persist', machine.index * 64 + writes.length)
  readonly effect: NonNullable<Watcher['effect']> = (machine, effect) => this.#add(effect.kind, machine.index)
  readonly delivered: NonNullable<Watcher['delivered']> = (_serial, from, to, message) =>
    this.#add(message.kind, from.index * 10_007 + to.index)
  readonly dropped: NonNullable<Watcher['dropped']> = (_serial, from, to) =>
    this.#add('drop', from * 10_007 + to)
  readonly k3s: NonNullable<Watcher['k3s']> = (event) => this.#add(event.what, event.machine)

  #add(what: string, number: number): void {
    this.#count += 1
    const time = Math.round(this.#world().timeline.now * 1_000)
    let a = this.#a ^ number
    for (let index = 0; index < what.length; index++) a = Math.imul(a ^ what.charCodeAt(index), 0x01000193)
    a = Math.imul(a ^ (time | 0), 0x85ebca6b)
    this.#a = a ^ (a >>> 13)
    this.#b = (Math.imul(this.#b, 31) + this.#a) | 0
  }
}
