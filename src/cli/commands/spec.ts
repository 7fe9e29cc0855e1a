import { readFileSync } from 'node:fs'
import { apiVersion, type OrderResource, type SpecResource } from '../../agent/api/resources.ts'
import { CodecError } from '../../core/model/codec.ts'
import type { ClusterSpec } from '../../core/model/spec.ts'
import { specCodec } from '../../core/model/wire.ts'
import { MusterError } from '../../errors.ts'
import { formatTable } from '../../table.ts'
import { ask, socketOf } from '../agent-access.ts'
import { usage } from '../arguments.ts'
import { agentFlags, type Command, type Flag, type Invocation, outputFlag } from '../command.ts'
import { formatOf, printResource } from '../render.ts'
import { type SpecChange, specChanges, withSettings } from '../spec-changes.ts'

const orderFlags: Readonly<Record<'key' | 'dry-run', Flag>> = {
  key: { type: 'string', value: 'FILE', summary: 'the operator key that `muster token new` wrote' },
  'dry-run': { type: 'boolean', summary: 'show what would change, and order nothing' },
}

export const specCommands: readonly Command[] = [
  {
    path: ['spec', 'show'],
    summary: 'Show what the cluster should be: the spec of the newest plan',
    flags: { ...outputFlag, ...agentFlags },
    examples: ['muster spec show', 'muster spec show > spec.yaml'],
    run: async (invocation) => {
      const present = await ask<SpecResource>(invocation, '/v1/spec')
      const { stringify } = await import('yaml')
      const origin =
        present.source === 'plan'
          ? `# generation ${present.generation}\n`
          : "# not agreed yet: what this machine's files ask for\n"
      await printResource(invocation.terminal, formatOf(invocation), present, () =>
        origin.concat(stringify(present.spec, { lineWidth: 0 })),
      )
    },
  },
  {
    path: ['spec', 'diff'],
    summary: 'Show what a spec file would change',
    positionals: [{ name: 'FILE' }],
    flags: { ...outputFlag, ...agentFlags },
    examples: ['muster spec diff spec.yaml'],
    run: async (invocation) => {
      const present = await ask<SpecResource>(invocation, '/v1/spec')
      const wanted = await specOfFile(invocation.words[0] ?? '')
      await printChanges(invocation, specChanges(present.spec, wanted))
    },
  },
  {
    path: ['spec', 'set'],
    summary: "Order a change of single keys of the cluster's spec",
    positionals: [{ name: 'KEY=VALUE', rest: true }],
    flags: { ...orderFlags, ...outputFlag, ...agentFlags },
    examples: [
      'muster spec set controlPlane=5 --key muster-operator.key',
      "muster spec set 'k3s.disable=[traefik]' --dry-run",
    ],
    run: async (invocation) => {
      const present = await ask<SpecResource>(invocation, '/v1/spec')
      const { parse } = await import('yaml')
      const wanted = withSettings(present.spec, invocation.words, (text) => parse(text) as unknown)
      await order(invocation, present, checkedSpec(wanted))
    },
  },
  {
    path: ['spec', 'apply'],
    summary: 'Order the spec of a file, signed with the operator key',
    description: `The order is handed to the voters, who turn it into a plan. What the charter froze (addresses, the
cluster's networks and the like) cannot be changed any more and is refused.`,
    positionals: [{ name: 'FILE' }],
    flags: { ...orderFlags, ...outputFlag, ...agentFlags },
    examples: [
      'muster spec apply spec.yaml --key muster-operator.key',
      'muster spec apply spec.yaml --dry-run',
    ],
    run: async (invocation) => {
      const present = await ask<SpecResource>(invocation, '/v1/spec')
      await order(invocation, present, await specOfFile(invocation.words[0] ?? ''))
    },
  },
]

async function order(invocation: Invocation, present: SpecResource, wanted: ClusterSpec): Promise<void> {
  const { flags, terminal, signal } = invocation
  const changes = specChanges(present.spec, wanted)
  if (changes.length === 0 || flags.isSet('dry-run')) return printChanges(invocation, changes)
  const key = flags.text('key')
  if (key === undefined) throw usage('an order is signed: name the operator key with --key FILE')
  const { specOrder } = await import('../../agent/api/operator.ts')
  const { callAgent } = await import('../../agent/api/client.ts')
  const body = await specOrder(key, present, wanted)
  const answer = await callAgent<OrderResource>(socketOf(invocation), 'POST', '/v1/order', body, { signal })
  if (!answer.accepted) throw new MusterError('ERR_ORDER_REFUSED', { detail: answer.message })
  await printChanges(invocation, changes)
  terminal.stderr.write(
    `${answer.message}; \`muster wait plan=${present.generation + 1}\` waits for the next plan\n`,
  )
}

async function printChanges(invocation: Invocation, changes: readonly SpecChange[]): Promise<void> {
  const resource = { apiVersion, kind: 'SpecChangeList', items: changes } as const
  await printResource(invocation.terminal, formatOf(invocation), resource, () =>
    changes.length === 0
      ? ''
      : formatTable(
          [
            { title: 'KEY', of: ({ key }: SpecChange) => key },
            { title: 'IS', of: ({ from }: SpecChange) => JSON.stringify(from) ?? '' },
            { title: 'WILL BE', of: ({ to }: SpecChange) => JSON.stringify(to) ?? '' },
          ],
          changes,
        ),
  )
  if (changes.length === 0) invocation.terminal.stderr.write('nothing differs\n')
}

/** A spec from a file: what `spec show` prints, or its `-o yaml` and `-o json` forms. */
async function specOfFile(path: string): Promise<ClusterSpec> {
  const { parse } = await import('yaml')
  let text: string
  try {
    text = readFileSync(path, 'utf8')
  } catch (error) {
    throw new MusterError('ERR_CONFIG_UNREADABLE', { path }, { cause: error })
  }
  let tree: unknown
  try {
    tree = parse(text)
  } catch (error) {
    throw invalid(path, error instanceof Error ? error.message : String(error), error)
  }
  if (typeof tree === 'object' && tree !== null && 'kind' in tree && 'spec' in tree) tree = tree.spec
  return checkedSpec(tree, path)
}

/** A spec that is whole and within its bounds. Throws ERR_SPEC_INVALID. */
function checkedSpec(tree: unknown, path = 'the spec'): ClusterSpec {
  try {
    return specCodec.read(tree, '')
  } catch (error) {
    if (error instanceof CodecError) throw invalid(path, error.message, error)
    throw error
  }
}

function invalid(path: string, detail: string, cause: unknown): MusterError {
  return new MusterError('ERR_SPEC_INVALID', { path, detail }, { cause })
}
