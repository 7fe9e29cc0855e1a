// Proves each rule of the bootstrap of k3s: one situation, one decision, for every arrow of the diagram.
import { describe, expect, it } from 'vitest'
import { decideK3s } from '../../../src/core/k3s/decide.ts'
import type { K3sDecision, K3sInput } from '../../../src/core/k3s/decision.ts'
import { activeGrants, k3sRecordCodec, secretsFor } from '../../../src/core/k3s/record.ts'
import type { K3sStep } from '../../../src/core/k3s/types.ts'
import { decodeStrict, encodeCanonical } from '../../../src/core/model/codec.ts'
import {
  addressOf,
  after,
  blank,
  inputOf,
  member,
  planOf,
  recordOf,
  secrets,
  statementOf,
} from './support.ts'

const granted = planOf({ phase: 'granted' })
const active = planOf({ phase: 'active', generation: 2 })
const team = ['n1', 'n2', 'n3']
const allVoters = team.map((node) => member(node))

function step(decision: K3sDecision): K3sStep | undefined {
  expect(decision.steps.length).toBeLessThanOrEqual(1)
  return decision.steps[0]
}

/** A server that runs, with files as the decision wants them. */
function running(input: K3sInput): K3sInput {
  const stopped: K3sInput = {
    ...input,
    observation: { ...blank, hasEtcdData: true, caHash: secrets.caHash, unit: 'stopped' },
  }
  const started = decideK3s(stopped)
  const observation = after(step(started), {
    hasEtcdData: true,
    caHash: secrets.caHash,
    apiAnswers: true,
    ready: true,
    members: allVoters,
  })
  return { ...input, record: started.record, observation }
}

describe('before a grant', () => {
  it('nothing is done, and what is awaited is named', () => {
    const decision = decideK3s(inputOf({ plan: planOf({ phase: 'chartered', grant: null }) }))
    expect(decision).toMatchObject({ steps: [], record: undefined, waiting: { for: 'grant' } })
  })

  it('a machine with somebody else’s k3s is left alone', () => {
    const observation = { ...blank, unit: 'running', hasEtcdData: true } as const
    const decision = decideK3s(inputOf({ plan: granted, observation }))
    expect(decision).toMatchObject({ steps: [], condition: { reason: 'ForeignData' } })
  })

  it('a machine without k3s says so', () => {
    const decision = decideK3s(inputOf({ plan: granted, observation: { ...blank, installed: false } }))
    expect(decision.condition).toMatchObject({ reason: 'K3sMissing', status: 'false' })
  })
})

