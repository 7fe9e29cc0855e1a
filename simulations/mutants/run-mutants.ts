import { Worker } from 'node:worker_threads'
import { mutants } from './all.ts'
import type { Exposure, Mutant } from './mutant.ts'
import type { Trial, TrialResult } from './try-mutant.ts'

/** A trial that takes longer hangs: the slowest takes a tenth of it on one core. */
const trialMaxMs = 600_000

/** Which bugs are tried, and how. */
export interface MutantOptions {
  /** Only bugs with this in their name. */
  readonly only?: string
  readonly seedStart?: number
  /** Threads at once. */
  readonly workers?: number
  readonly print?: (line: string) => void
}

/**
 * Puts every seeded bug into the core, one at a time, and runs seeds until a checker finds it; then runs the core as it
 * is over the same seeds. Returns the exit code: 1 where a bug survives, where only an accident shows it (an error, or
 * a promise that it was not meant to break), or where the core itself is found guilty.
 */
export async function runMutants(options: MutantOptions = {}): Promise<number> {
  const { only = '', seedStart = 1, workers = 2, print = console.log } = options
  const chosen = mutants.filter(({ name }) => name.includes(only))
  if (chosen.length === 0) {
    print(`no seeded bug is named like ${only}`)
    return 2
  }
  let failures = 0
  const lengths = new Map<string, { readonly exposure: Exposure; seeds: number }>()
  const width = Math.max(...chosen.map(({ name }) => name.length))
  print(`${'seeded bug'.padEnd(width)}  caught by  at seed      time`)
  await inTurns(chosen, workers, async (mutant) => {
    const begin = performance.now()
    const result = await tried({ ...mutant, seedStart, seeds: mutant.seedsMax })
    const seconds = `${((performance.now() - begin) / 1_000).toFixed(1)} s`
    if (typeof result === 'string' || result.found === undefined) failures += 1
    print(`${mutant.name.padEnd(width)}  ${verdict(mutant, result).padEnd(22)}${seconds.padStart(8)}`)
    if (typeof result === 'string') return
    const key = JSON.stringify(mutant.exposure)
    const site = lengths.get(key) ?? { exposure: mutant.exposure, seeds: 0 }
    lengths.set(key, { ...site, seeds: Math.max(site.seeds, result.seeds) })
  })
  await inTurns([...lengths.values()], workers, async ({ exposure, seeds }) => {
    const result = await tried({ edits: [], breaks: [], exposure, seedStart, seeds })
    if (typeof result !== 'string' && result.found === undefined) return
    failures += 1
    const text = typeof result === 'string' ? result : describe(result)
    print(`the core as it is, ${JSON.stringify(exposure)}: ${text}`)
  })
  const seeds = [...lengths.values()].reduce((sum, site) => sum + site.seeds, 0)
  print(`${chosen.length} bugs, ${failures} failures; the core as it is was run over the same ${seeds} seeds`)
  return failures === 0 ? 0 : 1
}

function verdict({ seedsMax }: Mutant, result: TrialResult | string): string {
  if (typeof result === 'string') return `FAILED     ${result}`
  if (result.found !== undefined) return `${result.found.invariant.padEnd(11)}${result.seeds} of ${seedsMax}`
  const accident =
    result.accident === undefined ? '' : `, but for ${describe({ ...result, found: result.accident })}`
  return `SURVIVED   ${result.seeds} seeds${accident}`
}

function describe({ seeds, found }: TrialResult): string {
  return found === undefined ? '' : `${found.invariant} after ${seeds} seeds: ${found.text}`
}

/** A thread of its own for each trial: modules are loaded once for each thread. The error's text where it fails. */
function tried(trial: Trial): Promise<TrialResult | string> {
  const worker = new Worker(new URL('try-mutant.ts', import.meta.url), {
    workerData: { ...trial },
  })
  return new Promise((resolve) => {
    const timer = setTimeout(() => {
      resolve(`no end after ${trialMaxMs / 1_000} s`)
      void worker.terminate()
    }, trialMaxMs)
    worker.once('message', resolve)
    worker.once('error', (error) => resolve(error instanceof Error ? error.message : String(error)))
    worker.once('exit', () => {
      clearTimeout(timer)
      resolve('the thread ended without a word')
    })
  })
}

/** Works on the items, so many at once. */
async function inTurns<T>(
  items: readonly T[],
  atOnce: number,
  work: (item: T) => Promise<void>,
): Promise<void> {
  const rest = [...items]
  const loop = async (): Promise<void> => {
    for (let item = rest.shift(); item !== undefined; item = rest.shift()) await work(item)
  }
  await Promise.all(Array.from({ length: atOnce }, loop))
}
