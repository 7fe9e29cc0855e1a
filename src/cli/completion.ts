import { flagsOf } from './arguments.ts'
import type { Command } from './command.ts'

// Completion scripts, made from the table of commands. They ask no program, so that they answer at once.

/** What may follow at one place of the command line. */
interface Place {
  /** The words so far, without flags; empty: right after `muster`. */
  readonly words: string
  /** What may follow, with one phrase each. */
  readonly candidates: ReadonlyMap<string, string>
}

/** A completion script for a shell. */
export function completionScript(shell: 'bash' | 'zsh' | 'fish', commands: readonly Command[]): string {
  if (shell === 'fish') return fish(commands)
  const script = bash(commands)
  // zsh runs bash's functions through its own adapter; `#compdef` lets it be found on the function path.
  return shell === 'bash'
    ? `${script}complete -F _muster muster\n`
    : `#compdef muster\nautoload -U +X bashcompinit && bashcompinit\n${script}complete -F _muster muster\n`
}

/** Places in which something can be completed, the longest first. */
export function placesOf(commands: readonly Command[]): readonly Place[] {
  const places = new Map<string, Map<string, string>>()
  const add = (words: string, candidate: string, summary: string): void => {
    const candidates = places.get(words) ?? new Map<string, string>()
    // A command's own summary is better than that of a group it stands for.
    if (!candidates.has(candidate) || summary !== '') candidates.set(candidate, summary)
    places.set(words, candidates)
  }
  for (const command of commands) {
    for (const path of [command.path, ...(command.aliases ?? [])]) {
      for (const [index, word] of path.entries()) {
        add(path.slice(0, index).join(' '), word, index === path.length - 1 ? command.summary : '')
      }
      const here = path.join(' ')
      for (const choice of command.positionals?.[0]?.choices ?? []) add(here, choice, '')
      for (const [name, flag] of Object.entries(flagsOf(command))) add(here, `--${name}`, flag.summary)
    }
  }
  return [...places]
    .map(([words, candidates]) => ({ words, candidates }))
    .toSorted((a, b) => b.words.length - a.words.length || (a.words < b.words ? -1 : 1))
}

function bash(commands: readonly Command[]): string {
  const places = placesOf(commands)
    .filter(({ words }) => words !== '')
    .map(
      ({ words, candidates }) =>
        `    ${pattern(words)}) candidates="${[...candidates.keys()].join(' ')}" ;;\n`,
    )
  const top = placesOf(commands).find(({ words }) => words === '')
  const values = valuesOf(commands).map(
    ({ words, spellings, choices }) =>
      `    ${spellings.map((spelling) => `"${words}|${spelling}"`).join('|')}) candidates="${choices.join(' ')}" ;;\n`,
  )
  return `_muster() {
  local current="\${COMP_WORDS[COMP_CWORD]}" previous="\${COMP_WORDS[COMP_CWORD-1]}" path="" word candidates=""
  for word in "\${COMP_WORDS[@]:1:COMP_CWORD-1}"; do
    case "$word" in -*) ;; *) path="\${path:+$path }$word" ;; esac
  done
  case "$path" in
${places.join('')}    "") candidates="${[...(top?.candidates.keys() ?? [])].join(' ')}" ;;
  esac
  case "$path|$previous" in
${values.join('')}  esac
  COMPREPLY=($(compgen -W "$candidates" -- "$current"))
}
`
}

function fish(commands: readonly Command[]): string {
  const lines = placesOf(commands).flatMap(({ words, candidates }) =>
    [...candidates].map(([candidate, summary]) => {
      const what = candidate.startsWith('--') ? `-l ${candidate.slice(2)}` : `-a ${candidate}`
      const note = summary === '' ? '' : ` -d ${quote(summary)}`
      return `complete -c muster -f -n "__muster_at ${quote(words)}" ${what}${note}\n`
    }),
  )
  const values = valuesOf(commands).map(({ words, name, choices }) => {
    return `complete -c muster -f -n "__muster_at ${quote(words)}" -l ${name} -x -a ${quote(choices.join(' '))}\n`
  })
  return `function __muster_at
  set -l words (commandline -opc)[2..-1]
  set -l path (string match -v -- '-*' $words)
  test "$path" = "$argv[1]"; or string match -q -- "$argv[1] *" "$path"; and test -n "$argv[1]"
end
${lines.join('')}${values.join('')}`
}

/** Flags whose values are known. */
function valuesOf(
  commands: readonly Command[],
): { words: string; name: string; spellings: string[]; choices: readonly string[] }[] {
  return commands.flatMap((command) =>
    [command.path, ...(command.aliases ?? [])].flatMap((path) =>
      Object.entries(command.flags ?? {}).flatMap(([name, flag]) =>
        flag.choices === undefined
          ? []
          : [
              {
                words: path.join(' '),
                name,
                spellings: [`--${name}`, ...(flag.short === undefined ? [] : [`-${flag.short}`])],
                choices: flag.choices,
              },
            ],
      ),
    ),
  )
}

/** A command's words, with or without more behind them. */
function pattern(words: string): string {
  return `"${words}"|"${words} "*`
}

function quote(text: string): string {
  return `'${text.replaceAll("'", String.raw`\'`)}'`
}
