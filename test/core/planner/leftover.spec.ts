// Proves that the removal of a member that nobody planned may follow an open change at once, on a list that shows that change
// carried out, and on no other.
import { expect, it } from 'vitest'
import type { ClusterPlan } from '../../../src/core/model/plan.ts'
import type { EtcdMember } from '../../../src/core/model/statement.ts'
import { steps } from './judge-steps.ts'
import type { Spoil } from './spoil.ts'
import { aServer, aWorker, restated, roleOf, spoilt, verdictOf, without } from './spoil.ts'

const { leftover, removal } = steps()

const addressOf = ({ body }: ClusterPlan, id: string): string =>
  body.assignments.find((one) => one.nodeId === id)?.address4 ?? ''

/** Address of a worker of `removal`'s plan that etcd does not list. */
const spare = addressOf(removal.plan, aWorker(removal.plan))

/** Every list of members said otherwise. */
function relisted(change: (members: readonly EtcdMember[]) => readonly EtcdMember[]): Spoil {
  return restated((one) => (one.kind === 'members' ? { ...one, members: change(one.members) } : one))
}

/** What is wrong, and how to make it so. */
const table: readonly (readonly [string, Spoil])[] = [
  ['no etcd list', without('members')],
  [
    'a list with the member that was to be removed before',
    relisted((members) => [
      ...members,
      { id: removal.plan.header.openChange?.etcdMemberId ?? '', name: '', address: spare, learner: false },
    ]),
  ],
  [
    'a list that lacks a server',
    relisted((members) =>
      members.filter(({ address }) => address !== addressOf(removal.plan, aServer(removal.plan))),
    ),
  ],
  [
    'a list with a member of nobody',
    relisted((members) => [...members, { id: 'ff', name: '', address: '10.144.3.3', learner: false }]),
  ],
  [
    'the removal of a server',
    {
      ...roleOf(aServer, 'worker'),
      header: ({ openChange }) => ({
        openChange: openChange && { ...openChange, node: aServer(leftover.plan) },
      }),
    },
  ],
]

it('accepts the planner’s own removal of a leftover', () => {
  expect(removal.plan.header.openChange?.kind).toBe('remove')
  expect(leftover.plan.header.openChange).toMatchObject({ kind: 'remove' })
  expect(verdictOf(leftover, leftover.plan)).toBe('acceptable')
})

it.each(table)('refuses %s', (_what, spoil) => {
  expect(verdictOf(leftover, spoilt(leftover, spoil))).toBe('ChangeNotDone')
})