describe('the initialiser', () => {
  const made = recordOf(granted, { secrets })
  const withCa = { ...blank, caHash: secrets.caHash }

  it('makes the authority first, even before the overlay is up', () => {
    const decision = decideK3s(inputOf({ plan: granted, overlayUp: false }))
    expect(step(decision)).toEqual({ kind: 'make-authority', grant: 1 })
    expect(decision.record).toMatchObject({ grant: 1, initialised: false })
  })

  it('starts nothing before the overlay is up', () => {
    const decision = decideK3s(
      inputOf({ plan: granted, record: made, observation: withCa, overlayUp: false }),
    )
    expect(decision).toMatchObject({ steps: [], waiting: { for: 'overlay' } })
  })

  it('persists `initialised` together with the start, and says nothing yet', () => {
    const decision = decideK3s(inputOf({ plan: granted, record: made, observation: withCa }))
    expect(step(decision)).toMatchObject({ kind: 'start', role: 'server-init' })
    expect(decision.record).toMatchObject({ initialised: true, stated: false, role: 'server-init' })
    expect(decision.say).toEqual({})
  })

  it('closes the API to all but the team until `active` (S14)', () => {
    const decision = decideK3s(inputOf({ plan: granted, record: made, observation: withCa }))
    const addresses = team.flatMap((node) => [addressOf(node), `fd00::${node.slice(1)}`]).toSorted()
    expect(step(decision)).toMatchObject({ allow: addresses })
  })

  it('states its CA when etcd’s data are on the disk, and drops cluster-init without a restart', () => {
    const first = decideK3s(inputOf({ plan: granted, record: made, observation: withCa }))
    const observation = after(step(first), { caHash: secrets.caHash, hasEtcdData: true, apiAnswers: true })
    const decision = decideK3s(inputOf({ plan: granted, record: first.record, observation }))
    expect(decision.say.initialised).toEqual({ grant: 1, caHash: secrets.caHash })
    expect(decision.record).toMatchObject({ stated: true, role: 'server' })
    const next = step(decision)
    expect(next).toMatchObject({ kind: 'configure', role: 'server' })
    expect(JSON.stringify(next)).not.toContain('cluster-init')
  })

  it('inits again if the data are gone and nothing was stated', () => {
    const record = recordOf(granted, { secrets, initialised: true, role: 'server-init' })
    const decision = decideK3s(inputOf({ plan: granted, record, observation: withCa }))
    expect(step(decision)).toMatchObject({ kind: 'start', role: 'server-init' })
  })

  it('stops and reports if the data are gone and it was stated (S3)', () => {
    const record = recordOf(granted, { secrets, initialised: true, stated: true, role: 'server' })
    for (const observation of [withCa, blank]) {
      const decision = decideK3s(inputOf({ plan: granted, record, observation }))
      expect(decision).toMatchObject({ steps: [], condition: { reason: 'InitialiserLostData' } })
    }
  })

  it('resumes with its data, and never with cluster-init', () => {
    const record = recordOf(granted, { secrets, initialised: true, stated: true, role: 'server-init' })
    const observation = { ...withCa, hasEtcdData: true, unit: 'stopped' } as const
    const decision = decideK3s(inputOf({ plan: granted, record, observation }))
    expect(step(decision)).toMatchObject({ kind: 'start', role: 'server' })
  })

  it('says Ready only when etcd is exactly the team, all voters, and the API is ready', () => {
    const record = recordOf(granted, { secrets, initialised: true, stated: true, role: 'server' })
    const whole = running(inputOf({ plan: granted, record }))
    expect(decideK3s(whole).say.ready?.members).toEqual(allVoters)
    expect(decideK3s(whole).record).toMatchObject({ ready: true })
    const { observation } = whole
    if (observation === undefined) throw new Error('running() observes')
    for (const change of [
      { ready: false },
      { apiAnswers: false },
      { members: undefined },
      { members: allVoters.slice(1) },
      { members: [...allVoters, member('n4')] },
      { members: [member('n1'), member('n2'), member('n3', { learner: true })] },
      { members: [member('n1'), member('n2'), member('n4')] },
    ]) {
      const decision = decideK3s({ ...whole, observation: { ...observation, ...change } })
      expect(decision.say.ready, JSON.stringify(change)).toBeUndefined()
      expect(decision.record).toMatchObject({ ready: false })
    }
  })
})

describe('a joiner of the team', () => {
  const lists = (...members: ReturnType<typeof member>[]): K3sInput['lists'] => [
    { from: 'n1', generation: 1, members },
  ]
  const base = inputOf({ plan: granted, self: 'n3', record: recordOf(granted), initialised: statementOf() })

  it('waits for the initialiser’s statement for this very grant', () => {
    for (const initialised of [undefined, statementOf(0)]) {
      const decision = decideK3s({ ...base, initialised })
      expect(decision).toMatchObject({ steps: [], needSecretsFrom: [], waiting: { for: 'initialiser' } })
    }
  })

  it('asks the initialiser for the secrets, and takes none with another CA (S5)', () => {
    expect(decideK3s(base).needSecretsFrom).toEqual(['n1'])
    const forged = { grant: 1, secrets: { ...secrets, caHash: 'b'.repeat(64) } }
    expect(decideK3s({ ...base, secrets: forged }).record?.secrets).toBeNull()
    expect(decideK3s({ ...base, secrets: { grant: 2, secrets } }).record?.secrets).toBeNull()
    expect(decideK3s({ ...base, secrets: { grant: 1, secrets } }).record?.secrets).toEqual(secrets)
  })

  it('joins when all before it are voters and no learner is under way, one at a time', () => {
    const record = recordOf(granted, { secrets })
    const at = (members: K3sInput['lists']): K3sStep | undefined =>
      step(decideK3s({ ...base, record, lists: members }))
    expect(at([])).toBeUndefined()
    expect(at(lists(member('n1')))).toBeUndefined()
    expect(at(lists(member('n1'), member('n2', { learner: true })))).toBeUndefined()
    expect(at(lists(member('n1'), member('n2'), member('n4', { learner: true })))).toBeUndefined()
    const started = at(lists(member('n1'), member('n2')))
    expect(started).toMatchObject({ kind: 'start', role: 'server' })
    expect(JSON.stringify(started)).toContain(`https://${addressOf('n1')}:6443`)
    expect(JSON.stringify(started)).not.toContain('cluster-init')
  })

  it('halts on a CA of another cluster on its disk', () => {
    const observation = { ...blank, caHash: 'b'.repeat(64) }
    const decision = decideK3s({ ...base, record: recordOf(granted, { secrets }), observation })
    expect(decision).toMatchObject({ steps: [], condition: { reason: 'CaMismatch' } })
  })

  it('is not a joiner at all if it is a worker: it waits for `active`', () => {
    const decision = decideK3s({ ...base, self: 'n4', secrets: { grant: 1, secrets } })
    expect(decision).toMatchObject({ steps: [], needSecretsFrom: [], waiting: { for: 'active' } })
  })
})

