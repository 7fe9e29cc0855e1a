import { z } from 'zod'
import { createReport } from './diagnostics.ts'
import type { Diagnostic } from './diagnostics.ts'
import { reportIssues } from './issues.ts'
import type { JsonSchema } from './json-schema.ts'
import { locate, positionOf, toPlain } from './positions.ts'
import type { ConfigSource } from './positions.ts'

/** Reports something that the schema cannot see, at the place of a value. */
export type Complain = (path: readonly PropertyKey[], message: string, suggestion?: string) => void

/** What came of reading a YAML file. */
export interface StrictReading<Value> {
  /** Undefined where there is an error. */
  readonly value?: Value
  /** All errors and warnings, in the order of lines. */
  readonly diagnostics: readonly Diagnostic[]
}

/**
 * Reads one YAML file of another kind as strictly as a configuration: bounded, without unknown keys, every error at
 * its place. `check` looks at the meaning of what is well-formed.
 */
export function readStrictYaml<Value>(
  source: ConfigSource,
  schema: z.ZodType<Value>,
  check: (value: Value, complain: Complain) => void,
): StrictReading<Value> {
  const report = createReport(new Map([[source.path, source.text]]))
  const root = locate(source, report)
  if (root === undefined) {
    const diagnostics = report.finish()
    if (diagnostics.length > 0) return { diagnostics }
    report.error({ file: source.path, line: 1, column: 1 }, '', 'the file is empty')
    return { diagnostics: report.finish() }
  }
  const plain = toPlain(root)
  const parsed = schema.safeParse(plain)
  if (parsed.success) {
    check(parsed.data, (path, message, suggestion) =>
      report.error(positionOf(root, path), path.join('.'), message, suggestion),
    )
  } else {
    const known = z.toJSONSchema(schema, { io: 'input' }) as JsonSchema
    reportIssues(parsed.error.issues, root, plain, report, known)
  }
  const diagnostics = report.finish()
  const failed = diagnostics.some(({ severity }) => severity === 'error')
  return { ...(parsed.success && !failed ? { value: parsed.data } : {}), diagnostics }
}
