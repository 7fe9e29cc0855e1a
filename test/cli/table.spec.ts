// Proves that the table of commands is sound, that mistakes in calling are told with a suggestion and exit code 2, and that help and completion follow from the table.
import { execFileSync, spawnSync } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import { describe, expect, it } from 'vitest'
import { durationMs, findCommand, flagsOf, parseCommand, wholeNumber } from '../../src/cli/arguments.ts'
import type { Command } from '../../src/cli/command.ts'
import { commands } from '../../src/cli/commands.ts'
import { completionScript, placesOf } from '../../src/cli/completion.ts'
import { commandHelp, overview } from '../../src/cli/help.ts'
import { muster } from './fake-agent.ts'

const names = commands.map((command) => command.path.join(' '))

describe('the table', () => {
  it('has every verb that the documentation promises, once', () => {
    const verbs = [
      ...[
        'token new',
        'token inspect',
        'config validate',
        'config schema',
        'config show',
        'agent',
        'status',
        'why',
      ],
      ...['get members', 'get plan', 'get peers', 'get conditions', 'get addresses', 'plan explain', 'wait'],
      ...[
        'kubeconfig',
        'spec show',
        'spec set',
        'spec diff',
        'spec apply',
        'version',
        'completion',
        'role list',
      ],
      ...[
        'up',
        'status',
        'exec',
        'kill',
        'restart',
        'wipe',
        'pause',
        'resume',
        'stop',
        'start',
        'partition',
      ].map((verb) => `lab ${verb}`),
      ...['leave', 'identity keep', 'start'],
      ...['lab heal', 'lab add', 'lab logs', 'lab down'],
    ]
    expect(names).toEqual(expect.arrayContaining(verbs))
    expect(new Set(names).size).toBe(names.length)
  })

  it.each(['generate-token', 'get-kubeconfig', 'validate', 'print-schema'])(
    'knows the verb %s of Kairos',
    (verb) => {
      expect(findCommand(commands, [verb])?.command.aliases).toContainEqual([verb])
    },
  )

  it.each(commands.map((command) => [command.path.join(' '), command] as const))(
    'shows %s well',
    (name, command) => {
      expect(command.summary).toMatch(/^[A-Z].*[^.]$/)
      expect(command.examples.length).toBeGreaterThan(0)
      // Examples are what the parser takes, or pipelines around it.
      for (const example of command.examples) expect(example).toContain('muster ')
      const help = commandHelp(command)
      for (const flag of Object.keys(flagsOf(command))) expect(help).toContain(`--${flag}`)
      expect(Math.max(...help.split('\n').map((line) => line.length))).toBeLessThanOrEqual(120)
      expect(overview(commands)).toContain(`  ${name}`)
    },
  )
})

describe('calling it wrongly', () => {
  it.each([
    [['statsu'], "'statsu' is no command; did you mean 'status'?"],
    [['get', 'membrs'], "'get membrs' is no command; did you mean 'get members'?"],
    [['lab', 'upp'], "'lab upp' is no command; did you mean 'up'?"],
    [['status', '--wathc'], "--wathc is no flag of `muster status`; did you mean '--watch'?"],
    [['status', '-o', 'jsn'], "-o is one of table, wide, json, yaml, not 'jsn'; did you mean 'json'?"],
    [['status', '-o'], '-o needs a value (FORMAT)'],
    [['status', '--watch=yes'], '--watch takes no value'],
    [['status', 'now'], "`muster status` does not take 'now'"],
    [['status', '-o', 'json', '-o', 'yaml'], '-o is given twice'],
    [['wait'], '`muster wait` needs GOAL'],
    [['wait', 'sunrise'], "'sunrise' is no goal"],
    [['wait', 'active', '--timeout', 'soon'], "--timeout is a time such as 180, 30s or 3m, not 'soon'"],
    [['lab', 'up', '--nodes', '0'], "--nodes is a whole number from 1 to 200, not '0'"],
    [['--watch', 'status'], '--watch stands before any command'],
    [['spec', 'apply', '/nowhere/spec.yaml'], undefined],
  ])('%j', async (words, message) => {
    const { code, stdout, stderr } = await muster(words, { MUSTER_SOCKET: '/nowhere/agent.sock' })
    expect(stdout).toBe('')
    if (message === undefined) expect(code).toBe(3)
    else {
      expect(stderr).toContain(`muster: ${message}`)
      expect(code).toBe(2)
    }
  })
})

describe('asking for help', () => {
  it('is data on stdout, from anywhere', async () => {
    for (const words of [
      ['--help'],
      ['help'],
      ['get', '--help'],
      ['help', 'get', 'plan'],
      ['lab', 'up', '-h'],
    ]) {
      const { code, stdout, stderr } = await muster(words)
      expect([code, stderr]).toEqual([0, ''])
      expect(stdout).toContain('Usage: muster ')
    }
  })

  it('is talk on stderr when nothing was asked for', async () => {
    expect(await muster([])).toMatchObject({
      code: 2,
      stdout: '',
      stderr: expect.stringContaining('Commands:'),
    })
  })
})

