import { readFileSync } from 'node:fs'
import * as limits from '../../src/core/model/limits.ts'
import { parseDocComments } from './doc-comments.ts'

/** docs/limits.md, from the constants in src/core/model/limits.ts. Throws where a limit has no reason. */
export function limitsPage(): string {
  const source = readFileSync(new URL('../../src/core/model/limits.ts', import.meta.url), 'utf8')
  const reasons = parseDocComments(source)
  const values = new Map<string, unknown>(Object.entries(limits))
  for (const name of values.keys()) {
    if (!reasons.has(name)) throw new Error(`the limit ${name} has no comment that says why`)
  }
  // In the order of the source, where neighbours belong together.
  const rows = [...reasons].map(
    ([name, reason]) => `| \`${name}\` | ${formatCount(values.get(name))} | ${reason} |`,
  )
  return [
    '# Limits',
    '',
    '<!-- Generated from src/core/model/limits.ts by `npm run docs`. -->',
    '',
    'Every queue, list, message and text of the protocol has a bound. What goes beyond it is refused or dropped, and named.',
    '',
    '| limit | value | what it bounds, and why |',
    '|---|---:|---|',
    ...rows,
    '',
  ].join('\n')
}

function formatCount(value: unknown): string {
  return typeof value === 'number' ? value.toLocaleString('en-GB') : String(value)
}
