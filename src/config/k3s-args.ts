/** One long flag of k3s with its values. */
export interface K3sFlag {
  /** Without dashes. */
  readonly name: string
  /** At least one; `true` for a flag without a value. */
  readonly values: readonly string[]
  /** Index of the argument that it came from, for messages. */
  readonly index: number
}

/** An argument that is no long flag. */
export interface K3sArgumentProblem {
  readonly index: number
  readonly message: string
}

/**
 * Reads arguments as k3s' command line does: `--name=value`, `--name value` (in one item or two) and `--name` alone.
 * Quotes group words. A repeated flag collects its values, in their order.
 */
export function parseK3sArguments(args: readonly string[]): {
  readonly flags: readonly K3sFlag[]
  readonly problems: readonly K3sArgumentProblem[]
} {
  const flags = new Map<string, { index: number; values: string[] }>()
  const problems: K3sArgumentProblem[] = []
  let open: { name: string; index: number } | undefined

  const add = (name: string, index: number, value: string): void => {
    const flag = flags.get(name)
    if (flag === undefined) flags.set(name, { index, values: [value] })
    else flag.values.push(value)
  }
  const close = (): void => {
    if (open !== undefined) add(open.name, open.index, 'true')
    open = undefined
  }

  for (const [index, argument] of args.entries()) {
    for (const word of splitWords(argument)) {
      const match = /^--([a-z][a-z0-9-]*)(?:=(.*))?$/s.exec(word)
      if (match !== null) {
        close()
        if (match[2] === undefined) open = { name: match[1]!, index }
        else add(match[1]!, index, match[2])
      } else if (word.startsWith('-')) {
        close()
        problems.push({ index, message: `\`${word}\` is not a long flag; write it as \`--name=value\`` })
      } else if (open !== undefined) {
        add(open.name, open.index, word)
        open = undefined
      } else {
        problems.push({ index, message: `\`${word}\` belongs to no flag` })
      }
    }
  }
  close()
  return { flags: [...flags].map(([name, { index, values }]) => ({ name, index, values })), problems }
}

/** Words of a shell line: quotes group, nothing is expanded. */
function splitWords(line: string): string[] {
  const words: string[] = []
  for (const match of line.matchAll(/(?:[^\s"']|"[^"]*"|'[^']*')+/g)) {
    words.push(
      match[0].replaceAll(
        /"([^"]*)"|'([^']*)'/g,
        (_, double?: string, single?: string) => double ?? single ?? '',
      ),
    )
  }
  return words
}
