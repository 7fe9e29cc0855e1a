import { readFileSync } from 'node:fs'
import * as limits from '../../src/core/model/limits.ts'
import { parseDocComments } from './doc-comments.ts'

/** docs/limits.md, from the constants in src/core/model/limits.ts. Throws where a limit has no reason. */
export function limitsPage(): string {
  const source = readFileSync(new URL('../../src/core/model/limits.ts', import.meta.url), 'utf8')
  const reasons = parseDocComments(source)
  const rows = Object.entries(limits)
    .filter(([, value]) => typeof value === 'number')
    .map(([name, value]) => {
      const reason = reasons.get(name)
      if (reason === undefined) throw new Error(`the limit ${name} has no comment that says why`)
      return `| \`${name}\` | ${value.toLocaleString('en-GB')} | ${reason} |`
    })
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
