import { setFlagsFromString } from 'node:v8'
import { type Command, type Flag } from '../command.ts'

/** Which cloud-config files are meant. */
export const configFlags: Readonly<Record<'config' | 'root', Flag>> = {
  config: {
    type: 'string',
    short: 'c',
    value: 'FILE',
    multiple: true,
    summary: 'a cloud-config file (default: /etc/muster/*.yaml)',
  },
  root: { type: 'string', value: 'DIR', summary: 'put this before every path of the machine' },
}

export const agentCommand: Command = {
  path: ['agent'],
  summary: 'Run the agent of this machine until it is told to stop',
  description: `Finds the other machines, agrees with them on a plan, makes the overlay and runs k3s as the plan says.
Logs one line for each change of state to stderr. Normally started by systemd.`,
  flags: {
    ...configFlags,
    k3s: { type: 'string', value: 'PATH', summary: 'the k3s binary (default: as configured)' },
    services: {
      type: 'string',
      value: 'KIND',
      choices: ['systemd', 'process'],
      default: 'systemd',
      summary: 'who runs k3s',
    },
    'log-format': {
      type: 'string',
      value: 'FORMAT',
      choices: ['text', 'json'],
      summary: 'how to log (default: text on a terminal, else json)',
    },
  },
  examples: ['muster agent', 'muster agent --config site.yaml --log-format json'],
  run: async ({ flags, terminal, signal }) => {
    // V8 lets the space for new objects grow to 48 MB while all the code is loaded, and keeps it. The agent runs
    // well in the 2 MB that it begins with: 10 MB less are resident, on every machine, however it is started.
    // The rest of the heap grows in small steps, since an agent that is up makes little garbage.
    setFlagsFromString('--semi-space-growth-factor=1')
    setFlagsFromString('--optimize-for-size')
    setFlagsFromString('--heap-growing-percent=15')
    const { runAgent } = await import('../../agent/main.ts')
    const format = flags.text('log-format') ?? (terminal.stderr.isTTY === true ? 'text' : 'json')
    await runAgent(
      {
        configFiles: flags.texts('config'),
        root: flags.text('root') ?? '',
        k3sPath: flags.text('k3s'),
        services: flags.text('services') === 'process' ? 'process' : 'systemd',
        logFormat: format === 'json' ? 'json' : 'text',
      },
      signal,
    )
  },
}
