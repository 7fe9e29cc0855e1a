import type { KubeconfigResource } from '../../agent/api/resources.ts'
import { MusterError } from '../../errors.ts'
import { ask } from '../agent-access.ts'
import { agentFlags, type Command } from '../command.ts'

export const kubeconfigCommand: Command = {
  path: ['kubeconfig'],
  aliases: [['get-kubeconfig']],
  summary: "Print the administrator's kubeconfig, with the address of a server",
  description: 'Where there is none to give, that is an error with exit code 3, never an empty line.',
  flags: agentFlags,
  examples: ['muster kubeconfig > ~/.kube/config'],
  run: async (invocation) => {
    const { kubeconfig } = await ask<KubeconfigResource>(invocation, '/v1/kubeconfig')
    if (kubeconfig.trim() === '') {
      throw new MusterError('ERR_NOT_READY', { detail: 'There is no kubeconfig yet.' })
    }
    invocation.terminal.stdout.write(kubeconfig.endsWith('\n') ? kubeconfig : `${kubeconfig}\n`)
  },
}
