/**
 * A binary heap of things that will happen, ordered by time and then by the order in which they were put in.
 * Times, orders and slots are typed arrays: the heap moves numbers only, and the items stay where they are.
 */
export class EventQueue<T> {
  #times = new Float64Array(64)
  #orders = new Float64Array(64)
  #slots = new Int32Array(64)
  #size = 0
  #order = 0
  readonly #items: (T | undefined)[] = []
  readonly #free: number[] = []

  get size(): number {
    return this.#size
  }

  /** Time of the next event, in milliseconds; infinity when there is none. */
  get nextAt(): number {
    return this.#size === 0 ? Number.POSITIVE_INFINITY : (this.#times[0] as number)
  }

  push(at: number, item: T): void {
    if (this.#size === this.#times.length) this.#grow()
    const slot = this.#free.pop() ?? this.#items.length
    this.#items[slot] = item
    this.#rise(this.#size++, at, this.#order++, slot)
  }

  /** Takes the next event out. Throws where there is none: ask `size` before. */
  pop(): T {
    if (this.#size === 0) throw new RangeError('no event is left')
    const slot = this.#slots[0] as number
    const item = this.#items[slot] as T
    this.#items[slot] = undefined
    this.#free.push(slot)
    const last = --this.#size
    if (last > 0) {
      this.#sink(this.#times[last] as number, this.#orders[last] as number, this.#slots[last] as number)
    }
    return item
  }

  #rise(from: number, at: number, order: number, slot: number): void {
    let place = from
    while (place > 0) {
      const parent = (place - 1) >> 1
      if (!this.#isBefore(at, order, parent)) break
      this.#copy(parent, place)
      place = parent
    }
    this.#set(place, at, order, slot)
  }

  #sink(at: number, order: number, slot: number): void {
    let place = 0
    for (;;) {
      let child = 2 * place + 1
      if (child >= this.#size) break
      const right = child + 1
      if (
        right < this.#size &&
        this.#isBefore(this.#times[right] as number, this.#orders[right] as number, child)
      ) {
        child = right
      }
      if (this.#isBefore(at, order, child)) break
      this.#copy(child, place)
      place = child
    }
    this.#set(place, at, order, slot)
  }

  #isBefore(at: number, order: number, place: number): boolean {
    const other = this.#times[place] as number
    return at < other || (at === other && order < (this.#orders[place] as number))
  }

  #copy(from: number, to: number): void {
    this.#set(to, this.#times[from] as number, this.#orders[from] as number, this.#slots[from] as number)
  }

  #set(place: number, at: number, order: number, slot: number): void {
    this.#times[place] = at
    this.#orders[place] = order
    this.#slots[place] = slot
  }

  #grow(): void {
    const times = new Float64Array(this.#times.length * 2)
    const orders = new Float64Array(times.length)
    const slots = new Int32Array(times.length)
    times.set(this.#times)
    orders.set(this.#orders)
    slots.set(this.#slots)
    this.#times = times
    this.#orders = orders
    this.#slots = slots
  }
}
