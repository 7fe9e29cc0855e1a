/**
 * A binary heap over typed arrays: what is due next, by time and then by the order in which it was planned. It holds
 * numbers of slots, not objects, so that a million events cost no garbage.
 */
export class EventHeap {
  #times = new Float64Array(256)
  #orders = new Float64Array(256)
  #slots = new Int32Array(256)
  #size = 0

  get size(): number {
    return this.#size
  }

  /** When the next one is due; infinity when there is none. */
  get nextTime(): number {
    return this.#size === 0 ? Number.POSITIVE_INFINITY : (this.#times[0] as number)
  }

  push(time: number, order: number, slot: number): void {
    if (this.#size === this.#times.length) this.#grow()
    const times = this.#times
    const orders = this.#orders
    const slots = this.#slots
    let at = this.#size++
    while (at > 0) {
      const parent = (at - 1) >> 1
      const parentTime = times[parent] as number
      if (parentTime < time || (parentTime === time && (orders[parent] as number) < order)) break
      times[at] = parentTime
      orders[at] = orders[parent] as number
      slots[at] = slots[parent] as number
      at = parent
    }
    times[at] = time
    orders[at] = order
    slots[at] = slot
  }

  /** Takes the next one out. Slot -1: the heap is empty. */
  pop(): number {
    if (this.#size === 0) return -1
    const times = this.#times
    const orders = this.#orders
    const slots = this.#slots
    const top = slots[0] as number
    const last = --this.#size
    const time = times[last] as number
    const order = orders[last] as number
    const slot = slots[last] as number
    let at = 0
    for (;;) {
      let child = 2 * at + 1
      if (child >= last) break
      const right = child + 1
      if (right < last && this.#isBefore(right, child)) child = right
      const childTime = times[child] as number
      if (time < childTime || (time === childTime && order < (orders[child] as number))) break
      times[at] = childTime
      orders[at] = orders[child] as number
      slots[at] = slots[child] as number
      at = child
    }
    times[at] = time
    orders[at] = order
    slots[at] = slot
    return top
  }

  #isBefore(a: number, b: number): boolean {
    const difference = (this.#times[a] as number) - (this.#times[b] as number)
    return difference < 0 || (difference === 0 && (this.#orders[a] as number) < (this.#orders[b] as number))
  }

  #grow(): void {
    const size = this.#times.length * 2
    const times = new Float64Array(size)
    const orders = new Float64Array(size)
    const slots = new Int32Array(size)
    times.set(this.#times)
    orders.set(this.#orders)
    slots.set(this.#slots)
    this.#times = times
    this.#orders = orders
    this.#slots = slots
  }
}
