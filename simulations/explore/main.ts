import { parseArgs } from 'node:util'
import type { Scenario } from './scenarios.ts'
import { scenarios } from './scenarios.ts'

// Searches every state of small clusters through the production consensus, birth, judge and k3s decisions. Exit code 1
// when a safe scenario shows a violation or is not searched to its end, or a broken one does not show its own.

const { values } = parseArgs({ options: { scenario: { type: 'string' }, list: { type: 'boolean' } } })
const chosen = scenarios.filter(({ name }) => values.scenario === undefined || name.includes(values.scenario))
if (values.list === true) {
  for (const { name, expected, bounds } of chosen) say(`${expected.padEnd(5)} ${name} (${bounds})`)
} else {
  const failed = chosen.filter((scenario) => !run(scenario))
  say(`${chosen.length - failed.length} of ${chosen.length} scenarios as expected`)
  process.exitCode = failed.length === 0 && chosen.length > 0 ? 0 : 1
}

function run({ name, expected, bounds, explore }: Scenario): boolean {
  const begin = performance.now()
  const { states, transitions, depth, violation, exhaustive } = explore()
  const seconds = ((performance.now() - begin) / 1_000).toFixed(1)
  const kind = violation?.what.split(':', 1)[0]
  const ok = expected === 'safe' ? exhaustive && kind === undefined : kind === expected
  say(`${ok ? 'ok    ' : 'FAILED'} ${name}`)
  say(`       ${bounds}`)
  const end = violation === undefined ? `depth ${depth}` : `violation at depth ${violation.depth}`
  say(
    `       ${states} states, ${transitions} steps, ${end}, exhaustive: ${exhaustive ? 'yes' : 'no'}, ${seconds} s`,
  )
  if (violation === undefined) return ok
  say(`       ${violation.what}`)
  for (const [index, line] of violation.trace.entries())
    say(`       ${String(index + 1).padStart(3)}. ${line}`)
  return ok
}

function say(line: string): void {
  process.stdout.write(`${line}\n`)
}
