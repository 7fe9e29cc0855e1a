// Proves that the planner reaches the wanted cluster and then rests, step by step, on small sites where every
// plan is judged by the same rules as a voter's before it counts.
import { describe, expect, it } from 'vitest'

import { defaultSpec } from '../../../src/core/model/spec.ts'
import { deathsToAttest } from '../../../src/core/planner/deaths.ts'
import { explain } from '../../../src/core/planner/explain.ts'
import { Site, node } from './site.ts'

const five = { ...defaultSpec, controlPlane: 5 }

describe('birth', () => {
  it('goes from charter through grant to active and then rests', () => {
    const site = new Site(3).born()
    const words = site.settle()
    expect(site.history.map((plan) => plan.header.phase)).toEqual(['chartered', 'granted', 'active'])
    expect(words).toHaveLength(2)
    expect(site.servers()).toHaveLength(3)
    expect(site.next()).toMatchObject({ kind: 'nothing' })
  })

  it('gives one machine a cluster of its own', () => {
    const site = new Site(1).born()
    site.settle()
    expect(site.chain()).toMatchObject({
      phase: 'active',
      voters: [node(1)],
      grant: { number: 1, team: [node(1)] },
    })
  })

  it('starts with one server where two machines are all there is', () => {
    const site = new Site(2).born()
    site.settle()
    expect(site.chain().voters).toHaveLength(2)
    expect(site.servers()).toHaveLength(1)
  })

  it('grants to another team on the word of a majority, and not before', () => {
    const site = new Site(3).born()
    const granted = site.next()
    if (granted.kind !== 'propose') throw new Error('no grant')
    site.certify(granted.plan)
    const first = site.chain().grant
    site.set(first?.team[0] ?? '', { liveness: 'dead' })
    expect(site.next().kind).toBe('nothing')
    site.stall()
    const again = site.next()
    if (again.kind !== 'propose') throw new Error('no second grant')
    site.certify(again.plan)
    expect(site.chain().grant?.number).toBe(2)
    expect(site.chain().grant?.team).toHaveLength(1)
    expect(first?.team[0]).not.toBe(site.chain().grant?.team[0])
    expect(site.servers()).toEqual(site.chain().grant?.team)
  })

  it('waits for the first team as long as one of it is only suspected, and no longer', () => {
    const site = new Site(3).born()
    const silent = site.servers()[1] ?? ''
    site.set(silent, { liveness: 'suspect' })
    const waiting = site.next()
    expect(waiting.kind).toBe('nothing')
    if (waiting.kind === 'nothing') expect(waiting.reasons.join()).toContain('can still be heard')
    site.set(silent, { liveness: 'dead' })
    const alone = site.next()
    expect(alone).toMatchObject({ kind: 'propose', plan: { header: { grant: { team: { length: 1 } } } } })
    site.set(silent, { liveness: 'alive' })
    expect(site.next()).toMatchObject({ plan: { header: { grant: { team: { length: 3 } } } } })
  })

  it('does not wait for one of the first team when others can take its place', () => {
    const site = new Site(4).born()
    site.set(site.servers()[1] ?? '', { liveness: 'suspect' })
    expect(site.next()).toMatchObject({ plan: { header: { grant: { team: { length: 3 } } } } })
  })

  it('gives no server to a machine that says it halted', () => {
    const site = new Site(4).born()
    const halted = site.servers()[0] ?? ''
    site.set(halted, { phase: 'stopped' })
    const granted = site.next()
    if (granted.kind !== 'propose') throw new Error('no grant')
    expect(granted.plan.header.grant?.team).toHaveLength(3)
    expect(granted.plan.header.grant?.team).not.toContain(halted)
  })

  it('gives each voter its turn when grant after grant stalls', () => {
    const site = new Site(3).born()
    const initialisers = new Set<string>()
    for (let round = 0; round < 4; round++) {
      const planned = site.next()
      if (planned.kind !== 'propose') throw new Error('no grant')
      site.certify(planned.plan)
      initialisers.add(site.chain().grant?.team[0] ?? '')
      site.stall()
    }
    expect([...initialisers].toSorted()).toEqual([node(1), node(2), node(3)])
  })

  it('serves a node that comes between charter and active without touching the grant', () => {
    const site = new Site(3).born()
    const granted = site.next()
    if (granted.kind !== 'propose') throw new Error('no grant')
    site.certify(granted.plan)
    const before = site.chain().grant
    site.set(node(9), {})
    const joined = site.next()
    if (joined.kind !== 'propose') throw new Error('nobody was served')
    site.certify(joined.plan)
    expect(site.chain()).toMatchObject({ phase: 'granted', grant: before })
    expect(site.certified().plan.body.assignments.map((one) => one.nodeId)).toContain(node(9))
    site.set(node(10), {})
    site.report()
    const active = site.next()
    expect(active).toMatchObject({ kind: 'propose', plan: { header: { phase: 'active' } } })
  })

  it('lets a machine that can be a server take a vote when no voter can', () => {
    const site = new Site(3, {}, () => ({ roles: ['worker'] })).born()
    expect(site.next()).toMatchObject({ kind: 'nothing' })
    site.set(node(7), {})
    site.settle()
    expect(site.chain()).toMatchObject({ phase: 'active', grant: { team: [node(7)] } })
  })
})

