import type { NetworkLimits } from './settings.ts'

/**
 * Wait before the next try after `attempts` failed ones, in ms: doubles up to the limit, spread over the upper
 * half so that machines that lost each other together do not all dial at once. `unit` is random in [0, 1).
 */
export function backoffMs(
  attempts: number,
  limits: Pick<NetworkLimits, 'backoffMinMs' | 'backoffMaxMs'>,
  unit: number,
): number {
  const whole = Math.min(limits.backoffMaxMs, limits.backoffMinMs * 2 ** Math.min(attempts, 16))
  return whole * (0.5 + unit / 2)
}

interface Target {
  attempts: number
  timer: NodeJS.Timeout | undefined
  dueAtMs: number
  trying: boolean
}

export interface ReconnectorInit {
  readonly limits: NetworkLimits
  /** One try. Resolving is not success: success is said by `satisfied`. */
  readonly attempt: (key: string) => Promise<void>
  /** False once nobody wants this target any more; it is then forgotten. */
  readonly wanted: (key: string) => boolean
}

/**
 * Tries each wanted target with back-off for as long as it is wanted. libp2p's own reconnection gives up
 * after half a minute, which any partition outlasts.
 */
export class Reconnector {
  readonly #init: ReconnectorInit
  readonly #targets = new Map<string, Target>()
  #stopped = false

  constructor(init: ReconnectorInit) {
    this.#init = init
  }

  /** Tries `key` after `delayMs`, or sooner if a try was planned sooner. */
  want(key: string, delayMs = 0): void {
    if (this.#stopped) return
    const known = this.#targets.get(key)
    if (known === undefined)
      this.#plan(key, delayMs, { attempts: 0, timer: undefined, dueAtMs: 0, trying: false })
    else if (!known.trying && performance.now() + delayMs < known.dueAtMs) this.#plan(key, delayMs, known)
  }

  /** Wanted again by something new (found, link back): the former failures say nothing any more. */
  wantAfresh(key: string, delayMs = 0): void {
    const known = this.#targets.get(key)
    if (known !== undefined) known.attempts = 0
    this.want(key, delayMs)
  }

  /** It is there: no more tries. */
  satisfied(key: string): void {
    clearTimeout(this.#targets.get(key)?.timer)
    this.#targets.delete(key)
  }

  /** The machine's links changed: every target is tried soon, spread over `spreadMs`. */
  retryAll(spreadMs: number): void {
    for (const key of this.#targets.keys()) this.wantAfresh(key, Math.random() * spreadMs)
  }

  /** Time to the next try, or undefined if none is planned. */
  retryInMs(key: string): number | undefined {
    const target = this.#targets.get(key)
    return target === undefined ? undefined : Math.max(0, target.dueAtMs - performance.now())
  }

  stop(): void {
    this.#stopped = true
    for (const key of [...this.#targets.keys()]) this.satisfied(key)
  }

  #plan(key: string, delayMs: number, target: Target): void {
    clearTimeout(target.timer)
    target.dueAtMs = performance.now() + delayMs
    target.timer = setTimeout(() => void this.#try(key, target), delayMs)
    this.#targets.set(key, target)
  }

  async #try(key: string, target: Target): Promise<void> {
    if (!this.#init.wanted(key)) {
      this.#targets.delete(key)
      return
    }
    target.trying = true
    await this.#init.attempt(key)
    target.trying = false
    if (this.#stopped || this.#targets.get(key) !== target) return
    this.#plan(key, backoffMs(target.attempts, this.#init.limits, Math.random()), target)
    target.attempts++
  }
}
