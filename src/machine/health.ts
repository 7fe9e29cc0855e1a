import { setTimeout as sleep } from 'node:timers/promises'
import type { HealthVerdict } from '../core/install/health.ts'
import { baselineOf, judgeHealth } from '../core/install/health.ts'
import type { HealthBaseline } from '../core/install/records.ts'
import { blessRunning, recordUnhealthy, runningRecords } from '../install/running.ts'
import { lookAtHealth } from './health-look.ts'
import type { HealthOutcome } from './health-wait.ts'
import { waitForHealth } from './health-wait.ts'

/** What is asked of a health check. */
export interface HealthRequest {
  readonly root: string
  readonly socketPath: string
  readonly say: (line: string) => void
}

/** One look, judged by what is remembered from before the upgrade. */
export async function checkHealth({ root, socketPath }: HealthRequest): Promise<HealthVerdict> {
  const { baseline } = await runningRecords(root)
  return judgeHealth(await lookAtHealth(root, socketPath), baseline)
}

/** Waits for a good boot, within `timeoutMs`. Undefined: the image is known to be good, and is not judged again. */
export async function awaitHealth(
  { root, socketPath, say }: HealthRequest,
  {
    timeoutMs,
    onlyOnTrial,
    signal,
  }: { readonly timeoutMs: number; readonly onlyOnTrial: boolean; readonly signal: AbortSignal },
): Promise<HealthOutcome | undefined> {
  const { baseline, onTrial } = await runningRecords(root)
  if (onlyOnTrial && !onTrial) return undefined
  return waitForHealth({
    baseline,
    look: () => lookAtHealth(root, socketPath),
    now: () => performance.now(),
    sleep: (milliseconds) => sleep(milliseconds, undefined, { signal }).catch(() => undefined),
    say,
    timeoutMs,
    signal,
  })
}

/** Says to the loader that the running image is good, or writes down why this boot was not. */
export async function concludeTrial(root: string, outcome: HealthOutcome): Promise<void> {
  if (outcome.passed) await blessRunning(root)
  else await recordUnhealthy(root, outcome.awaited)
}

/** What the machine can do now, to be remembered before an upgrade. */
export async function healthBaseline(root: string, socketPath: string): Promise<HealthBaseline> {
  return baselineOf(await lookAtHealth(root, socketPath))
}
