import { Worker } from 'node:worker_threads'
import type { BulkSetting, Tally } from './tally.ts'
import { addTally, emptyTally } from './tally.ts'

/** What to run, and how. */
export interface BulkOptions extends BulkSetting {
  readonly seeds: number
  readonly seedStart: number
  /** Threads; each takes a range of seeds at a time. */
  readonly workers: number
  /** What a thread runs; for tests. */
  readonly worker?: URL
  /** Ends the run early: what was counted by then is the result. */
  readonly signal?: AbortSignal
  /** Told after each range. */
  readonly onProgress?: (tally: Tally) => void
}

/** A range takes some seconds at most, so that an interrupted run loses little. */
const seedsPerRange = 20

/**
 * Runs many seeds on all threads and counts what came of them. The counts do not depend on the threads. A thread that breaks
 * down costs its range, which is named; the others end theirs.
 */
export async function runBulk(options: BulkOptions): Promise<Tally> {
  const { seeds, seedStart, signal, onProgress, workers, worker: program, ...rest } = options
  const setting: BulkSetting = rest
  const begin = performance.now()
  const total = emptyTally(setting, seedStart)
  const end = seedStart + seeds
  let next = seedStart
  const range = Math.max(1, Math.min(seedsPerRange, Math.ceil(seeds / workers)))
  const drain = async (): Promise<void> => {
    const worker = new Worker(program ?? new URL('worker.ts', import.meta.url), { workerData: setting })
    try {
      while (next < end) {
        if (signal?.aborted === true) return
        const first = next
        const count = Math.min(range, end - first)
        next += count
        const tally = await answerTo(worker, { first, count }, signal).catch((error: unknown) => {
          const why = error instanceof Error ? error.message : String(error)
          total.failures = [
            ...total.failures,
            `a run of the seeds ${first} to ${first + count - 1} broke down: ${why}`,
          ]
        })
        if (tally === undefined) return
        addTally(total, tally)
        total.wallMs = performance.now() - begin
        onProgress?.(total)
      }
    } finally {
      await worker.terminate()
    }
  }
  await Promise.all(Array.from({ length: Math.min(workers, Math.ceil(seeds / range)) }, drain))
  total.wallMs = performance.now() - begin
  total.interrupted = total.runs < seeds
  total.violations = total.violations.toSorted((a, b) => a.seed - b.seed)
  return total
}

function answerTo(
  worker: Worker,
  range: { readonly first: number; readonly count: number },
  signal: AbortSignal | undefined,
): Promise<Tally | undefined> {
  return new Promise((resolve, reject) => {
    const stop = (): void => done(() => resolve(undefined))
    const fail = (error: Error): void => done(() => reject(error))
    const take = (tally: Tally): void => done(() => resolve(tally))
    const done = (settle: () => void): void => {
      worker.off('error', fail)
      worker.off('message', take)
      signal?.removeEventListener('abort', stop)
      settle()
    }
    worker.on('error', fail)
    worker.on('message', take)
    signal?.addEventListener('abort', stop)
    worker.postMessage(range, [])
  })
}
