import type { AgentConfig } from './agent-config.ts'
import { assemble } from './assemble.ts'
import { createReport } from './diagnostics.ts'
import type { Diagnostic, Position, Report } from './diagnostics.ts'
import { reportIssues, withoutRefused } from './issues.ts'
import type { Reader } from './machine.ts'
import { mergeLocated, originsOf } from './merge.ts'
import { locate, locatedAt, toPlain } from './positions.ts'
import type { ConfigSource, Located, LocatedMap } from './positions.ts'
import { rootSchema } from './schema/root.ts'
import type { RootBlock } from './schema/root.ts'
import { createStatements } from './statements.ts'
import type { Statements } from './statements.ts'

/** What came of reading a configuration. */
export interface ConfigReading {
  /** Undefined where there is an error. */
  readonly config?: AgentConfig
  /** All errors and warnings at once, in the order of files and lines. */
  readonly diagnostics: readonly Diagnostic[]
  /** Dotted key of every declared value to the place that decided it. */
  readonly origins: ReadonlyMap<string, Position>
}

/** A key that whoever carries the configuration out cannot do. */
export interface Fault {
  /** Dotted key. */
  readonly path: string
  /** Why, as what follows the key in a sentence. */
  readonly message: string
}

/** What only one who carries a configuration out knows of it: asked of whatever is well-formed. Its faults are errors. */
export type Rule = (config: AgentConfig) => readonly Fault[]

/** Keys that hold a token; only one of them, in one file, may speak. */
const tokenKeys: readonly string[] = ['muster.token', 'muster.token_file', 'p2p.network_token']

/**
 * Reads the files of a configuration, given in the order in which they count (a directory's in alphabetical order):
 * later ones win, key by key; lists are replaced. Never throws: whatever is wrong is a diagnostic with its place.
 * `reader` says who carries it out: what that one passes over is a warning. `rules` are what it refuses beyond that.
 */
export function readConfig(
  sources: readonly ConfigSource[],
  reader: Reader = 'agent',
  rules: readonly Rule[] = [],
): ConfigReading {
  const report = createReport(new Map(sources.map(({ path, text }) => [path, text])))
  const files = sources.map((source) => locate(source, report)).filter((root) => root !== undefined)
  for (const file of files) hideSecrets(file, report)
  refuseTwoTokens(files, report)

  const empty: LocatedMap = {
    kind: 'map',
    at: { file: sources[0]?.path ?? '', line: 1, column: 1 },
    entries: new Map(),
  }
  const root = files.reduce((merged, file) => mergeLocated(merged, file), empty)
  const statements = createStatements(root, report)
  const config = check(root, statements, (block) => {
    const assembled = assemble(block, statements, reader)
    for (const { path, message } of rules.flatMap((rule) => rule(assembled)))
      report.error(statements.keyAt(path.split('.')), path, message)
    return assembled
  })
  const diagnostics = report.finish()
  const failed = diagnostics.some(({ severity }) => severity === 'error')
  return { ...(config === undefined || failed ? {} : { config }), diagnostics, origins: originsOf(root) }
}

function check(
  root: LocatedMap,
  { report }: Statements,
  understand: (block: RootBlock) => AgentConfig,
): AgentConfig | undefined {
  const plain = toPlain(root)
  const first = rootSchema.safeParse(plain)
  if (first.success) return understand(first.data)
  reportIssues(first.error.issues, root, plain, report)
  // What is well-formed is checked for its meaning all the same, so that all errors are told at once. Taking away
  // what was refused can leave something else incomplete: that is taken away too, without a word.
  let rest = withoutRefused(plain, first.error.issues)
  for (let round = 0; round < pruneRoundsMax; round++) {
    const next = rootSchema.safeParse(rest)
    if (next.success) {
      understand(next.data)
      return undefined
    }
    rest = withoutRefused(rest, next.error.issues)
  }
  return undefined
}

/** An incomplete value is at most so many levels above the one that was refused. */
const pruneRoundsMax = 6

function refuseTwoTokens(files: readonly LocatedMap[], report: Report): void {
  const found = files.flatMap((file) =>
    tokenKeys.flatMap((key) => {
      const at = locatedAt(file, key.split('.'))
      return at?.kind === 'scalar' && at.value !== null ? [{ key, at: at.at, value: at.value }] : []
    }),
  )
  const [first, ...others] = found
  for (const other of others) {
    const isFile = (key: string): boolean => key === 'muster.token_file'
    // The same token said twice is one token.
    if (first === undefined || (other.value === first.value && isFile(other.key) === isFile(first.key)))
      continue
    report.error(
      other.at,
      other.key,
      `a second token; the first is ${first.key} in ${first.at.file}:${first.at.line}`,
      'A machine belongs to one network: keep one of them.',
    )
  }
}

const secretKeys: ReadonlySet<string> = new Set([
  'token',
  'network_token',
  'passwd',
  'password',
  'K3S_TOKEN',
  'K3S_AGENT_TOKEN',
])

function hideSecrets(value: Located, report: Report): void {
  if (value.kind === 'list') for (const item of value.items) hideSecrets(item, report)
  if (value.kind !== 'map') return
  for (const [key, entry] of value.entries) {
    if (secretKeys.has(key) && entry.value.kind === 'scalar') report.hide(String(entry.value.value ?? ''))
    hideSecrets(entry.value, report)
  }
}
