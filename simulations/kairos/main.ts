// The comparison by itself: `node simulations/kairos/main.ts [--runs N] [--seed-start S]` prints its table as Markdown.
// Ctrl-C ends it with what was counted so far.
import { parseArgs } from 'node:util'
import { compareWithKairos, formatComparison } from './compare.ts'
import { presets } from './presets.ts'

const { values } = parseArgs({
  options: { runs: { type: 'string', default: '100' }, 'seed-start': { type: 'string', default: '1' } },
})
let stopped = false
process.on('SIGINT', () => (stopped = true))
const rows = await compareWithKairos({
  runs: Number(values.runs),
  seedStart: Number(values['seed-start']),
  stop: () => stopped,
  onRow: ({ preset, rule, runs }) => console.error(`${preset}: ${rule}: ${runs} runs`),
})
process.stdout.write(formatComparison(rows))
for (const { name, text } of presets) console.log(`* ${name}: ${text}.`)
