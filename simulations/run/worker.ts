import { parentPort, workerData } from 'node:worker_threads'
import { generatePlan } from '../plan/generate.ts'
import { simulate } from './simulate.ts'
import type { BulkSetting } from './tally.ts'
import { addRun, emptyTally } from './tally.ts'

// One thread of a bulk run: takes ranges of seeds, gives back what it counted.

const setting = workerData as BulkSetting

parentPort?.on('message', ({ first, count }: { readonly first: number; readonly count: number }) => {
  const tally = emptyTally(setting, first)
  for (let seed = first; seed < first + count; seed++) {
    const plan = generatePlan({ ...setting, seed })
    addRun(tally, setting, plan, simulate(plan).result)
  }
  parentPort?.postMessage(tally, [])
})
