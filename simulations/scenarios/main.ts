// Runs scenario files: `node simulations/scenarios/main.ts [--lab] [--seeds N] [--seed-start S] FILE…`; `--schema`
// prints the JSON Schema. Exit code 0: all expectations hold; 1: one does not; 4: a file cannot be run.
// Ctrl-C ends the simulator with what was seen so far.
import { parseArgs } from 'node:util'
import { errorText, MusterError } from '../../src/errors.ts'
import { runScenarioInLab } from './lab.ts'
import { formatReport, runScenario } from './run.ts'
import type { ScenarioOptions, ScenarioReport } from './run.ts'
import { scenarioJsonSchema } from './schema.ts'

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    lab: { type: 'boolean', default: false },
    schema: { type: 'boolean', default: false },
    seeds: { type: 'string' },
    'seed-start': { type: 'string', default: '1' },
  },
})
let stopped = false
process.on('SIGINT', () => (stopped = true))
const options: ScenarioOptions = {
  seedStart: Number(values['seed-start']),
  ...(values.seeds === undefined ? {} : { seeds: Number(values.seeds) }),
  stop: () => stopped,
}

async function run(path: string): Promise<ScenarioReport> {
  return values.lab
    ? runScenarioInLab(path, { say: (line) => console.error(line) })
    : runScenario(path, options)
}

if (values.schema) process.stdout.write(scenarioJsonSchema())
try {
  for (const path of positionals) {
    const report = await run(path)
    process.stdout.write(formatReport(report))
    if (!report.passed) process.exitCode = 1
  }
} catch (error) {
  console.error(errorText(error))
  process.exitCode = error instanceof MusterError ? error.exitCode : 1
}
