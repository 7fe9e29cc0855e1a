/** A trouble that a machine has for a while. */
export type Trouble = 'slow disk' | 'full disk' | 'k3s hangs' | 'k3s fails' | 'k3s loses replies'

/** Which machine has which trouble, and until when. */
export class Spells {
  readonly #until = new Map<Trouble, Map<number, { readonly until: number; readonly value: number }>>()

  /** @param value how bad it is, where that makes a difference */
  begin(trouble: Trouble, machine: number, until: number, value = 0): void {
    const spells = this.#until.get(trouble) ?? new Map<number, { until: number; value: number }>()
    this.#until.set(trouble, spells.set(machine, { until, value }))
  }

  /** How bad it is now; undefined: the machine does not have it. */
  now(trouble: Trouble, machine: number, now: number): number | undefined {
    const spell = this.#until.get(trouble)?.get(machine)
    return spell !== undefined && spell.until > now ? spell.value : undefined
  }

  /** All troubles of this machine are over. */
  end(machine: number): void {
    for (const spells of this.#until.values()) spells.delete(machine)
  }
}
