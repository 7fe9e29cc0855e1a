// Proves that a server that says itself that the data of its etcd member are gone is replaced like a dead one, keeps its vote, and
// that nobody else's word does it.
import { expect, it } from 'vitest'
import type { Case } from './judge-steps.ts'
import { Site, node, signed } from './site.ts'
import type { Spoil } from './spoil.ts'
import { restated, spoilt, verdictOf, without } from './spoil.ts'

/** Halts a server and lets it say why, under the newest plan. */
function lose(site: Site, id: string): void {
  site.set(id, { phase: 'stopped' })
  const { generation } = site.chain()
  site.say(id, { kind: 'lost', ...site.base(), generation, memberId: `e${id.slice(-4)}` })
}

function settled(machines: number): { readonly site: Site; readonly victim: string } {
  const site = new Site(machines).born()
  site.settle()
  return { site, victim: site.servers()[0] as string }
}

/** The removal of a server that lost its data, and its parent. */
function removalOf(site: Site, victim: string): Case {
  const parent = site.certified().plan
  lose(site, victim)
  site.report()
  const planned = site.next()
  if (planned.kind === 'nothing') throw new Error(planned.reasons.join(' '))
  return { parent, plan: planned.plan }
}

it('removes the member, keeps the vote, and takes the same machine again where there is no other', () => {
  const { site, victim } = settled(3)
  const { plan } = removalOf(site, victim)
  expect(plan.header).toMatchObject({
    openChange: { kind: 'remove', node: victim, etcdMemberId: `e${victim.slice(-4)}` },
    voters: site.chain().voters,
  })
  site.certify(plan)
  site.report()
  expect(site.next()).toMatchObject({ kind: 'nothing' })
  site.set(victim, { phase: 'k3s-ready' })
  site.settle()
  expect(site.servers()).toContain(victim)
  expect(site.chain().openChange).toBeNull()
})

it('takes in nobody beside a server that halted and has not said why yet', () => {
  const { site, victim } = settled(4)
  site.order({ ...site.spec, controlPlane: 5 })
  site.set(victim, { phase: 'stopped' })
  site.report()
  const words = [expect.stringContaining('has halted: etcd takes in nobody')]
  expect(site.next()).toMatchObject({ plan: { header: { openChange: null } } })
  const ordered = site.next()
  if (ordered.kind === 'propose') site.certify(ordered.plan)
  site.report()
  expect(site.next()).toMatchObject({ kind: 'nothing', reasons: words })
})

it('gives up an addition that has not begun', () => {
  const site = new Site(5).born()
  site.settle()
  const before = site.servers()
  site.order({ ...site.spec, controlPlane: 5 })
  site.report()
  const adding = site.next()
  if (adding.kind === 'nothing') throw new Error('no addition')
  site.certify(adding.plan)
  const { generation } = site.chain()
  const [victim = '', reader = ''] = before
  lose(site, victim)
  site.say(reader, { kind: 'members', ...site.base(), generation, members: site.members(before) })
  const planned = site.next()
  expect(planned).toMatchObject({ kind: 'propose', plan: { header: { openChange: null } } })
  if (planned.kind === 'propose') site.certify(planned.plan)
  expect(site.servers()).toEqual(before)
})

it('is planned by the server itself, which sees no etcd and takes it not for lost', () => {
  const { site, victim } = settled(3)
  const blind = { self: victim, etcd: { members: undefined } }
  site.report()
  expect(site.next(blind)).toMatchObject({
    kind: 'nothing',
    reasons: [expect.stringContaining('etcd has no quorum')],
  })
  lose(site, victim)
  expect(site.next(blind)).toMatchObject({
    kind: 'propose',
    plan: { header: { openChange: { kind: 'remove', node: victim } } },
  })
})

it('believes nobody who does not halt, and no word of an earlier plan', () => {
  const { site, victim } = settled(4)
  lose(site, victim)
  site.set(victim, { phase: 'k3s-ready' })
  site.report()
  expect(site.next().kind).toBe('nothing')
  site.set(victim, { phase: 'stopped' })
  site.statements = []
  const old = { ...site.base(), generation: site.chain().generation - 1, memberId: `e${victim.slice(-4)}` }
  site.say(victim, { kind: 'lost', ...old })
  site.report()
  expect(site.next().kind).toBe('nothing')
})

/** What is wrong, and how to make it so. */
const table: readonly (readonly [string, Spoil])[] = [
  ['without its word', without('lost')],
  [
    'with a word about another member',
    restated((one) => (one.kind === 'lost' ? { ...one, memberId: 'ff' } : one)),
  ],
  [
    'with a word of an earlier plan',
    restated((one) => (one.kind === 'lost' ? { ...one, generation: one.generation - 1 } : one)),
  ],
  [
    'with the word of another',
    {
      body: ({ evidence }, { header }) => ({
        evidence: evidence.map((one) =>
          one.statement.kind === 'lost'
            ? signed(header.voters.find((id) => id !== one.signer) ?? node(9), one.statement)
            : one,
        ),
      }),
    },
  ],
]

it.each(table)('refuses the removal %s', (_what, spoil) => {
  const { site, victim } = settled(4)
  const step = removalOf(site, victim)
  expect(verdictOf(step, step.plan)).toBe('acceptable')
  expect(verdictOf(step, spoilt(step, spoil))).toBe('RemovedUnproven')
})
