import { EventHeap } from './heap.ts'

/** Virtual time: what is planned runs in order of time, and at one moment in the order of planning. */
export class Timeline {
  readonly #heap = new EventHeap()
  readonly #jobs: ((() => void) | undefined)[] = []
  readonly #free: number[] = []
  #order = 0
  #count = 0
  now = 0

  /** How many jobs ran. */
  get count(): number {
    return this.#count
  }

  /** Runs a job at this moment; at once, but after what was planned for now, if the moment has passed. */
  at(time: number, job: () => void): void {
    const slot = this.#free.pop() ?? this.#jobs.length
    this.#jobs[slot] = job
    this.#heap.push(Math.max(time, this.now), this.#order++, slot)
  }

  after(ms: number, job: () => void): void {
    this.at(this.now + ms, job)
  }

  /** Runs the next job that is due until `end`; false when there is none. */
  step(end: number): boolean {
    const time = this.#heap.nextTime
    if (time > end) {
      this.now = Math.max(this.now, Math.min(end, time))
      return false
    }
    const slot = this.#heap.pop()
    const job = this.#jobs[slot] as () => void
    this.#jobs[slot] = undefined
    this.#free.push(slot)
    this.now = time
    this.#count += 1
    job()
    return true
  }
}
