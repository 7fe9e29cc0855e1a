// Proves that the model of k3s and etcd keeps the rules that make a control plane hard: those that the contract double was built after.
import { beforeEach, describe, expect, it } from 'vitest'
import { configPath, tokenPath } from '../../src/core/k3s/files.ts'
import type { K3sRole, K3sStepResult } from '../../src/core/k3s/types.ts'
import { stream } from '../kernel/streams.ts'
import { Timeline } from '../kernel/timeline.ts'
import { K3sSite } from './k3s.ts'
import type { K3sEvent } from './k3s-parts.ts'

let timeline: Timeline
let site: K3sSite
let events: K3sEvent[]
/** Machines without power, and pairs that do not reach each other. */
let off: Set<number>
let cut: (a: number, b: number) => boolean
let hung: Set<number>

beforeEach(() => {
  timeline = new Timeline()
  events = []
  off = new Set()
  hung = new Set()
  cut = () => false
  site = new K3sSite({
    timeline,
    random: stream(1, 'k3s'),
    startMs: [1_000, 1_000],
    promoteMs: 3_000,
    powered: (machine) => !off.has(machine),
    reaches: (a, b) => !off.has(a) && !off.has(b) && !cut(a, b) && !cut(b, a),
    hangs: (machine) => hung.has(machine),
    addressOf: (machine) => `10.0.0.${machine}`,
    tell: (event) => void events.push(event),
  })
})

function run(forMs: number): void {
  const end = timeline.now + forMs
  while (timeline.step(end));
}

function start(machine: number, role: K3sRole, server: number | undefined, pin: string): void {
  const file = (path: string, content: string) => ({ path, mode: 0o600, content })
  const named = server === undefined ? '' : `server: "https://10.0.0.${server}:6443"\n`
  const files = [file(configPath, named), file(tokenPath, `K10${pin}::server:s\n`)]
  site.run(machine, { kind: 'start', role, nodeName: `m${machine}`, files, allow: 'all', restart: false })
}

/** A cluster of so many servers, one after another. Returns its CA. */
function formed(servers: number): string {
  const made = site.run(0, { kind: 'make-authority', grant: 1 })
  const ca = made.kind === 'authority' ? made.secrets.caHash : ''
  start(0, 'server-init', undefined, ca)
  run(2_000)
  for (let machine = 1; machine < servers; machine++) {
    start(machine, 'server', 0, ca)
    run(10_000)
  }
  expect(members(0)).toEqual(Array.from({ length: servers }, (_, index) => `10.0.0.${index}`))
  return ca
}

function members(machine: number): readonly string[] | undefined {
  return site
    .observe(machine)
    .members?.map(({ address, learner }) => (learner ? `${address} learner` : address))
    .toSorted()
}

function idOf(machine: number): string {
  return site.placeOf(machine).etcd?.memberId ?? ''
}

const remove = (by: number, machine: number): K3sStepResult =>
  site.run(by, { kind: 'remove-member', memberId: idOf(machine) })

const said = (what: K3sEvent['what']): readonly string[] =>
  events.filter((event) => event.what === what).map(({ machine, detail }) => `${machine} ${detail}`)

describe('a server', () => {
  it('joins as a learner, one at a time, and becomes a voter when it has caught up', () => {
    const ca = formed(1)
    start(1, 'server', 0, ca)
    start(2, 'server', 0, ca)
    run(1_000)
    expect(members(0)).toEqual(['10.0.0.0', '10.0.0.1 learner'])
    expect(said('join refused')).toEqual(['2 too many learner members in cluster'])
    run(20_000)
    expect(members(0)).toEqual(['10.0.0.0', '10.0.0.1', '10.0.0.2'])
    expect(said('promoted').map((line) => line.split(' ')[0])).toEqual(['1', '2'])
  })

  it('is refused with the token of another CA, and under an address that etcd lists', () => {
    const ca = formed(3)
    start(3, 'server', 0, 'f'.repeat(64))
    run(1_000)
    expect(said('join refused')).toEqual(['3 token CA hash does not match the cluster'])
    site.run(3, { kind: 'stop' })
    // Its data are gone, and etcd still lists it.
    site.powerOff(1)
    site.wipe(1)
    start(1, 'server', 0, ca)
    run(1_000)
    expect(said('join refused').at(-1)).toBe('1 duplicate node name found')
  })

  it('resumes from its disk whatever its flags say', () => {
    formed(3)
    site.powerOff(1)
    start(1, 'server-init', undefined, 'another')
    run(5_000)
    expect(said('cluster made')).toHaveLength(1)
    expect(members(1)).toEqual(['10.0.0.0', '10.0.0.1', '10.0.0.2'])
  })

  it('is not taken in while one of the voters does not answer', () => {
    const ca = formed(3)
    off.add(2)
    site.powerOff(2)
    start(3, 'server', 0, ca)
    run(1_000)
    expect(members(0)).toEqual(['10.0.0.0', '10.0.0.1', '10.0.0.2'])
    expect(said('join refused')).toEqual(['3 unhealthy cluster'])
  })

  it('sees nothing of etcd without a quorum', () => {
    formed(3)
    for (const machine of [1, 2]) {
      off.add(machine)
      site.powerOff(machine)
    }
    expect(site.observe(0)).toMatchObject({ apiAnswers: true, ready: false, members: undefined })
  })
})

