import type { LeaveRequest, OrderResource } from '../../agent/api/resources.ts'
import { type ExitCode, MusterError } from '../../errors.ts'
import { socketOf } from '../agent-access.ts'
import type { Invocation } from '../command.ts'
import { awaitGoal } from './wait.ts'

/** Takes this machine out of its cluster and waits, within `--timeout`, until that is certified. Throws ERR_ORDER_REFUSED. */
export async function leaveCluster(invocation: Invocation): Promise<ExitCode> {
  const { callAgent } = await import('../../agent/api/client.ts')
  const body: LeaveRequest = { cancel: false }
  const answer = await callAgent<OrderResource>(socketOf(invocation), 'POST', '/v1/leave', body, {
    signal: invocation.signal,
  })
  if (!answer.accepted) throw new MusterError('ERR_ORDER_REFUSED', { detail: answer.message })
  invocation.terminal.stderr.write(`${answer.message}\n`)
  return awaitGoal(invocation, 'Departed')
}