describe('a revoked grant', () => {
  const newer = planOf({ phase: 'granted', generation: 5, grant: { number: 5, team: ['n2', 'n3', 'n4'] } })
  const record = recordOf(granted, { secrets, initialised: true, stated: true, role: 'server' })
  const dirty = { ...blank, hasEtcdData: true, caHash: secrets.caHash, unit: 'running' } as const

  it('is cleared under a newer grant, before anything of the new one is done (S4)', () => {
    const decision = decideK3s(inputOf({ plan: newer, record, observation: dirty }))
    expect(step(decision)).toMatchObject({ kind: 'clear' })
    expect(decision.record).toBe(record)
    const clean = decideK3s(inputOf({ plan: newer, self: 'n2', record, observation: blank }))
    expect(clean.record).toMatchObject({ grant: 5, secrets: null, initialised: false })
    expect(step(clean)).toEqual({ kind: 'make-authority', grant: 5 })
  })

  it('is not forgotten while a step of it is carried out: k3s may come up on its data', () => {
    for (const plan of [newer, planOf({ phase: 'dissolved', generation: 5 })]) {
      const decision = decideK3s(inputOf({ plan, self: 'n2', record, observation: blank, busy: true }))
      expect(decision).toMatchObject({ record, steps: [] })
    }
    const other = planOf({ phase: 'granted', clusterId: 'beef' })
    expect(decideK3s(inputOf({ plan: other, record, observation: blank, busy: true })).record).toBe(record)
  })

  it('is never cleared if it was active, nor for an older plan (S13)', () => {
    const once = decideK3s(inputOf({ plan: newer, record, observation: dirty, activeGrants: [1] }))
    expect(once).toMatchObject({ steps: [], condition: { reason: 'ForeignData' } })
    const future = { ...record, grant: 9 }
    expect(decideK3s(inputOf({ plan: newer, record: future, observation: dirty })).steps).toEqual([])
  })

  it('is put away when the cluster dissolves, and forgotten', () => {
    const plan = planOf({ phase: 'dissolved', generation: 5 })
    expect(step(decideK3s(inputOf({ plan, record, observation: dirty })))).toMatchObject({ kind: 'clear' })
    expect(decideK3s(inputOf({ plan, record, observation: blank })).record).toBeUndefined()
    const other = planOf({ phase: 'granted', clusterId: 'beef' })
    expect(decideK3s(inputOf({ plan: other, record, observation: dirty })).steps).toEqual([])
    expect(decideK3s(inputOf({ plan: other, record, observation: blank })).record?.clusterId).toBe('beef')
  })
})

