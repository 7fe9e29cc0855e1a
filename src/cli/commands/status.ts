import { setTimeout as sleep } from 'node:timers/promises'
import type { StatusResource, WhyResource } from '../../agent/api/resources.ts'
import { ask, socketOf } from '../agent-access.ts'
import { agentFlags, type Command, type Invocation, outputFlag } from '../command.ts'
import { formatOf, printResource } from '../render.ts'
import { statusText } from '../resources.ts'

export const statusCommands: readonly Command[] = [
  {
    path: ['status'],
    summary: 'Show this node: who it is, how far it is, and what it waits for',
    description: `Everything awaited is named: how many there are and how many are needed, who is missing, since when,
and when it is tried next. \`-o wide\` shows the conditions that hold as well.`,
    flags: {
      watch: { type: 'boolean', short: 'w', summary: 'again with every change' },
      ...outputFlag,
      ...agentFlags,
    },
    examples: ['muster status', 'muster status --watch', 'muster status -o json'],
    run: async (invocation) => {
      if (invocation.flags.isSet('watch')) return watch(invocation)
      await print(invocation, await ask<StatusResource>(invocation, '/v1/status'))
    },
  },
  {
    path: ['why'],
    summary: 'Say what stands in the way of this node, and what to do about it',
    flags: { ...outputFlag, ...agentFlags },
    examples: ['muster why'],
    run: async (invocation) => {
      const answer = await ask<WhyResource>(invocation, '/v1/why')
      await printResource(invocation.terminal, formatOf(invocation), answer, () =>
        answer.items.map((reason) => `${reason}\n`).join(''),
      )
    },
  },
]

async function print(invocation: Invocation, status: StatusResource): Promise<void> {
  await printResource(invocation.terminal, formatOf(invocation), status, (wide) => statusText(status, wide))
}

/** Shows every change until ^C; goes on when the agent is started again. */
async function watch(invocation: Invocation): Promise<void> {
  const { signal, terminal } = invocation
  const { watchAgent } = await import('../../agent/api/client.ts')
  const isData = formatOf(invocation) === 'json'
  let reported = ''
  while (!signal.aborted) {
    try {
      for await (const status of watchAgent<StatusResource>(socketOf(invocation), signal)) {
        // A stream of JSON is one value a line, so that other programs can read it.
        if (isData) terminal.stdout.write(`${JSON.stringify(status)}\n`)
        else {
          if (terminal.stdout.isTTY === true) terminal.stdout.write('\u001B[H\u001B[2J')
          await print(invocation, status)
          if (terminal.stdout.isTTY !== true) terminal.stdout.write('---\n')
        }
      }
      reported = ''
    } catch (error) {
      const message = error instanceof Error ? error.message : String(error)
      if (!signal.aborted && message !== reported) terminal.stderr.write(`muster: ${message}\n`)
      reported = message
    }
    await sleep(1_000, undefined, { signal }).catch(() => undefined)
  }
}
