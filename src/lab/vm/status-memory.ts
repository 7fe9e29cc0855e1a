import type { StatusResource } from '../../agent/api/resources.ts'

/** An agent is asked again after this even if its machine's console shows nothing new, in milliseconds. */
const silenceMaxMs = 60_000
/** After a question at least so many times its own length passes before the next. */
const restFactor = 8

interface Asked {
  readonly status: StatusResource | undefined
  /** What the console said then. */
  readonly console: string
  readonly beganMs: number
  readonly endedMs: number
}

/**
 * Remembers what agents in machines said. Asking costs an emulated machine seconds of work, and its console tells every change
 * of the agent's phase, plan and waits: so one is asked when its console says something new, and else once a minute.
 */
export class StatusMemory {
  readonly #asked = new Map<string, Asked>()

  /** What the agent of a machine says, or said last. `console`: the lines that the agent's state shows on, of this boot. */
  async statusOf(
    machine: string,
    console: string,
    ask: () => Promise<StatusResource | undefined>,
  ): Promise<StatusResource | undefined> {
    const now = performance.now()
    const before = this.#asked.get(machine)
    if (before === undefined && console === '') {
      this.#asked.set(machine, { status: undefined, console, beganMs: now, endedMs: now })
      return undefined
    }
    if (before !== undefined && !isDue(before, console, now)) return before.status
    const status = await ask()
    this.#asked.set(machine, { status, console, beganMs: now, endedMs: performance.now() })
    return status
  }

  /** The machine has no power, or is not that far: what its agent said is past. */
  forget(machine: string): void {
    this.#asked.delete(machine)
  }
}

function isDue(before: Asked, console: string, now: number): boolean {
  const since = now - before.endedMs
  if (since >= silenceMaxMs) return true
  return console !== before.console && since >= restFactor * (before.endedMs - before.beganMs)
}