describe('growth and repair', () => {
  it('grows from one server to three and five, one at a time', () => {
    const site = new Site(1, five).born()
    site.settle()
    for (let number = 2; number <= 5; number++) {
      site.set(node(number), {})
      site.settle()
      expect(site.servers()).toHaveLength(number >= 5 ? 5 : number >= 3 ? 3 : 1)
    }
    expect(site.chain().voters).toHaveLength(5)
    for (let index = 1; index < site.history.length; index++) {
      const [before, after] = [site.history[index - 1], site.history[index]]
      if (before?.header.phase !== 'active') continue
      const roles = (plan: typeof before): string[] =>
        plan.body.assignments.filter((one) => one.role === 'control-plane').map((one) => one.nodeId)
      const moved = roles(after as typeof before).filter((id) => !roles(before).includes(id))
      expect(moved.length).toBeLessThanOrEqual(1)
    }
  })

  it('waits with growth until two spares are healthy for long enough', () => {
    const site = new Site(1).born()
    site.settle()
    site.set(node(2), {})
    site.set(node(3), { since: site.now - 1_000 })
    site.settle()
    expect(site.servers()).toHaveLength(1)
    expect(site.next()).toMatchObject({ kind: 'nothing', reasons: [expect.stringContaining('two more')] })
    site.now += 60_000
    site.settle()
    expect(site.servers()).toHaveLength(3)
  })

  it('removes a dead server first and then adds its replacement', () => {
    const site = new Site(4).born()
    site.settle()
    const dead = site.servers()[0] as string
    const from = site.history.length
    site.kill(dead)
    const spare = [1, 2, 3, 4].map(node).find((id) => !site.servers().includes(id)) as string
    site.settle()
    const changes = site.history.slice(from).map((plan) => plan.header.openChange)
    expect(changes).toEqual([
      { kind: 'remove', node: dead, etcdMemberId: `e${dead.slice(-4)}` },
      { kind: 'add', node: spare, etcdMemberId: '' },
      null,
    ])
    expect(site.servers()).toContain(spare)
    expect(site.servers()).not.toContain(dead)
    expect(site.chain().voters).not.toContain(dead)
  })

  it('keeps a removal open while no spare is left, so that etcd is not left even', () => {
    const site = new Site(4).born()
    site.settle()
    const spare = [1, 2, 3, 4].map(node).find((id) => !site.servers().includes(id)) as string
    site.kill(site.servers()[0] as string)
    site.report()
    const removal = site.next()
    if (removal.kind !== 'propose') throw new Error('no removal')
    site.certify(removal.plan)
    site.set(spare, { liveness: 'suspect' })
    site.report()
    expect(site.next()).toMatchObject({
      kind: 'nothing',
      reasons: [expect.stringContaining('even number')],
    })
    site.set(spare, { liveness: 'alive' })
    expect(site.next()).toMatchObject({
      kind: 'propose',
      plan: { header: { openChange: { kind: 'add', node: spare } } },
    })
  })

  it('keeps a dead server while nobody can take its place, and says so', () => {
    const site = new Site(3).born()
    site.settle()
    site.kill(node(2))
    site.report()
    expect(site.next()).toMatchObject({
      kind: 'nothing',
      reasons: [expect.stringContaining('no healthy machine')],
    })
  })

  it('changes nothing of the control plane without a quorum of etcd', () => {
    const site = new Site(9).born()
    site.settle()
    const [first, second] = site.servers()
    site.kill(first as string, second as string)
    const before = site.servers()
    site.settle()
    expect(site.servers()).toEqual(before)
    expect(site.next()).toMatchObject({ kind: 'nothing', reasons: [expect.stringContaining('no quorum')] })
  })

  it('takes a dead server that was deleted by hand out and a spare in, in one plan', () => {
    const site = new Site(4).born()
    site.settle()
    const [dead, ...kept] = site.servers() as [string, ...string[]]
    site.kill(dead)
    site.statements = site.statements.filter(({ statement }) => statement.kind !== 'members')
    const { generation } = site.chain()
    for (const id of kept) {
      site.say(id, { kind: 'members', ...site.base(), generation, members: site.members(kept) })
    }
    const planned = site.next()
    if (planned.kind !== 'propose') throw new Error(planned.reasons.join())
    site.certify(planned.plan)
    expect(site.chain().openChange?.kind).toBe('add')
    expect(site.servers()).not.toContain(dead)
    expect(site.servers()).toHaveLength(3)
  })

  it('never removes a member that no plan made', () => {
    const site = new Site(4).born()
    site.settle()
    site.kill(site.servers()[0] as string)
    site.statements = site.statements.filter(({ statement }) => statement.kind !== 'members')
    const members = [
      ...site.members(site.servers()),
      { id: 'bad', name: 'by-hand', address: '192.168.1.77', learner: false },
    ]
    const { generation } = site.chain()
    for (const id of site.servers().slice(1))
      site.say(id, { kind: 'members', ...site.base(), generation, members })
    const planned = site.next()
    if (planned.kind === 'propose') expect(planned.plan.header.openChange).toBeNull()
    else expect(planned.reasons.join()).toContain('never removed by itself')
  })

  it('gives up an addition whose node dies, clears its member, and takes another spare', () => {
    const site = new Site(1).born()
    site.settle()
    for (const number of [2, 3, 4]) site.set(node(number), {})
    let candidate = ''
    for (let round = 0; round < 6 && candidate === ''; round++) {
      site.report()
      const planned = site.next()
      if (planned.kind !== 'propose') throw new Error('stuck')
      site.certify(planned.plan)
      candidate = site.chain().openChange?.node ?? ''
    }
    site.kill(candidate)
    const planned = site.next()
    if (planned.kind !== 'propose') throw new Error('not given up')
    site.certify(planned.plan)
    expect(site.chain().openChange).toBeNull()
    const { generation } = site.chain()
    site.say(site.servers()[0] as string, {
      kind: 'members',
      ...site.base(),
      generation,
      members: site
        .members([...site.servers(), candidate])
        .map((one) => ({ ...one, learner: one.id === `e${candidate.slice(-4)}` })),
    })
    const cleared = site.next()
    expect(cleared).toMatchObject({
      kind: 'propose',
      plan: { header: { openChange: { kind: 'remove', node: candidate } } },
    })
    if (cleared.kind === 'propose') site.certify(cleared.plan)
    site.settle()
    expect(site.servers()).toHaveLength(3)
    expect(site.servers()).not.toContain(candidate)
  })

  it('gives up an addition that has not begun when another server dies, and replaces that one first', () => {
    const site = new Site(1).born()
    site.settle()
    for (const number of [2, 3, 4]) site.set(node(number), {})
    site.order({ ...defaultSpec, controlPlane: 5 })
    for (const number of [5, 6]) site.set(node(number), {})
    let candidate = ''
    for (let round = 0; round < 12 && site.servers().length < 4; round++) {
      site.report()
      const planned = site.next()
      if (planned.kind !== 'propose') throw new Error('stuck')
      site.certify(planned.plan)
      candidate = site.chain().openChange?.node ?? ''
    }
    expect(candidate).not.toBe('')
    const [victim = ''] = site.servers().filter((id) => id !== candidate)
    site.kill(victim)
    const others = site.servers().filter((id) => id !== candidate)
    const waiting = site.next()
    if (waiting.kind === 'propose') expect(waiting.plan.header.openChange?.node).toBe(candidate)
    const { generation } = site.chain()
    const reader = others.find((id) => id !== victim) ?? ''
    site.say(reader, { kind: 'members', ...site.base(), generation, members: site.members(others) })
    const planned = site.next()
    if (planned.kind !== 'propose') throw new Error('not given up')
    expect(planned.why).toContain('takes in nobody before it is replaced')
    site.certify(planned.plan)
    expect(site.chain().openChange).toBeNull()
    site.settle()
    expect(site.servers()).toHaveLength(5)
    expect(site.servers()).not.toContain(victim)
  })

  it('removes what an addition that was given up left in etcd, although another change is open by then', () => {
    const site = new Site(6).born()
    site.settle()
    const { assignments } = site.certified().plan.body
    const stray = assignments.find(({ role }) => role === 'worker')?.nodeId ?? ''
    const [victim = ''] = site.servers()
    site.kill(victim)
    site.report()
    const removal = site.next()
    if (removal.kind !== 'propose') throw new Error('stuck')
    site.certify(removal.plan)
    const { generation } = site.chain()
    const reader = site.servers().find((id) => id !== victim) ?? ''
    const list = (ids: readonly string[]): void =>
      site.say(reader, { kind: 'members', ...site.base(), generation, members: site.members(ids) })

    list([...site.servers(), victim, stray])
    expect(site.next().kind).toBe('nothing')
    site.statements = site.statements.filter(({ statement }) => statement.kind !== 'members')
    list([...site.servers(), stray])
    const next = site.next()
    expect(next).toMatchObject({
      kind: 'propose',
      plan: { header: { openChange: { kind: 'remove', node: stray } } },
    })
    if (next.kind === 'propose') site.certify(next.plan)
    site.settle()
    expect(site.servers()).toHaveLength(3)
    expect(site.servers()).not.toContain(victim)
  })

  it('does not believe a death that a later life refutes', () => {
    const site = new Site(4).born()
    site.settle()
    const [server] = site.servers() as [string]
    site.kill(server)
    site.set(server, { liveness: 'dead', incarnation: 2 })
    site.report()
    expect(site.next().kind).toBe('nothing')
  })
})

