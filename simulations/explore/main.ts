import { parseArgs } from 'node:util'
import type { Scenario } from './scenarios.ts'
import { scenarios } from './scenarios.ts'
import { search } from './search.ts'

// Searches every state of small clusters through the production acceptor, choice and certificate code. Exit code 1 when
// a safe scenario shows a violation, is not searched to its end, or a broken one shows none.

const { values } = parseArgs({ options: { scenario: { type: 'string' }, list: { type: 'boolean' } } })
const chosen = scenarios.filter(({ name }) => values.scenario === undefined || name.includes(values.scenario))
if (values.list === true) {
  for (const { name, expected } of scenarios) process.stdout.write(`${expected.padEnd(10)} ${name}\n`)
} else {
  const failed = chosen.filter((scenario) => !run(scenario))
  process.stdout.write(`${chosen.length - failed.length} of ${chosen.length} scenarios as expected\n`)
  process.exitCode = failed.length === 0 && chosen.length > 0 ? 0 : 1
}

function run({ name, expected, rules }: Scenario): boolean {
  const begin = performance.now()
  const { states, transitions, violation, exhaustive } = search(rules)
  const seconds = ((performance.now() - begin) / 1_000).toFixed(1)
  const found =
    violation === undefined
      ? exhaustive
        ? 'exhaustive, safe'
        : 'not finished'
      : `${violation.what}, depth ${violation.depth}`
  const ok = expected === 'safe' ? exhaustive && violation === undefined : violation !== undefined
  process.stdout.write(
    `${ok ? 'ok    ' : 'FAILED'} ${name}: ${found}; ${states} states, ${transitions} transitions, ${seconds} s\n`,
  )
  return ok
}
