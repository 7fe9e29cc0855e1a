import type {
  IdentityResource,
  LeaveRequest,
  MemberList,
  OrderResource,
  SpecResource,
  StartRequest,
} from '../../agent/api/resources.ts'
import { MusterError } from '../../errors.ts'
import { ask, socketOf } from '../agent-access.ts'
import { usage } from '../arguments.ts'
import { agentFlags, type Command, type Flag, type Invocation } from '../command.ts'
import { awaitGoal } from './wait.ts'

const keyFlag: Readonly<Record<'key', Flag>> = {
  key: { type: 'string', value: 'FILE', summary: 'the operator key that `muster token new` wrote' },
}

/** What is decided about one machine: its goodbye, its key, and a birth that goes on without it. */
export const machineCommands: readonly Command[] = [
  {
    path: ['leave'],
    summary: 'Take this machine out of the cluster for good, and wait until that is certified',
    description: `A server first hands its place in the control plane to another machine; it is refused where none can take
it. The address becomes free with the plan that retires the node. k3s is stopped; its data stay.`,
    flags: {
      cancel: { type: 'boolean', summary: 'take the goodbye back: the machine stays, or joins again' },
      'no-wait': { type: 'boolean', summary: 'say goodbye and return at once' },
      timeout: {
        type: 'string',
        value: 'TIME',
        default: '900',
        summary: 'give up waiting after, in seconds or as 15m',
      },
      ...agentFlags,
    },
    examples: ['muster leave', 'muster leave --cancel'],
    run: async (invocation) => {
      const cancel = invocation.flags.isSet('cancel')
      const answer = await post(invocation, '/v1/leave', { cancel } satisfies LeaveRequest)
      invocation.terminal.stderr.write(`${answer.message}\n`)
      if (cancel || invocation.flags.isSet('no-wait')) return
      const code = await awaitGoal(invocation, 'Departed')
      if (code === 0) invocation.terminal.stderr.write('this node has left the cluster\n')
      return code
    },
  },
  {
    path: ['identity', 'keep'],
    summary: 'Say that this machine is the node whose disk it runs on, and end its quarantine',
    description: `Only when the original is off for good: two machines with one key are worse than none. Signed with the
operator key; where the token has none, root on this machine decides.`,
    flags: { ...keyFlag, ...agentFlags },
    examples: ['muster identity keep --key muster-operator.key'],
    run: async (invocation) => {
      const present = await ask<IdentityResource>(invocation, '/v1/identity')
      if (present.quarantine === null) {
        invocation.terminal.stderr.write('the identity of this node is not in doubt\n')
        return
      }
      const answer =
        present.operatorKey === 'none'
          ? await post(invocation, '/v1/identity/keep', {})
          : await signed(invocation, async (key) => {
              const { keepOrder } = await import('../../agent/api/operator.ts')
              return keepOrder(key, present)
            })
      invocation.terminal.stderr.write(`${answer.message}\n`)
    },
  },
  {
    path: ['start'],
    summary: 'Let a birth with bootstrap auto go on without machines that fell silent',
    description: `auto decides nothing without a machine that it ever heard of. This order names those that are gone for
good; a machine that is only cut off could found a second cluster. Signed with the operator key; where the
token has none, root decides.`,
    flags: {
      without: { type: 'string', value: 'NODE', multiple: true, summary: 'node id, its end, or hostname' },
      ...keyFlag,
      ...agentFlags,
    },
    examples: ['muster start --without h4 --key muster-operator.key'],
    run: async (invocation) => {
      const wanted = invocation.flags.texts('without')
      if (wanted.length === 0) throw usage('name whom to go on without: --without NODE')
      const present = await ask<SpecResource>(invocation, '/v1/spec')
      const { items } = await ask<MemberList>(invocation, '/v1/members')
      const ids = wanted.map((text) => idOf(text, items))
      const answer =
        present.operatorKey === 'none'
          ? await post(invocation, '/v1/start', { without: ids } satisfies StartRequest)
          : await signed(invocation, async (key) => {
              const { withoutOrder } = await import('../../agent/api/operator.ts')
              return withoutOrder(key, present, ids)
            })
      invocation.terminal.stderr.write(`${answer.message}\n`)
    },
  },
]

/** Who is meant: a whole id (also of a machine that was never admitted), the end of one, or a hostname. */
function idOf(text: string, members: MemberList['items']): string {
  const found = members.filter(
    ({ nodeId, hostname }) =>
      hostname === text || nodeId === text || (text.length >= 6 && nodeId.endsWith(text)),
  )
  if (found.length > 1) throw usage(`${text} may be any of ${found.map(({ nodeId }) => nodeId).join(', ')}`)
  if (found[0] !== undefined) return found[0].nodeId
  if (/^[1-9A-HJ-NP-Za-km-z]{32,64}$/.test(text)) return text
  throw usage(`no machine ${text} was heard of: see \`muster get members\``)
}

async function signed(
  invocation: Invocation,
  make: (keyPath: string) => Promise<object>,
): Promise<OrderResource> {
  const key = invocation.flags.text('key')
  if (key === undefined) throw usage('an order is signed: name the operator key with --key FILE')
  return post(invocation, '/v1/order', await make(key))
}

async function post(invocation: Invocation, path: string, body: object): Promise<OrderResource> {
  const { callAgent } = await import('../../agent/api/client.ts')
  const { signal } = invocation
  const answer = await callAgent<OrderResource>(socketOf(invocation), 'POST', path, body, { signal })
  if (!answer.accepted) throw new MusterError('ERR_ORDER_REFUSED', { detail: answer.message })
  return answer
}
