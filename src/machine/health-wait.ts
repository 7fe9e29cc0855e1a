import type { HealthObservation, HealthVerdict } from '../core/install/health.ts'
import { judgeHealth } from '../core/install/health.ts'
import type { HealthBaseline } from '../core/install/records.ts'

/** How a boot is waited for. */
export interface HealthWait {
  readonly baseline: HealthBaseline | null
  readonly look: () => Promise<HealthObservation>
  /** Milliseconds on a clock that never goes back. */
  readonly now: () => number
  readonly sleep: (milliseconds: number) => Promise<void>
  /** Told once for each change of what is awaited. */
  readonly say: (line: string) => void
  readonly timeoutMs: number
  readonly signal: AbortSignal
}

/** Between two looks; longer on a slow machine, where each costs the agent seconds. */
const lookIntervalMs = { min: 2_000, max: 10_000, perLook: 4 } as const
/** A boot that is good for so long is called good: an agent that starts and ends in turns is not. */
const holdMs = 10_000

/** How the wait ended. */
export interface HealthOutcome extends HealthVerdict {
  /** The boot is good: it was so for a while, or the time is over and no other image would help. */
  readonly passed: boolean
}

/** Waits until the boot has been good for a while, or the time is over. */
export async function waitForHealth(wait: HealthWait): Promise<HealthOutcome> {
  const giveUpAt = wait.now() + wait.timeoutMs
  let goodSince: number | undefined
  let said = ''
  for (;;) {
    const startedAt = wait.now()
    const verdict = judgeHealth(await wait.look(), wait.baseline)
    const now = wait.now()
    if (verdict.verdict !== 'good') goodSince = undefined
    else goodSince ??= now
    if (goodSince !== undefined && now - goodSince >= holdMs) return { ...verdict, passed: true }
    const line =
      verdict.verdict === 'good'
        ? 'all is well; looking whether it stays so'
        : `waiting for ${verdict.awaited}`
    if (line !== said) wait.say(line)
    said = line
    if (wait.signal.aborted) return { ...verdict, passed: false }
    if (now >= giveUpAt) return { ...verdict, passed: verdict.verdict === 'excused' }
    const { min, max, perLook } = lookIntervalMs
    await wait.sleep(Math.max(min, Math.min(max, perLook * (now - startedAt))))
  }
}