describe('an active server', () => {
  const record = recordOf(active, {
    secrets,
    role: 'server',
    memberId: 'a1',
    stated: true,
    initialised: true,
  })
  const down = { ...blank, unit: 'stopped', hasEtcdData: true, caHash: secrets.caHash } as const

  it('resumes after a power cut with nobody else alive', () => {
    const decision = decideK3s(inputOf({ plan: active, record, observation: down, aliveNodes: [] }))
    expect(step(decision)).toMatchObject({ kind: 'start', role: 'server', allow: 'all' })
  })

  it('opens the API and names another server without a restart', () => {
    const before = running(inputOf({ plan: granted, record: { ...record, memberId: '' } }))
    const decision = decideK3s({ ...before, plan: active, activeGrants: [1] })
    expect(step(decision)).toMatchObject({ kind: 'configure', allow: 'all' })
    expect(decision.record?.server).toMatch(/^n[23]$/)
  })

  it('keeps the server it named while that is in the plan, dead or not, and never names itself', () => {
    const whole = running(inputOf({ plan: active, record: { ...record, server: 'n3' } }))
    expect(whole.record?.server).toBe('n3')
    const decision = decideK3s({ ...whole, aliveNodes: ['n1', 'n2'] })
    expect(decision).toMatchObject({ steps: [], phase: 'k3s-ready' })
    const gone = decideK3s({
      ...whole,
      plan: planOf({ phase: 'active' }, ['n1', 'n2']),
      aliveNodes: ['n1', 'n2'],
    })
    expect(gone.record?.server).toBe('n2')
  })

  it('says its member list under the generation it holds', () => {
    const whole = running(inputOf({ plan: active, record }))
    expect(decideK3s(whole).say.members).toEqual({ generation: 2, members: allVoters })
  })

  it('carries out a removal by id as long as etcd lists it, and never its own', () => {
    const openChange = { kind: 'remove', node: 'n3', etcdMemberId: 'a3' } as const
    const whole = running(inputOf({ plan: planOf({ phase: 'active', openChange }), record }))
    expect(step(decideK3s(whole))).toEqual({ kind: 'remove-member', memberId: 'a3' })
    expect(
      step(decideK3s(running({ ...whole, self: 'n3', record: { ...record, memberId: 'a3' } }))),
    ).toBeUndefined()
    const { observation } = whole
    if (observation === undefined) throw new Error('running() observes')
    const without = { ...observation, members: allVoters.slice(0, 2) }
    expect(decideK3s({ ...whole, observation: without }).steps).toEqual([])
  })

  it('halts if its data are gone while etcd lists it', () => {
    const observation = { ...blank, caHash: secrets.caHash }
    const lists = [{ from: 'n2', generation: 2, members: allVoters }]
    const decision = decideK3s(inputOf({ plan: active, record, observation, lists }))
    const lost = { generation: active.header.generation, memberId: record.memberId }
    expect(decision).toMatchObject({ steps: [], condition: { reason: 'EtcdDataLost' }, say: { lost } })
    const unseen = decideK3s(inputOf({ plan: active, record, observation, lists: [] }))
    expect(unseen).toMatchObject({ condition: { reason: 'EtcdDataLost' }, say: {} })
    expect(unseen.say.lost).toBeUndefined()
  })
})

describe('a node that becomes a server', () => {
  const plan = planOf(
    { phase: 'active', generation: 7, openChange: { kind: 'add', node: 'n4', etcdMemberId: '' } },
    [...team, 'n4'],
  )
  const worker = recordOf(active, {
    secrets: { ...secrets, serverPassword: '' },
    role: 'agent',
    server: 'n1',
  })
  const observation = { ...blank, unit: 'running', ready: true, caHash: secrets.caHash } as const

  it('asks for the server secrets first, then leaves the agent', () => {
    const asking = decideK3s(inputOf({ plan, self: 'n4', record: worker, observation }))
    expect(asking).toMatchObject({ steps: [], needSecretsFrom: team })
    const joining = decideK3s(
      inputOf({ plan, self: 'n4', record: worker, observation, secrets: { grant: 1, secrets } }),
    )
    expect(step(joining)).toMatchObject({ kind: 'start', role: 'server' })
  })

  it('waits while another change is open, or another learner is there (S6)', () => {
    const record = { ...worker, secrets }
    const other = {
      ...plan,
      header: { ...plan.header, openChange: { kind: 'add', node: 'n5', etcdMemberId: '' } },
    } as const
    expect(decideK3s(inputOf({ plan: other, self: 'n4', record, observation })).waiting?.for).toBe(
      'open change',
    )
    const lists = [{ from: 'n1', generation: 7, members: [...allVoters, member('n5', { learner: true })] }]
    expect(decideK3s(inputOf({ plan, self: 'n4', record, observation, lists })).waiting?.for).toBe(
      'open change',
    )
  })
})

