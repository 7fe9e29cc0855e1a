import { join } from 'node:path'
import type { Invocation } from './command.ts'

/** Where the agent listens unless the configuration says otherwise, below `--root`. */
const defaultSocket = '/run/muster/agent.sock'

/** The agent's API socket: `--socket`, $MUSTER_SOCKET, or the usual place below `--root` or $MUSTER_ROOT. */
export function socketOf({ flags, terminal }: Pick<Invocation, 'flags' | 'terminal'>): string {
  const socket = flags.text('socket') ?? terminal.environment['MUSTER_SOCKET']
  if (socket !== undefined && socket !== '') return socket
  return join(flags.text('root') ?? terminal.environment['MUSTER_ROOT'] ?? '', defaultSocket)
}

/** Asks this machine's agent. */
export async function ask<T>(invocation: Invocation, path: string): Promise<T> {
  const { callAgent } = await import('../agent/api/client.ts')
  return callAgent<T>(socketOf(invocation), 'GET', path, undefined, { signal: invocation.signal })
}
