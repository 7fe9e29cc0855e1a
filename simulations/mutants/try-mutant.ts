import { parentPort, workerData } from 'node:worker_threads'
import type { Violation } from '../run/result.ts'
import { loadMutated } from './apply.ts'
import type { Mutant } from './mutant.ts'

/** What a thread is asked: this bug, or the core as it is, on this site over these seeds. */
export interface Trial extends Pick<Mutant, 'edits' | 'exposure'> {
  /** Violations that end the trial; all of them where this is empty. */
  readonly breaks: Mutant['breaks']
  readonly seedStart: number
  readonly seeds: number
}

/** What it answers. */
export interface TrialResult {
  /** Seeds that were run: the last one shows `found`. */
  readonly seeds: number
  readonly found: Violation | undefined
  /** The first violation of another promise, or error, on the way: no catch. */
  readonly accident: Violation | undefined
}

/** Runs seed after seed until a promise of `breaks` is broken. The core is loaded by this thread, mutated. */
async function run({ edits, exposure, breaks, seedStart, seeds }: Trial): Promise<TrialResult> {
  const { missing } = loadMutated({ edits })
  const { generatePlan } = await import('../plan/generate.ts')
  const { simulate } = await import('../run/simulate.ts')
  if (missing().length > 0)
    throw new Error(`mutation no longer applies: nobody loads ${missing().join(', ')}`)
  const { faults, nodes, fixed } = exposure
  let accident: Violation | undefined
  for (let count = 1; count <= seeds; count++) {
    const seed = seedStart + count - 1
    const plan = { ...generatePlan({ seed, nodes, faults }), ...fixed }
    const { violations } = simulate(plan).result
    const found = violations.find(({ invariant }) => breaks.length === 0 || breaks.includes(invariant))
    if (found !== undefined) return { seeds: count, found, accident }
    accident ??= violations[0]
  }
  return { seeds, found: undefined, accident }
}

const result = await run(workerData as Trial)
// oxlint-disable-next-line unicorn/require-post-message-target-origin -- a port of a thread has no origin
parentPort?.postMessage(result)
