import { usage } from '../arguments.ts'
import type { Command } from '../command.ts'

/** The daemon itself. */
export const agentCommands: readonly Command[] = [
  {
    path: ['agent'],
    summary: 'Run the agent on this machine',
    description: `Reads the cloud-config files, finds the other machines of the network, agrees with them on a plan, and
carries out its part: overlay, then k3s. It goes on until it is told to stop; k3s and the overlay
device outlive it. Every transition is one line on stderr.`,
    flags: {
      config: {
        type: 'string',
        value: 'FILE',
        multiple: true,
        summary: 'cloud-config file (default: /etc/muster/*.yaml)',
      },
      root: { type: 'string', value: 'DIR', summary: 'prefix of all paths, for a host of the lab' },
      k3s: { type: 'string', value: 'PATH', summary: 'k3s binary (default: what the configuration says)' },
      services: {
        type: 'string',
        value: 'WHO',
        choices: ['systemd', 'process'],
        default: 'systemd',
        summary: 'who runs k3s',
      },
      'log-format': {
        type: 'string',
        value: 'FORMAT',
        choices: ['text', 'json'],
        default: 'text',
        summary: 'how to log',
      },
    },
    examples: ['muster agent', 'muster agent --config site.yaml --k3s /usr/local/bin/k3s'],
    run: async ({ flags, signal }) => {
      const services = flags.text('services')
      const logFormat = flags.text('log-format')
      if (services !== 'systemd' && services !== 'process') throw usage(`--services ${services}`)
      if (logFormat !== 'text' && logFormat !== 'json') throw usage(`--log-format ${logFormat}`)
      const { runAgent } = await import('../../agent/main.ts')
      await runAgent(
        {
          configFiles: flags.texts('config'),
          root: flags.text('root') ?? '',
          k3sPath: flags.text('k3s'),
          services,
          logFormat,
        },
        signal,
      )
    },
  },
]