describe('a server that lost its role', () => {
  const plan = planOf({ phase: 'active', generation: 9 }, ['n1', 'n2'])
  const record = recordOf(active, { secrets, role: 'server', memberId: 'a3', server: 'n1' })
  const down = { ...blank, unit: 'stopped', hasEtcdData: true, caHash: secrets.caHash } as const
  const base = inputOf({ plan, self: 'n3', record, observation: down })
  const rest = allVoters.slice(0, 2)

  it('keeps its etcd member running whatever the lists of others say: it may have joined since (S13)', () => {
    const absent = [{ from: 'n1', generation: 9, members: rest }]
    for (const lists of [[], absent, [{ from: 'n1', generation: 9, members: allVoters }]]) {
      const decision = decideK3s({ ...base, lists })
      expect(step(decision)).toMatchObject({ kind: 'start', role: 'server' })
      expect(decision.waiting?.for).toBe('etcd members')
    }
  })

  it('is stopped before it joins, and what it has of a server is put away then', () => {
    const lists = [{ from: 'n1', generation: 9, members: rest }]
    const entering = { ...base, record: { ...record, memberId: '' }, lists }
    const starting = { ...blank, unit: 'starting', configured: 'x' } as const
    expect(step(decideK3s({ ...entering, observation: starting }))).toEqual({ kind: 'stop' })
    const bare = { ...down, hasEtcdData: false }
    expect(step(decideK3s({ ...entering, observation: bare }))).toMatchObject({ kind: 'clear' })
    // It had joined before it was stopped.
    expect(step(decideK3s(entering))).toMatchObject({ kind: 'start', role: 'server' })
  })

  it('puts its data away when etcd has removed it and a current voter’s list shows that it is not back', () => {
    const removed = { ...down, tombstone: true }
    const stale: K3sInput['lists'] = [
      { from: 'n1', generation: 8, members: rest },
      { from: 'n4', generation: 9, members: rest },
      { from: 'n3', generation: 9, members: rest },
      { from: 'n2', generation: 9, members: [member('n1'), member('n2', { learner: true })] },
    ]
    const newer = [
      { from: 'n1', generation: 9, members: rest },
      { from: 'n2', generation: 10, members: rest },
    ]
    for (const lists of [[], stale, newer, [{ from: 'n1', generation: 9, members: allVoters }]]) {
      expect(decideK3s({ ...base, observation: removed, lists }).steps).toEqual([])
    }
    const fresh = [{ from: 'n1', generation: 9, members: rest }]
    expect(step(decideK3s({ ...base, observation: removed, lists: fresh }))).toMatchObject({ kind: 'clear' })
  })

  it('becomes a worker then, and keeps no server password', () => {
    const decision = decideK3s({ ...base, observation: { ...blank, unit: 'stopped' } })
    expect(step(decision)).toMatchObject({ kind: 'start', role: 'agent' })
    expect(decision.record).toMatchObject({ role: 'agent', memberId: '', secrets: { serverPassword: '' } })
    expect(JSON.stringify(step(decision))).not.toContain('::server:')
  })

  it('a tombstone keeps the unit down until the plan and a list are known', () => {
    const removed = { ...down, tombstone: true }
    const crashing = decideK3s({ ...base, plan: active, observation: { ...removed, unit: 'running' } })
    expect(step(crashing)).toEqual({ kind: 'stop' })
    expect(decideK3s({ ...base, plan: active, observation: removed }).steps).toEqual([])
    const lists = [{ from: 'n1', generation: 2, members: rest }]
    expect(step(decideK3s({ ...base, plan: active, observation: removed, lists }))).toMatchObject({
      kind: 'clear',
    })
    const again = decideK3s({ ...base, plan: active, observation: blank, lists })
    expect(step(again)).toMatchObject({ kind: 'start', role: 'server' })
    expect(again.record?.memberId).toBe('')
  })
})

