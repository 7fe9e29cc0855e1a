import { apiVersion } from '../../agent/api/resources.ts'
import { protocolVersion, version } from '../../version.ts'
import { type Command, outputFlag } from '../command.ts'
import { formatOf, printResource } from '../render.ts'

export const aboutCommands: readonly Command[] = [
  {
    path: ['version'],
    summary: 'Print the version',
    flags: outputFlag,
    examples: ['muster version', 'muster version -o json'],
    run: async (invocation) => {
      const resource = {
        apiVersion,
        kind: 'Version',
        version,
        protocolVersion,
        node: process.versions.node,
      } as const
      await printResource(invocation.terminal, formatOf(invocation), resource, () => `muster ${version}\n`)
    },
  },
  {
    path: ['completion'],
    summary: 'Print a completion script for a shell',
    positionals: [{ name: 'SHELL', choices: ['bash', 'zsh', 'fish'] }],
    examples: [
      'source <(muster completion bash)',
      'muster completion zsh > "${fpath[1]}/_muster"',
      'muster completion fish > ~/.config/fish/completions/muster.fish',
    ],
    run: async ({ words, terminal, commands }) => {
      const { completionScript } = await import('../completion.ts')
      const shell = words[0] === 'zsh' || words[0] === 'fish' ? words[0] : 'bash'
      terminal.stdout.write(completionScript(shell, commands))
    },
  },
]
