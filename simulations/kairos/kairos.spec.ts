import { describe, expect, it } from 'vitest'
import type { Effect } from '../../src/core/effect.ts'
import type { K3sObservation } from '../../src/core/k3s/types.ts'
import type { NodeInit } from '../../src/core/node.ts'
import { stream } from '../kernel/streams.ts'
import { merge, seenWithin, write } from './ledger.ts'
import { KairosNode, kairosCore } from './node.ts'
import { fnv1a32, leaderOf, leaderStep, scheduleRoles } from './rules.ts'

const minute = 60_000

describe('the hash that elects a leader', () => {
  it('is FNV-1a of 32 bits', () => {
    expect(fnv1a32('')).toBe(0x811c9dc5)
    expect(fnv1a32('a')).toBe(0xe40c292c)
    expect(fnv1a32('foobar')).toBe(0xbf9cf968)
  })

  it('elects the greatest', () => {
    expect(leaderOf(['foobar', 'a', ''])).toBe('a')
    expect(leaderOf([])).toBeUndefined()
  })
})

describe('leaderStep', () => {
  const view = { self: 'a', seen: ['a', 'foobar'], recorded: undefined, minimumNodes: 2 }

  it('waits for as many as are asked for', () => {
    expect(leaderStep({ ...view, minimumNodes: 3 })).toBe('wait')
    expect(leaderStep(view)).toBe('claim')
  })

  it('claims where the recorded one is not seen, and only with the greatest hash', () => {
    expect(leaderStep({ ...view, recorded: 'gone' })).toBe('claim')
    expect(leaderStep({ ...view, self: 'foobar' })).toBe('wait')
  })

  it('leaves a recorded leader in place as long as it is seen, whatever its hash', () => {
    expect(leaderStep({ ...view, recorded: 'foobar' })).toBe('wait')
    expect(leaderStep({ ...view, self: 'foobar', recorded: 'foobar' })).toBe('schedule')
  })
})

describe('scheduleRoles', () => {
  const random = stream(1, 'test')
  const round = (seen: readonly string[], roles: Record<string, string>) =>
    scheduleRoles(seen, (node) => roles[node], 1, random)

  it('draws a founder first, then one server a round, then all workers', () => {
    const [first, ...none] = round(['a', 'b', 'c'], {})
    expect(first?.role).toBe('master/clusterinit')
    expect(none).toEqual([])
    expect(round(['a', 'b', 'c'], { b: 'master/clusterinit' })).toEqual([{ node: 'a', role: 'master/ha' }])
    expect(round(['a', 'b', 'c'], { b: 'master/clusterinit', a: 'master/ha' })).toEqual([
      { node: 'c', role: 'worker' },
    ])
  })

  it('draws a second founder when the first is out of sight and somebody is free', () => {
    const roles = { gone: 'master/clusterinit', a: 'master/ha', b: 'worker' }
    expect(round(['a', 'b', 'new'], roles)).toEqual([{ node: 'new', role: 'master/clusterinit' }])
    expect(round(['a', 'b'], roles)).toEqual([{ node: 'b', role: 'worker' }])
  })

  it('gives workers nothing while servers are lacking and nobody is free', () => {
    expect(round(['a', 'b'], { a: 'master/clusterinit', b: 'worker' })).toEqual([])
  })
})

describe('the ledger', () => {
  it('lets the last writer win, key by key', () => {
    const common = write(new Map(), 'leader', 'x', 1_000)
    const left = write(common, 'leader', 'a', 2_000)
    const right = write(write(common, 'leader', 'b', 2_001), 'role/b', 'worker', 1)
    expect(merge(left, right).get('leader')?.value).toBe('b')
    expect(merge(right, left)).toBe(right)
  })

  it('counts versions up where the clock went back', () => {
    const ledger = write(write(new Map(), 'k', 'old', 5_000), 'k', 'new', 10)
    expect(ledger.get('k')).toEqual({ value: 'new', version: 5_001 })
  })

  it('forgets who was not heard of for the window', () => {
    const ledger = write(write(new Map(), 'seen/a', 0, 0), 'seen/b', minute, minute)
    expect(seenWithin(ledger, 'seen/', 15 * minute, 15 * minute - 1)).toEqual(['a', 'b'])
    expect(seenWithin(ledger, 'seen/', 15 * minute, 15 * minute)).toEqual(['b'])
  })
})

