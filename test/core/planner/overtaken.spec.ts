// Proves that the removal of a server that died may take the place of one that etcd cannot carry out before it, and that nothing
// else may.
import { expect, it } from 'vitest'
import type { OpenChange } from '../../../src/core/model/plan.ts'
import { planHash } from '../../../src/core/model/plan-hash.ts'
import { defaultSpec } from '../../../src/core/model/spec.ts'
import type { Case } from './judge-steps.ts'
import { Site, crypto } from './site.ts'
import type { Spoil } from './spoil.ts'
import { aServer, aWorker, roleOf, spoilt, verdictOf, without } from './spoil.ts'

/** Three servers of which one is to go by the operator's order; the plan that opens its removal is certified. */
function leavingOne(): { readonly site: Site; readonly leaving: string } {
  const site = new Site(4).born()
  site.settle()
  site.order({ ...defaultSpec, controlPlane: 1 })
  site.report()
  propose(site)
  return { site, leaving: site.chain().openChange?.node ?? '' }
}

function propose(site: Site): OpenChange | null {
  const planned = site.next()
  if (planned.kind === 'nothing') throw new Error(planned.reasons.join(' '))
  site.certify(planned.plan)
  return site.chain().openChange
}

/** The planner's own step, with its parent. */
function overtaken(): Case {
  const { site, leaving } = leavingOne()
  const parent = site.certified().plan
  site.kill(site.servers()[0] as string)
  site.report([leaving])
  propose(site)
  return { parent, plan: site.certified().plan }
}

it('removes a server that died before the one that etcd cannot remove without it, and that one after', () => {
  const { site, leaving } = leavingOne()
  const [dead = '', kept = ''] = site.servers()
  site.report([leaving])
  expect(site.next()).toMatchObject({ kind: 'nothing' })
  site.kill(dead)
  expect(propose(site)).toEqual({ kind: 'remove', node: dead, etcdMemberId: `e${dead.slice(-4)}` })
  expect(site.servers()).toEqual([kept])
  site.report([leaving])
  expect(propose(site)).toEqual({ kind: 'remove', node: leaving, etcdMemberId: `e${leaving.slice(-4)}` })
  site.report()
  expect(propose(site)).toBeNull()
  expect(site.servers()).toEqual([kept])
})

it('leaves the removal alone while the other servers have a quorum', () => {
  const site = new Site(6, { controlPlane: 5 }).born()
  site.settle()
  site.order({ ...defaultSpec, controlPlane: 3 })
  site.report()
  const leaving = propose(site)?.node ?? ''
  site.kill(site.servers()[0] as string)
  site.report([leaving])
  expect(propose(site)).toMatchObject({ kind: 'remove', node: leaving })
})

it('leaves the removal alone where etcd has no quorum either', () => {
  const { site, leaving } = leavingOne()
  site.set(leaving, { liveness: 'dead', since: 0 })
  site.kill(site.servers()[0] as string)
  site.report([leaving])
  expect(site.next()).toMatchObject({ kind: 'nothing' })
})

/** What is wrong, how to make it so, and the rule that must catch it. */
const table: readonly (readonly [string, Spoil, string])[] = [
  ['no proof of the death', without('dead'), 'ChangeNotDone'],
  ['no list of etcd', without('members'), 'ChangeMember'],
  [
    'a member id that no list shows',
    { header: ({ openChange }) => ({ openChange: openChange && { ...openChange, etcdMemberId: 'ff' } }) },
    'ChangeMember',
  ],
  ['a second server that goes', roleOf(aServer, 'worker'), 'OneChange'],
  [
    'a removal of another node',
    {
      header: (header) => ({
        openChange: header.openChange && { ...header.openChange, node: aServer(overtaken().plan) },
      }),
    },
    'ChangeNotDone',
  ],
  [
    'an addition',
    {
      header: () => ({ openChange: { kind: 'add', node: aWorker(overtaken().plan), etcdMemberId: '' } }),
    },
    'ChangeNotDone',
  ],
  ['no change', { header: () => ({ openChange: null }) }, 'ChangeNotDone'],
]

it('is accepted as the planner makes it', () => {
  const step = overtaken()
  expect(verdictOf(step, step.plan)).toBe('acceptable')
})

it.each(table)('is refused with %s', (_what, spoil, rule) => {
  const step = overtaken()
  expect(verdictOf(step, spoilt(step, spoil))).toBe(rule)
})

it('does not take the place of an addition', () => {
  const step = overtaken()
  const openChange = { kind: 'add' as const, node: aServer(step.plan), etcdMemberId: '' }
  const parent = step.parent && { ...step.parent, header: { ...step.parent.header, openChange } }
  const parentHash = parent === undefined ? '' : planHash(parent.header, crypto)
  const plan = spoilt(step, { header: () => ({ parentHash }) })
  expect(verdictOf({ parent, plan }, plan)).toBe('ChangeNotDone')
})