describe('a removal', () => {
  it('leaves a tombstone that forbids the start until the data are put away', () => {
    const ca = formed(3)
    expect(remove(0, 2)).toEqual({ kind: 'done', step: 'remove-member' })
    expect(site.observe(2)).toMatchObject({ tombstone: true, unit: 'stopped', hasEtcdData: true })
    start(2, 'server', 0, ca)
    run(5_000)
    expect(site.observe(2)).toMatchObject({ unit: 'stopped', detail: 'a tombstone forbids the start' })
    site.run(2, { kind: 'clear', reason: 'removed' })
    start(2, 'server', 0, ca)
    run(20_000)
    expect(members(0)).toEqual(['10.0.0.0', '10.0.0.1', '10.0.0.2'])
  })

  it('is learnt late by a member that is cut off, and by one that was off', () => {
    formed(5)
    cut = (a) => a === 3
    off.add(4)
    site.powerOff(4)
    const ids = [idOf(3), idOf(4)]
    for (const memberId of ids) site.run(0, { kind: 'remove-member', memberId })
    expect(members(0)).toHaveLength(3)
    run(30_000)
    expect(site.observe(3)).toMatchObject({ tombstone: false, unit: 'running' })
    cut = () => false
    off.delete(4)
    start(4, 'server', 0, 'x')
    run(10_000)
    for (const machine of [3, 4]) expect(site.observe(machine).tombstone).toBe(true)
  })

  it('is refused where too few of those that stay answer', () => {
    formed(3)
    off.add(2)
    site.powerOff(2)
    expect(remove(0, 1)).toMatchObject({
      kind: 'failed',
      detail: expect.stringContaining('not enough started'),
    })
    expect(remove(0, 2)).toMatchObject({ kind: 'done' })
    // The same once more does no harm.
    expect(members(0)).toEqual(['10.0.0.0', '10.0.0.1'])
  })

  it('ends a learner that makes no progress for five minutes', () => {
    const ca = formed(1)
    start(1, 'server', 0, ca)
    run(500)
    off.add(1)
    site.powerOff(1)
    run(290_000)
    expect(members(0)).toEqual(['10.0.0.0', '10.0.0.1 learner'])
    run(30_000)
    expect(members(0)).toEqual(['10.0.0.0'])
    expect(said('evicted')).toHaveLength(1)
  })
})

describe('a unit', () => {
  it('tries again while its start hangs, until somebody stops it', () => {
    const ca = formed(1)
    hung.add(1)
    start(1, 'server', 0, ca)
    run(20_000)
    expect(site.observe(1).unit).toBe('starting')
    hung.clear()
    run(10_000)
    expect(site.observe(1).unit).toBe('running')
    site.run(1, { kind: 'stop' })
    run(10_000)
    expect(site.observe(1).unit).toBe('stopped')
  })

  it('of a worker registers with the server that it is told, and remembers it', () => {
    const ca = formed(1)
    start(4, 'agent', 0, ca)
    run(5_000)
    expect(site.observe(4)).toMatchObject({ ready: true, caHash: ca })
    off.add(0)
    site.powerOff(0)
    site.powerOff(4)
    start(4, 'agent', 0, ca)
    run(5_000)
    expect(site.observe(4).unit).toBe('running')
  })

  it('closes its door to whom it is not opened', () => {
    const ca = formed(1)
    const allow = ['10.0.0.2']
    site.run(0, { kind: 'configure', role: 'server', files: [], allow })
    start(1, 'server', 0, ca)
    start(2, 'server', 0, ca)
    run(2_000)
    expect(members(0)).toEqual(['10.0.0.0', '10.0.0.2 learner'])
    expect(said('join refused')).toEqual(['1 the server does not answer'])
  })
})
