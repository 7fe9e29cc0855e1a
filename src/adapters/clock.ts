import { setTimeout as delay } from 'node:timers/promises'
import type { Instant } from '../core/model/ids.ts'

/** Time as the outside of the core sees it. */
export interface Clock {
  /** Whole milliseconds that never go back within one start; the wall clock plays no part. */
  now(): Instant
  /** Resolves after so many milliseconds; rejects with the signal's reason if it is aborted before. */
  sleep(durationMs: number, options?: { readonly signal?: AbortSignal }): Promise<void>
}

/** The machine's monotonic clock. */
export function createClock(): Clock {
  return {
    now: () => Math.round(performance.now()),
    sleep: async (durationMs, options) => {
      const { signal } = options ?? {}
      try {
        await delay(durationMs, undefined, signal === undefined ? {} : { signal })
      } catch (error) {
        signal?.throwIfAborted()
        throw error
      }
    },
  }
}
