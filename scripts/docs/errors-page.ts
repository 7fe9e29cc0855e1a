import { errorCatalogue } from '../../src/errors.ts'

/** docs/errors.md, from the catalogue of coded errors. */
export function errorsPage(): string {
  const sections = Object.entries(errorCatalogue)
    .toSorted(([a], [b]) => (a < b ? -1 : 1))
    .map(([code, { message, hint, exitCode }]) =>
      [`## ${code}`, '', message, '', `What to do: ${hint}`, '', `Exit code: ${exitCode}.`, ''].join('\n'),
    )
  return [
    '# Errors',
    '',
    '<!-- Generated from src/errors.ts by `npm run docs`. -->',
    '',
    'Every error that muster reports has a code that stays the same across versions. Words in braces are filled in.',
    '',
    'Exit codes of the command line: 0 ok, 1 failed, 2 usage, 3 not ready or timed out, 4 invalid configuration.',
    '',
    ...sections,
  ].join('\n')
}
