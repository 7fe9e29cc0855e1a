import { apiVersion } from '../../agent/api/resources.ts'
import type { ConfigReading, Rule } from '../../config/index.ts'
import { type ExitCode, MusterError } from '../../errors.ts'
import { formatTable } from '../../table.ts'
import { type Command, type Invocation, outputFlag, type Positional } from '../command.ts'
import { formatOf, printResource } from '../render.ts'
import { configFlags } from './agent.ts'

const files: Positional = { name: 'FILE', optional: true, rest: true }

export const configCommands: readonly Command[] = [
  {
    path: ['config', 'validate'],
    aliases: [['validate']],
    summary: 'Check cloud-config files and show every mistake with its place',
    description: `Exit code 4 when there is an error. Unknown keys are errors; a likely spelling is suggested.
So are keys of \`install:\` that no installer could carry out.`,
    positionals: [files],
    flags: { root: configFlags.root },
    examples: ['muster config validate', 'muster config validate site.yaml rack.yaml'],
    run: validate,
  },
  {
    path: ['config', 'schema'],
    aliases: [['print-schema']],
    summary: 'Print the JSON Schema of a cloud-config file',
    examples: ['muster config schema > muster.schema.json'],
    run: async ({ terminal }) => {
      const { configSchema } = await import('../../config/index.ts')
      terminal.stdout.write(`${JSON.stringify(configSchema(), undefined, 2)}\n`)
    },
  },
  {
    path: ['config', 'show'],
    summary: 'Show the configuration that the files and the defaults make together',
    positionals: [files],
    flags: {
      root: configFlags.root,
      origin: { type: 'boolean', summary: 'which file and line decided each declared key' },
      ...outputFlag,
    },
    examples: ['muster config show', 'muster config show --origin site.yaml'],
    run: show,
  },
]

async function validate(invocation: Invocation): Promise<ExitCode> {
  const { terminal } = invocation
  const { formatDiagnostic } = await import('../../config/index.ts')
  const { installRule } = await import('../../install/install-options.ts')
  const { reading, count } = await read(invocation, [installRule])
  const colour = terminal.stdout.isTTY === true && (terminal.environment['NO_COLOR'] ?? '') === ''
  for (const diagnostic of reading.diagnostics) {
    terminal.stdout.write(`${formatDiagnostic(diagnostic, { colour })}\n`)
  }
  refuseErrors(reading)
  terminal.stderr.write(`${count === 1 ? '1 file is' : `${count} files are`} valid\n`)
  return 0
}

async function show(invocation: Invocation): Promise<void> {
  const { terminal, flags } = invocation
  const { formatDiagnostic } = await import('../../config/index.ts')
  const { reading } = await read(invocation)
  for (const diagnostic of reading.diagnostics) {
    terminal.stderr.write(`${formatDiagnostic(diagnostic, { colour: false })}\n`)
  }
  refuseErrors(reading)
  if (flags.isSet('origin')) {
    const items = [...reading.origins]
      .map(([key, at]) => ({ key, ...at }))
      .toSorted((a, b) => (a.key < b.key ? -1 : 1))
    const list = { apiVersion, kind: 'OriginList', items } as const
    await printResource(terminal, formatOf(invocation), list, () =>
      formatTable(
        [
          { title: 'KEY', of: (item) => item.key },
          { title: 'DECIDED BY', of: ({ file, line, column }) => `${file}:${line}:${column}` },
        ],
        items,
      ),
    )
    return
  }
  const config = { ...reading.config, token: reading.config?.token === undefined ? undefined : '(hidden)' }
  const resource = { apiVersion, kind: 'Config', config } as const
  const { stringify } = await import('yaml')
  await printResource(terminal, formatOf(invocation), resource, () => stringify(config, { lineWidth: 0 }))
}

async function read(
  { words, flags, terminal }: Invocation,
  rules: readonly Rule[] = [],
): Promise<{ reading: ConfigReading; count: number }> {
  const { readConfig } = await import('../../config/index.ts')
  const { readConfigFiles } = await import('../../agent/config-files.ts')
  const root = flags.text('root') ?? terminal.environment['MUSTER_ROOT'] ?? ''
  const sources = readConfigFiles(words, root)
  if (sources.length === 0)
    throw new MusterError('ERR_CONFIG_UNREADABLE', { path: `${root}/etc/muster/*.yaml` })
  return { reading: readConfig(sources, 'agent', rules), count: sources.length }
}

function refuseErrors({ diagnostics }: ConfigReading): void {
  const count = diagnostics.filter(({ severity }) => severity === 'error').length
  if (count > 0) throw new MusterError('ERR_CONFIG_INVALID', { count })
}
