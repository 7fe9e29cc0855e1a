import type { BootstrapSetting } from '../core/model/spec.ts'
import type { BootstrapBlock } from './schema/muster.ts'
import type { Statements } from './statements.ts'

const base = 'muster.bootstrap'

/** The bootstrap setting that a block means, or undefined where it says nothing. Contradictions are reported. */
export function readBootstrap(
  block: BootstrapBlock | undefined,
  statements: Statements,
): BootstrapSetting | undefined {
  if (block === undefined) return undefined
  const modes = [
    ...(block.expect === undefined ? [] : ['expect']),
    ...(block.voters === undefined ? [] : ['voters']),
    ...(block.single === true ? ['single'] : []),
    ...(block.auto === true ? ['auto'] : []),
  ]
  const [mode, second] = modes
  if (second !== undefined) {
    statements.error(
      `${base}.${second}`,
      `contradicts ${statements.place(`${base}.${mode}`)}: a cluster is founded in one way`,
      'Keep one of `expect`, `voters`, `single` and `auto`.',
    )
    return undefined
  }
  for (const key of ['tolerate', 'slack'] as const) {
    if (block[key] !== undefined && mode !== 'expect') {
      statements.error(
        `${base}.${key}`,
        `has a meaning only together with \`expect\``,
        'Add `expect: <number of machines>`.',
      )
      return undefined
    }
  }
  if (mode === 'expect') return readExpect(block, block.expect!, statements)
  if (mode === 'voters') return readVoters(block.voters!, statements)
  if (mode === 'single') return { mode: 'expect', expect: 1 }
  return mode === 'auto' ? { mode: 'auto' } : undefined
}

/** `tolerate: t` needs 2·(N − t) > N + slack: two disjoint groups of voters must not both fit (protocol 2.3). */
function readExpect(
  block: BootstrapBlock,
  expect: number,
  statements: Statements,
): BootstrapSetting | undefined {
  const slack = block.slack ?? 0
  if (block.tolerate === undefined) {
    if (block.slack === undefined) return { mode: 'expect', expect }
    statements.error(
      `${base}.slack`,
      'has a meaning only together with `tolerate`',
      'Remove it, or add `tolerate`.',
    )
    return undefined
  }
  const quorum = expect - block.tolerate
  if (2 * quorum > expect + slack) return { mode: 'tolerate', expect, tolerate: block.tolerate, slack }
  const tolerable = Math.ceil((expect - slack) / 2) - 1
  statements.error(
    `${base}.tolerate`,
    `without ${block.tolerate} of ${expect} machines ${Math.max(quorum, 0)} are left, and ${expect + slack} machines ` +
      `(\`expect\` and \`slack\`) can hold two such groups: two clusters could be founded`,
    tolerable >= 0
      ? `At most \`tolerate: ${tolerable}\` is safe with ${expect} machines and a slack of ${slack}.`
      : `A slack of ${slack} is too much for ${expect} machines.`,
  )
  return undefined
}

function readVoters(voters: readonly string[], statements: Statements): BootstrapSetting | undefined {
  const twice = voters.findIndex((voter, index) => voters.indexOf(voter) !== index)
  if (twice >= 0) {
    statements.error(`${base}.voters.${twice}`, 'names a machine that is in the list already')
    return undefined
  }
  return { mode: 'voters', voters: voters.toSorted() }
}
