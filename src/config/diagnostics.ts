import { styleText } from 'node:util'

/** A place in a configuration file. Lines and columns count from 1. */
export interface Position {
  readonly file: string
  readonly line: number
  readonly column: number
}

/** One thing that is wrong (`error`) or worth knowing (`warning`) in a configuration, and where it stands. */
export interface Diagnostic extends Position {
  readonly severity: 'error' | 'warning'
  /** Dotted key, for example `muster.bootstrap.expect`; empty: the file as a whole. */
  readonly path: string
  readonly message: string
  /** What to write instead, or what to do. */
  readonly suggestion?: string
  /** The line of the file, with secrets blotted out. */
  readonly excerpt: string
}

/** Collects diagnostics while a configuration is read. */
export interface Report {
  error(position: Position, path: string, message: string, suggestion?: string): void
  warning(position: Position, path: string, message: string, suggestion?: string): void
  /** Texts that no excerpt may show. */
  hide(secret: string): void
  /** All that was reported, in the order of files, lines and columns. */
  finish(): Diagnostic[]
}

interface Entry {
  readonly severity: Diagnostic['severity']
  readonly position: Position
  readonly path: string
  readonly message: string
  readonly suggestion: string | undefined
}

/** Longest line that an excerpt shows whole. */
const excerptColumnsMax = 160

/** Keys whose values are secrets even where the file is too broken to be read as YAML. */
const secretLine = /\b(network_token|token|passwd|password|K3S_TOKEN|K3S_AGENT_TOKEN)(["']?\s*[:=]\s*).+$/

/** A report over these files (path to text). */
export function createReport(texts: ReadonlyMap<string, string>): Report {
  const entries: Entry[] = []
  const secrets = new Set<string>()
  const lines = new Map([...texts].map(([file, text]) => [file, text.split(/\r?\n/)]))
  const order = new Map([...texts.keys()].map((file, index) => [file, index]))

  function add(severity: Diagnostic['severity']): Report['error'] {
    return (position, path, message, suggestion) => {
      entries.push({ severity, position, path, message, suggestion })
    }
  }

  function excerptOf({ file, line, column }: Position): string {
    if (column > excerptColumnsMax) return ''
    let excerpt = lines.get(file)?.[line - 1] ?? ''
    for (const secret of secrets) excerpt = excerpt.replaceAll(secret, '…')
    return excerpt.replace(secretLine, '$1$2…').slice(0, excerptColumnsMax)
  }

  return {
    error: add('error'),
    warning: add('warning'),
    hide: (secret) => {
      // Folded over several lines, a secret shows in pieces: hide each of them.
      for (const piece of secret.split(/\s+/)) if (piece.length >= 4) secrets.add(piece)
    },
    finish: () =>
      entries
        .toSorted(
          (a, b) =>
            (order.get(a.position.file) ?? -1) - (order.get(b.position.file) ?? -1) ||
            a.position.line - b.position.line ||
            a.position.column - b.position.column,
        )
        .map(({ severity, position, path, message, suggestion }) => ({
          severity,
          ...position,
          path,
          message,
          ...(suggestion === undefined ? {} : { suggestion }),
          excerpt: excerptOf(position),
        })),
  }
}

/** How a diagnostic is printed. */
export interface FormatOptions {
  /** ANSI colours. */
  readonly colour: boolean
}

/**
 * One diagnostic as text, several lines without the last line's end:
 * `file:line:column: error: key: message`, the line with a caret under the place, and the suggestion.
 */
export function formatDiagnostic(diagnostic: Diagnostic, { colour }: FormatOptions): string {
  const paint = (format: Parameters<typeof styleText>[0], text: string): string =>
    colour ? styleText(format, text, { validateStream: false }) : text
  const { severity, file, line, column, path, message, suggestion, excerpt } = diagnostic
  const subject = path === '' ? '' : `${path}: `
  const place = paint('bold', `${file}:${line}:${column}:`)
  const lines = [
    `${place} ${paint(severity === 'error' ? 'red' : 'yellow', `${severity}:`)} ${subject}${message}`,
  ]
  if (excerpt.trim() !== '') {
    const gutter = String(line)
    // Tabs stay tabs, so that the caret stands under its place whatever their width.
    const indent = excerpt
      .slice(0, column - 1)
      .replaceAll(/[^\t]/g, ' ')
      .padEnd(Math.min(column - 1, excerptColumnsMax))
    lines.push(`  ${gutter} | ${excerpt}`)
    lines.push(`  ${' '.repeat(gutter.length)} | ${indent}${paint('green', '^')}`)
  }
  if (suggestion !== undefined) lines.push(`  ${paint('cyan', 'help:')} ${suggestion}`)
  return lines.join('\n')
}