describe('leaving', () => {
  it('retires a worker that left, frees its address a plan later, and lets it come back as it was', () => {
    const site = new Site(4).born()
    site.settle()
    const worker = [1, 2, 3, 4].map(node).find((id) => !site.servers().includes(id)) as string
    const before = site.certified().plan.body.assignments.find((one) => one.nodeId === worker)
    site.leave(worker)
    site.settle()
    expect(site.certified().plan.body.retired).toMatchObject([{ nodeId: worker, address4: before?.address4 }])
    expect(site.chain().voters).not.toContain(worker)
    site.set(worker, { liveness: 'alive', left: false, incarnation: 2, since: 0 })
    site.settle()
    const after = site.certified().plan.body.assignments.find((one) => one.nodeId === worker)
    expect(after).toMatchObject({ name: before?.name, address4: before?.address4 })
    expect(site.certified().plan.body.retired).toEqual([])
  })

  it('replaces a server that left and then retires it', () => {
    const site = new Site(4).born()
    site.settle()
    const leaver = site.servers()[1] as string
    site.leave(leaver)
    site.settle()
    expect(site.servers()).toHaveLength(3)
    expect(site.certified().plan.body.retired.map((one) => one.nodeId)).toEqual([leaver])
  })

  it('keeps voters that leave while the others could not go on without them', () => {
    const site = new Site(5, { controlPlane: 1 }).born()
    site.settle()
    const [server] = site.servers() as [string]
    const workers = [1, 2, 3, 4, 5].map(node).filter((id) => id !== server)
    for (const id of workers.slice(0, 2)) site.set(id, { liveness: 'dead', since: site.now })
    const leavers = workers.slice(2)
    for (const id of leavers) site.set(id, { liveness: 'left', left: true })
    for (const subject of leavers) {
      const { networkId, epoch, clusterId } = site.chain()
      for (const voter of [server, ...leavers]) {
        site.say(voter, { kind: 'dead', networkId, epoch, clusterId, subject, incarnation: 1 })
      }
    }
    expect(site.next()).toMatchObject({
      kind: 'nothing',
      reasons: [expect.stringContaining('cannot leave yet')],
    })
  })

  it('keeps a worker that is only switched off', () => {
    const site = new Site(4).born()
    site.settle()
    const worker = [1, 2, 3, 4].map(node).find((id) => !site.servers().includes(id)) as string
    site.kill(worker)
    site.settle()
    expect(site.certified().plan.body.retired).toEqual([])
  })
})

