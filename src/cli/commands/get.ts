import type {
  AddressList,
  ConditionList,
  ExplainResource,
  MemberList,
  PeerList,
  PlanResource,
} from '../../agent/api/resources.ts'
import { formatTable } from '../../table.ts'
import { ask } from '../agent-access.ts'
import { agentFlags, type Command, outputFlag } from '../command.ts'
import { formatOf, printList, printResource } from '../render.ts'
import {
  addressColumns,
  assignmentColumns,
  conditionColumns,
  explanationText,
  memberColumns,
  peerColumns,
  planText,
} from '../resources.ts'

const flags = { ...outputFlag, ...agentFlags }

/** A command that prints one list of the agent's. */
function getCommand(
  noun: string,
  summary: string,
  print: (invocation: Parameters<Command['run']>[0]) => Promise<void>,
): Command {
  return {
    path: ['get', noun],
    summary,
    flags,
    examples: [`muster get ${noun}`, `muster get ${noun} -o wide`],
    run: print,
  }
}

export const getCommands: readonly Command[] = [
  getCommand('members', 'List everybody this node knows of the network', async (invocation) => {
    const list = await ask<MemberList>(invocation, '/v1/members')
    await printList(invocation.terminal, formatOf(invocation), list, memberColumns(list.now))
  }),
  getCommand('plan', 'Show the plan that the voters agreed on', async (invocation) => {
    const plan = await ask<PlanResource>(invocation, '/v1/plan')
    await printResource(invocation.terminal, formatOf(invocation), plan, (wide) => planText(plan, wide))
  }),
  getCommand('peers', 'List who was found how, and what goes wrong with whom', async (invocation) => {
    const list = await ask<PeerList>(invocation, '/v1/peers')
    await printList(invocation.terminal, formatOf(invocation), list, peerColumns)
  }),
  getCommand('conditions', 'List what holds for this node and what does not', async (invocation) => {
    const list = await ask<ConditionList>(invocation, '/v1/conditions')
    await printList(invocation.terminal, formatOf(invocation), list, conditionColumns(list.now))
  }),
  getCommand('addresses', 'List the overlay addresses and whose they are', async (invocation) => {
    const list = await ask<AddressList>(invocation, '/v1/addresses')
    await printList(invocation.terminal, formatOf(invocation), list, addressColumns)
  }),
  {
    path: ['plan', 'explain'],
    summary: 'Say why a node has its role and its addresses',
    positionals: [{ name: 'NODE' }],
    flags,
    examples: ['muster plan explain h3', 'muster plan explain 12D3KooW…'],
    run: async (invocation) => {
      const node = encodeURIComponent(invocation.words[0] ?? '')
      const explanation = await ask<ExplainResource>(invocation, `/v1/explain?node=${node}`)
      await printResource(invocation.terminal, formatOf(invocation), explanation, () =>
        explanationText(explanation),
      )
    },
  },
  {
    path: ['role', 'list'],
    summary: "List the nodes with their roles, as Kairos' verb does",
    flags,
    examples: ['muster role list'],
    run: async (invocation) => {
      const plan = await ask<PlanResource>(invocation, '/v1/plan')
      await printResource(invocation.terminal, formatOf(invocation), plan, (wide) =>
        formatTable(
          assignmentColumns.filter((column) => wide || column.wide !== true),
          plan.items,
        ),
      )
    },
  },
]
