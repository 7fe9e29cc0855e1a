// Programs on a disk are lists of named steps: shown as progress, and put into another order by the tests that must notice it.

/** One step. Each may be run again after it was cut short. */
export interface Step {
  readonly name: string
  /** In plain words, for the console. */
  readonly title: string
  run(): Promise<void>
}

/** Where a program is. */
export interface Progress {
  readonly step: string
  readonly title: string
  readonly number: number
  readonly of: number
  /** Bytes that this step has moved; undefined when the step begins. */
  readonly bytes?: number
}

export type OnProgress = (progress: Progress) => void

/** Runs steps one after the other. `moved` is what a step calls for bytes. */
export class StepRunner {
  readonly #onProgress: OnProgress
  #current: Omit<Progress, 'bytes'> | undefined
  #bytes = 0

  constructor(onProgress: OnProgress) {
    this.#onProgress = onProgress
  }

  /** Says that bytes were moved. */
  readonly moved = (bytes: number): void => {
    this.#bytes += bytes
    if (this.#current !== undefined) this.#onProgress({ ...this.#current, bytes: this.#bytes })
  }

  async run(steps: readonly Step[]): Promise<void> {
    for (const [index, step] of steps.entries()) {
      this.#bytes = 0
      this.#current = { step: step.name, title: step.title, number: index + 1, of: steps.length }
      this.#onProgress(this.#current)
      await step.run()
    }
  }
}