describe('orders', () => {
  it('carries out an order of the operator once', () => {
    const site = new Site(5).born()
    site.settle()
    site.order(five)
    site.settle()
    expect(site.servers()).toHaveLength(5)
    expect(site.certified().plan.body.operatorSerial).toBe(1)
    expect(site.next().kind).toBe('nothing')
  })

  it('shrinks by order, one server at a time', () => {
    const site = new Site(5, five).born()
    site.settle()
    site.order({ ...five, controlPlane: 1 })
    site.settle()
    expect(site.servers()).toHaveLength(1)
  })

  it('refuses to change what the charter froze, with the key', () => {
    const site = new Site(3).born()
    site.settle()
    site.order({ ...defaultSpec, addresses: { ipv4: '10.9.0.0/16' } })
    const planned = site.next()
    expect(planned).toMatchObject({ kind: 'nothing', reasons: [expect.stringContaining('addresses.ipv4')] })
  })

  it('takes no order from anybody else', () => {
    const site = new Site(3).born()
    site.settle()
    site.order(five, node(1))
    expect(site.next().kind).toBe('nothing')
  })
})

describe('what a voter attests', () => {
  it('is silence for T_dead or a goodbye, while it hears a majority', () => {
    const site = new Site(5).born()
    site.settle()
    site.set(node(4), { liveness: 'dead', since: site.now - 299_000 })
    site.set(node(5), { liveness: 'left', left: true })
    const subjects = (): string[] =>
      deathsToAttest(site.certified().plan, site.view(), node(1), site.now, 0).map((one) => one.subject)
    expect(subjects()).toEqual([node(5)])
    site.now += 1_000
    expect(subjects()).toEqual([node(4), node(5)])
    site.set(node(1), { left: true })
    expect(subjects()).toEqual([node(1), node(4), node(5)])
    site.set(node(3), { liveness: 'suspect' })
    expect(subjects()).toEqual([])
  })
})

it('explains a node in words that name its role, its vote and its grant', () => {
  const site = new Site(4).born()
  site.settle()
  const initialiser = site.chain().grant?.team[0] as string
  const text = explain(site.certified().plan, initialiser).join('\n')
  expect(text).toContain('control-plane')
  expect(text).toContain('initialiser')
  expect(text).toContain('voters')
  expect(explain(site.certified().plan, node(77)).join()).toContain('no place')
})