describe('parseCommand', () => {
  const command: Command = {
    path: ['try'],
    summary: 'Try',
    positionals: [{ name: 'HOST' }, { name: 'COMMAND', rest: true }],
    flags: {
      all: { type: 'boolean', short: 'a', summary: 'all' },
      peer: { type: 'string', multiple: true, summary: 'p' },
    },
    examples: [],
    run: async () => {},
  }

  it('leaves what stands behind -- alone', () => {
    const { words, flags } = parseCommand(command, ['-a', 'h1', '--', 'ip', '-br', '--all'])
    expect(words).toEqual(['h1', 'ip', '-br', '--all'])
    expect(flags.isSet('all')).toBe(true)
  })

  it('collects flags that may be repeated', () => {
    const { flags } = parseCommand(command, ['h1', 'x', '--peer', 'a', '--peer=b'])
    expect(flags.texts('peer')).toEqual(['a', 'b'])
  })

  it('reads numbers and times within bounds', () => {
    expect(wholeNumber('n', '7', 1, 7)).toBe(7)
    for (const text of ['8', '-1', '1.5', '', '1e3'])
      expect(() => wholeNumber('n', text, 1, 7)).toThrow(/--n/)
    expect(['500ms', '30', '30s', '3m', '1h'].map((text) => durationMs('t', text))).toEqual([
      500, 30_000, 30_000, 180_000, 3_600_000,
    ])
  })
})

describe('completion', () => {
  it('knows what may follow at every place', () => {
    const places = new Map(placesOf(commands).map(({ words, candidates }) => [words, [...candidates.keys()]]))
    expect(places.get('')).toEqual(expect.arrayContaining(['status', 'lab', 'get', 'generate-token']))
    expect(places.get('get')).toEqual(expect.arrayContaining(['members', 'plan']))
    expect(places.get('lab up')).toEqual(expect.arrayContaining(['--nodes', '--network', '--help']))
  })

  it.each([
    ['muster st', ['start', 'status']],
    ['muster get ', ['addresses', 'conditions', 'members', 'peers', 'plan']],
    ['muster status --w', ['--watch']],
    ['muster lab up --network ', ['default-route', 'ipv6-only', 'no-route']],
    ['muster completion ', ['--help', 'bash', 'fish', 'zsh']],
    ['muster lab exec h1 --n', ['--name']],
  ])('answers bash after `%s`', (line, expected) => {
    const words = line.split(' ')
    const script = `${completionScript('bash', commands)}
COMP_WORDS=(${words.map((word) => `'${word}'`).join(' ')}); COMP_CWORD=${words.length - 1}; _muster
printf '%s\\n' "\${COMPREPLY[@]}"`
    const answer = execFileSync('bash', ['-c', script], { encoding: 'utf8' })
    expect(answer.trim().split('\n').toSorted()).toEqual(expected)
  })

  const lacking = (['zsh', 'fish'] as const).filter(
    (shell) => spawnSync(shell, ['--version']).error !== undefined,
  )
  it.skipIf(lacking.length > 0)(
    `is valid zsh and fish (not installed here: ${lacking.join(', ') || 'none'})`,
    () => {
      for (const shell of ['zsh', 'fish'] as const) {
        const checked = spawnSync(shell, ['-n'], {
          input: completionScript(shell, commands),
          encoding: 'utf8',
        })
        expect(checked.stderr).toBe('')
      }
    },
  )
})

describe('the program', () => {
  const main = fileURLToPath(new URL('../../src/cli/main.ts', import.meta.url))

  it('exits with the code of the table and keeps stdout for data', () => {
    const version = spawnSync(process.execPath, [main, '--version'], { encoding: 'utf8' })
    expect([version.status, version.stdout]).toEqual([0, expect.stringMatching(/^muster \d+\.\d+\.\d+\n$/)])
    const wrong = spawnSync(process.execPath, [main, 'statsu'], { encoding: 'utf8' })
    expect([wrong.status, wrong.stdout]).toEqual([2, ''])
  })

  it('loads no network and no schema for `version` and `--help`', () => {
    const script = `
      import { registerHooks } from 'node:module'
      registerHooks({ load: (url, context, next) => { console.error(url); return next(url, context) } })
      process.argv = ['node', 'muster', 'version']
      await import(${JSON.stringify(main)})`
    const ran = spawnSync(process.execPath, ['--input-type=module', '-e', script], { encoding: 'utf8' })
    expect(ran.stderr).toContain('src/cli/commands/spec.ts')
    expect(ran.stderr).not.toMatch(/node_modules\/(libp2p|@libp2p|zod|yaml|pino|koffi)\//)
    expect(ran.stderr).not.toMatch(/src\/(adapters|components)/)
  })
})