describe('a site of nodes on a perfect network', () => {
  it('forms one cluster when all see each other: one founder, one server, one worker', () => {
    const site = new Site(3)
    site.run(5 * minute)
    expect(site.started.map(({ role }) => role).toSorted()).toEqual(['agent', 'server', 'server-init'])
  })

  it('waits for ever below minimum_nodes', () => {
    const site = new Site(3, 4)
    site.run(30 * minute)
    expect(site.started).toEqual([])
  })

  it('founds a cluster on each side of a partition that holds two nodes', () => {
    const site = new Site(4)
    site.isCut = (a, b) => a < 2 !== b < 2
    site.run(5 * minute)
    expect(site.started.filter(({ role }) => role === 'server-init')).toHaveLength(2)
  })

  it('founds a second cluster when the founder is silent for the window and a node arrives', () => {
    const site = new Site(4, 2)
    site.absent.add(3)
    site.run(5 * minute)
    const founder = site.started.find(({ role }) => role === 'server-init')?.node
    site.isCut = (a, b) => a === founder || b === founder
    site.run(16 * minute)
    expect(site.started.filter(({ role }) => role === 'server-init')).toHaveLength(1)
    site.absent.delete(3)
    site.run(5 * minute)
    expect(site.started.filter(({ role }) => role === 'server-init').map(({ node }) => node)).toEqual([
      founder,
      3,
    ])
  })

  it('tries again what failed to start, and writes no sentinel before it runs', () => {
    const core = kairosCore({ minimumNodes: 1, serversBeside: 0 })(initOf(0), 0)
    const failed = { kind: 'failed', step: 'start', detail: '' } as const
    const starts: string[] = []
    const kept: unknown[] = []
    for (let now = 0; now < 5 * minute; now += 1_000) {
      if (core.nextDeadline() <= now) core.handle({ kind: 'deadline' }, now)
      for (const effect of core.drain()) {
        if (effect.kind === 'persist') kept.push(...effect.writes.map((write) => write.value))
        if (effect.kind !== 'k3s') continue
        starts.push(effect.step.kind)
        core.handle({ kind: 'k3s-result', result: failed }, now)
      }
    }
    expect(starts.length).toBeGreaterThan(3)
    expect(kept.length).toBeGreaterThan(0)
    expect(kept.filter((value) => (value as { deployed?: boolean }).deployed === true)).toEqual([])
  })

  it('starts nothing anew on a machine that has the sentinel', () => {
    const kept = { unit: { kind: 'start', role: 'agent' }, deployed: true }
    const core = kairosCore({ minimumNodes: 1, serversBeside: 0 })(
      { ...initOf(0), stored: { values: { k3s: kept }, chain: [] } },
      0,
    )
    expect(core.drain()).toEqual([{ kind: 'k3s', step: kept.unit }])
    for (let now = 0; now < 10 * minute; now += 1_000) core.handle({ kind: 'deadline' }, now)
    expect(core.drain().filter(({ kind }) => kind === 'k3s')).toEqual([])
  })
})

function initOf(index: number): NodeInit {
  const init = {
    self: `node-${index}`,
    facts: { hostname: `host${index}` },
    entropy: new Uint8Array(32).fill(index + 1),
    now: 0,
    stored: { values: {}, chain: [] },
  }
  // The rule reads nothing else of it.
  return init as unknown as NodeInit
}

/** Nodes that hear each other at once; k3s starts at once. */
class Site {
  readonly nodes: KairosNode[]
  readonly started: { node: number; role: string }[] = []
  readonly absent = new Set<number>()
  isCut: (a: number, b: number) => boolean = () => false
  #now = 0

  constructor(count: number, minimumNodes = 2) {
    this.nodes = Array.from(
      { length: count },
      (_, index) => new KairosNode(initOf(index), { minimumNodes, serversBeside: 1 }),
    )
    for (const [a, node] of this.nodes.entries()) {
      for (let b = 0; b < count; b++) {
        if (a === b) continue
        node.handle({ kind: 'peer-up', peer: `node-${b}`, endpoint: '', via: 'mdns' }, 0)
      }
    }
  }

  run(forMs: number): void {
    for (const end = this.#now + forMs; this.#now < end; this.#now += 1_000) {
      for (const [index, node] of this.nodes.entries()) {
        if (this.absent.has(index) || node.nextDeadline() > this.#now) continue
        node.handle({ kind: 'deadline' }, this.#now)
        this.#carryOut(index, node.drain())
      }
    }
  }

  #carryOut(from: number, effects: readonly Effect[]): void {
    for (const effect of effects) {
      if (effect.kind === 'send') {
        const to = Number(effect.to.slice('node-'.length))
        if (this.absent.has(to) || this.isCut(from, to)) continue
        const node = this.nodes[to] as KairosNode
        node.handle({ kind: 'message', from: `node-${from}`, message: effect.message }, this.#now)
        this.#carryOut(to, node.drain())
      } else if (effect.kind === 'k3s' && effect.step.kind === 'start') {
        this.started.push({ node: from, role: effect.step.role })
        const node = this.nodes[from] as KairosNode
        const observation = { caHash: `ca-${from}` } as K3sObservation
        node.handle({ kind: 'k3s-observed', observation, generation: -1 }, this.#now)
        node.handle({ kind: 'k3s-result', result: { kind: 'done', step: 'start' } }, this.#now)
        this.#carryOut(from, node.drain())
      }
    }
  }
}
