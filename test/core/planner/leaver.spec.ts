// Proves that a server that said goodbye counts for etcd's quorum as long as it serves, and that a dead one is removed before it.
import { expect, it } from 'vitest'
import type { OpenChange } from '../../../src/core/model/plan.ts'
import { Site } from './site.ts'

/** Three servers and two spares: one server has said goodbye, another one died. */
function leavingBesideADeath(): { readonly site: Site; readonly leaver: string; readonly dead: string } {
  const site = new Site(5).born()
  site.settle()
  const [leaver = '', dead = ''] = site.servers()
  site.leave(leaver)
  site.kill(dead)
  return { site, leaver, dead }
}

function propose(site: Site): OpenChange | null {
  const planned = site.next()
  if (planned.kind === 'nothing') throw new Error(planned.reasons.join(' '))
  site.certify(planned.plan)
  return site.chain().openChange
}

it('removes the dead server first, and then the one that leaves', () => {
  const { site, leaver, dead } = leavingBesideADeath()
  site.report()
  expect(propose(site)).toMatchObject({ kind: 'remove', node: dead })
  for (let step = 0; step < 4 && site.servers().includes(leaver); step++) {
    site.report()
    propose(site)
  }
  expect(site.servers()).not.toContain(leaver)
  expect(site.servers()).not.toContain(dead)
})

it('changes nothing once the leaver no longer serves: etcd has no quorum then', () => {
  const { site, leaver } = leavingBesideADeath()
  site.report()
  site.statements = site.statements.filter(
    ({ statement, signer }) => statement.kind !== 'members' || signer !== leaver,
  )
  expect(site.next()).toMatchObject({
    kind: 'nothing',
    reasons: [expect.stringContaining('etcd has no quorum: 1 of 3 servers are alive')],
  })
})

it('gives up an addition that has not begun when one server dies and another one leaves', () => {
  const site = new Site(5, { controlPlane: 5 }).born()
  let added: string | undefined
  for (let step = 0; step < 6 && added === undefined; step++) {
    site.report()
    added = propose(site)?.node
  }
  const members = site.members(site.servers().filter((id) => id !== added))
  expect(members).toHaveLength(3)
  const [leaver = '', dead = '', kept = ''] = site.servers().filter((id) => id !== added)
  site.leave(leaver)
  site.kill(dead)
  const { generation } = site.chain()
  for (const id of [leaver, kept]) site.say(id, { kind: 'members', ...site.base(), generation, members })
  expect(propose(site)).toBeNull()
  expect(site.servers()).not.toContain(added)
  // Now the dead one can go.
  site.report()
  expect(propose(site)).toMatchObject({ kind: 'remove', node: dead })
})

it('counts a leaver whose role is gone while it serves, and retires it when a list shows that etcd has let go of it', () => {
  const site = new Site(5).born()
  site.settle()
  const [leaver = '', victim = '', kept = ''] = site.servers()
  site.leave(leaver)
  site.report()
  expect(propose(site)).toMatchObject({ kind: 'remove', node: leaver })
  // Before etcd has removed it, another server loses its data.
  const list = (members: readonly string[], ...readers: readonly string[]): void => {
    const { generation } = site.chain()
    for (const id of readers)
      site.say(id, { kind: 'members', ...site.base(), generation, members: site.members(members) })
  }
  site.set(victim, { phase: 'stopped' })
  const { generation } = site.chain()
  site.say(victim, { kind: 'lost', ...site.base(), generation, memberId: `e${victim.slice(-4)}` })
  list([leaver, victim, kept], kept)
  expect(site.next().kind).toBe('nothing')
  list([leaver, victim, kept], leaver)
  expect(propose(site)).toMatchObject({ kind: 'remove', node: victim })

  const isRetired = (): boolean => {
    const planned = site.next()
    return planned.kind !== 'nothing' && planned.plan.body.retired.some(({ nodeId }) => nodeId === leaver)
  }
  expect(isRetired()).toBe(false)
  list([leaver, kept], kept)
  expect(isRetired()).toBe(false)
  site.statements = site.statements.filter(({ statement }) => statement.kind !== 'members')
  list([kept], kept)
  expect(isRetired()).toBe(true)
})
