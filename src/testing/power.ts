/** What a power cut leaves of writes that were not synced. */
export type Loss =
  /** Nothing of them. */
  | 'lost'
  /** All of them. */
  | 'kept'
  /** The first, the second half of each. */
  | 'first-half'
  | 'second-half'
  /** The first sector of each, all but the first sector of each: a device writes the sectors of one write in any order. */
  | 'first-sector'
  | 'all-but-first-sector'
  /** Only the last one: devices change the order. */
  | 'last-only'
  /** A rename on FAT: both names on the same clusters; an empty new file beside the old one; a name without its long form. */
  | 'both-names'
  | 'empty-name'
  | 'short-name'

export const losses: readonly Loss[] = [
  'lost',
  'kept',
  'first-half',
  'second-half',
  'first-sector',
  'all-but-first-sector',
  'last-only',
  'both-names',
  'empty-name',
  'short-name',
]

/** The power is gone: what a program under test sees instead of an answer. */
export class PowerCut extends Error {
  override readonly name = 'PowerCut'
}

/** Something that loses what was not synced. */
export interface PoweredDevice {
  lose(loss: Loss): void
}

/**
 * The mains of a machine in memory. Every operation of every device counts; at the chosen one the power goes, after
 * the device has taken the operation and before it answers.
 */
export class Power {
  operations = 0
  readonly #cutAt: number | undefined
  readonly #devices: PoweredDevice[] = []
  #isOff = false

  constructor(cutAt?: number) {
    this.#cutAt = cutAt
  }

  connect(device: PoweredDevice): void {
    this.#devices.push(device)
  }

  /** Throws where the power is gone already: for the beginning of an operation. */
  check(): void {
    if (this.#isOff) throw new PowerCut('the power is off')
  }

  /** One operation was taken. */
  tick(): void {
    this.operations++
    if (this.operations !== this.#cutAt) return
    this.#isOff = true
    throw new PowerCut(`the power went at operation ${this.operations}`)
  }

  /** Leaves every device as this loss does. */
  settle(loss: Loss): void {
    for (const device of this.#devices) device.lose(loss)
  }
}