describe('a worker', () => {
  const base = inputOf({ plan: active, self: 'n4', record: recordOf(active) })

  it('asks any living server for the agent secret, and joins one that is alive', () => {
    expect(decideK3s({ ...base, aliveNodes: ['n2', 'n5'] }).needSecretsFrom).toEqual(['n2'])
    const given = { grant: 1, secrets: { ...secrets, serverPassword: '' } }
    const decision = decideK3s({ ...base, secrets: given, aliveNodes: ['n2'] })
    expect(step(decision)).toMatchObject({ kind: 'start', role: 'agent' })
    expect(decision.record?.server).toBe('n2')
  })

  it('keeps its file while registered, though the server it names is dead', () => {
    const record = recordOf(active, {
      secrets: { ...secrets, serverPassword: '' },
      server: 'n2',
      role: 'agent',
    })
    const started = decideK3s({ ...base, record })
    const observation = after(step(started), { ready: true, caHash: secrets.caHash })
    const calm = decideK3s({ ...base, record: started.record, observation, aliveNodes: ['n1', 'n3'] })
    expect(calm).toMatchObject({ steps: [], phase: 'k3s-ready', record: { server: 'n2' } })
    const lost = decideK3s({
      ...base,
      record,
      observation: { ...observation, ready: false },
      aliveNodes: ['n3'],
    })
    expect(step(lost)).toMatchObject({ kind: 'start', role: 'agent' })
    expect(lost.record?.server).toBe('n3')
  })

  it('joins no server that has halted while another stands, and leaves one that halts before it is registered', () => {
    const record = recordOf(active, {
      secrets: { ...secrets, serverPassword: '' },
      server: 'n2',
      role: 'agent',
    })
    const serverOf = (...haltedServers: readonly string[]): string | undefined =>
      decideK3s({ ...base, record, haltedServers, aliveNodes: ['n2', 'n3'] }).record?.server
    expect(serverOf()).toBe('n2')
    expect(serverOf('n2')).toBe('n3')
    expect(serverOf('n2', 'n3')).toBe('n2')
  })
})

describe('while a step is under way', () => {
  it('nothing new is begun or said, but arrived secrets are kept', () => {
    const base = inputOf({ plan: active, self: 'n4', record: recordOf(active), busy: true })
    const decision = decideK3s({ ...base, secrets: { grant: 1, secrets } })
    expect(decision).toMatchObject({ steps: [], say: {}, record: { secrets, role: null } })
  })
})

describe('secrets for others', () => {
  const record = recordOf(active, { secrets })
  it('go to the team before `active`; after it whole to servers and in part to workers', () => {
    expect(secretsFor('n2', granted, record)).toEqual(secrets)
    expect(secretsFor('n4', granted, record)).toBeUndefined()
    expect(secretsFor('n2', active, record)).toEqual(secrets)
    expect(secretsFor('n4', active, record)).toEqual({ ...secrets, serverPassword: '' })
    expect(secretsFor('n9', active, record)).toBeUndefined()
    expect(secretsFor('n2', planOf({ grant: { number: 2, team } }), record)).toBeUndefined()
  })
})

describe('the durable record', () => {
  it('comes back as it was, and damage is refused', () => {
    const record = recordOf(active, { secrets, role: 'server', memberId: 'a1', server: 'n2', stated: true })
    expect(decodeStrict(k3sRecordCodec, encodeCanonical(record))).toEqual(record)
    expect(() => decodeStrict(k3sRecordCodec, encodeCanonical({ ...record, grant: -1 }))).toThrow('malformed')
  })

  it('knows the grants that were active from the chain', () => {
    const header = (
      phase: 'granted' | 'active',
      number: number,
    ): Parameters<typeof activeGrants>[0][number] => ({
      phase,
      grant: { number, team },
    })
    expect(
      activeGrants([header('granted', 1), header('granted', 3), header('active', 3), header('active', 3)]),
    ).toEqual([3])
  })
})
