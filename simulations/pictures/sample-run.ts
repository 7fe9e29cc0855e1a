import type { Plan } from '../plan/plan.ts'
import type { RunResult } from '../run/result.ts'
import type { NodeSnapshot, Trace, TraceEvent } from '../run/trace.ts'

// A hand-made run for the tests of pictures: a birth under a partition, in which both sides found a cluster. It has one of
// everything that a picture can show.

type Draft = TraceEvent extends infer Event ? (Event extends unknown ? Omit<Event, 'at'> : never) : never

const ids = ['ha3f', 'k2q9', 'p7xd', 't4mm', 'zz81']

const plan: Plan = {
  format: 'muster-plan/1',
  seed: 4711,
  nodes: 5,
  bootstrap: { mode: 'expect', expect: 3 },
  controlPlane: 3,
  boots: [0, 120, 300, 260, 900],
  segments: [0, 0, 0, 1, 1],
  noPath: [[1, 4]],
  network: { delayMs: [2, 30], tail: 0.05, tailMs: [200, 600], loss: 0.03, duplicate: 0.02, stale: 0.1 },
  disk: { syncMs: [1, 12] },
  drift: 0.01,
  k3s: { startMs: [2_000, 5_000], failure: 0.1, lostReply: 0.1 },
  timers: {},
  faults: [
    { kind: 'cut', at: 600, forMs: 7_400, from: [0, 1, 2], to: [3, 4], oneWay: false },
    { kind: 'power-cut', at: 5_200, forMs: 2_600, node: 1, keeps: false },
    { kind: 'pause', at: 9_000, forMs: 1_800, node: 4 },
    { kind: 'slow-disk', at: 2_500, forMs: 4_000, node: 2, syncMs: 400 },
  ],
  horizonMs: 16_000,
  core: [0, 1, 2, 3],
  patienceMs: 10_000,
  crypto: 'tagged',
}

/** A run in which two clusters are born. `gossipMs` is the pace of gossip: shorter makes a longer trace. */
export function sampleRun(gossipMs = 250): { readonly trace: Trace; readonly result: RunResult } {
  const endMs = 20_000
  const events: TraceEvent[] = []
  const random = lots(7)
  let message = 0
  const add = (at: number, event: Draft): void => {
    events.push({ at, ...event })
  }
  const isCut = (at: number, from: number, to: number): boolean =>
    at >= 600 && at < 8_000 && from < 3 !== to < 3
  const isOff = (at: number, node: number): boolean =>
    at < (plan.boots[node] ?? 0) || (node === 1 && at >= 5_200 && at < 7_800)
  const say = (at: number, from: number, to: number, type: string, text = ''): number => {
    if (isOff(at, from)) return at
    message += 1
    const takes = random() < 0.05 ? 200 + 400 * random() : 2 + 28 * random()
    add(at, { kind: 'send', message, from, to, type, text })
    if (isCut(at, from, to)) add(at + 1, { kind: 'drop', message, why: 'partition' })
    else if (isOff(at + takes, to)) add(at + takes, { kind: 'drop', message, why: 'the receiver is off' })
    else if (random() < 0.03) add(at + takes / 2, { kind: 'drop', message, why: 'loss' })
    else {
      add(at + takes, { kind: 'delivery', message, from, to })
      if (random() < 0.02) add(at + takes + 40, { kind: 'delivery', message, from, to })
    }
    return at + takes
  }
  const know = (at: number, node: number, state: Partial<NodeSnapshot>): void => {
    const side = [0, 1, 2, 3, 4].filter(
      (other) => other !== node && !isCut(at, node, other) && !isOff(at, other),
    )
    const known = {
      phase: 'waiting',
      note: '',
      clusterId: '',
      generation: -1,
      planPhase: '',
      leader: undefined,
    }
    add(at, {
      kind: 'snapshot',
      node,
      state: { ...known, connected: side, seen: side.length + 1, etcd: 0, ...state },
    })
  }
  const round = (at: number, leader: number, team: readonly number[], what: Omit<Decided, 'at'>): void => {
    const ballot = `ballot ${what.ballot}.${leader} generation ${what.generation}`
    for (const to of [0, 1, 2, 3, 4].filter((node) => node !== leader)) {
      say(at, leader, to, 'prepare', ballot)
      if (!team.includes(to)) continue
      say(at + 60 + 30 * random(), to, leader, 'promise', ballot)
      add(at + 50, { kind: 'persist', node: to, keys: ['register'] })
      say(at + 180, leader, to, 'propose', ballot)
      for (const peer of team) if (peer !== to) say(at + 260 + 40 * random(), to, peer, 'accept', ballot)
      add(at + 250, { kind: 'persist', node: to, keys: ['register', 'plan'] })
    }
    for (const node of team) {
      const took = at + 330 + 60 * random()
      const { clusterId, generation, phase, hash } = what
      add(took, { kind: 'adoption', node, clusterId, generation, phase, hash })
      know(took, node, {
        phase: what.memberPhase,
        clusterId,
        generation,
        planPhase: phase,
        leader,
        note: what.note,
      })
      for (const peer of team) if (peer !== node) say(took + 5, node, peer, 'plan-announce', '')
    }
  }
  for (const [node, at] of plan.boots.entries()) {
    add(at, { kind: 'boot', node, id: ids[node] ?? '', boots: 1 })
    know(at + 40, node, { note: 'waits for 3 machines' })
  }
  add(600, {
    kind: 'partition',
    how: 'partition',
    groups: [
      [0, 1, 2],
      [3, 4],
    ],
    until: 8_000,
  })
  add(9_500, { kind: 'partition', how: 'one-way', groups: [[0], [3, 4]], until: 12_000 })
  add(11_000, { kind: 'partition', how: 'clog', groups: [[2], [1]], until: 13_500 })
  add(2_500, { kind: 'fault', what: 'slow-disk', nodes: [2], text: 'a sync takes 400 ms' })
  add(9_000, { kind: 'pause', node: 4, until: 10_800 })
  const a = { clusterId: 'aa00', note: '' }
  const b = { clusterId: 'bb11', note: '' }
  say(1_500, 2, 0, 'prepare', 'ballot 1.2 generation 0')
  say(1_540, 0, 2, 'refuse', 'HigherPromise')
  round(1_800, 0, [0, 1, 2], {
    ...a,
    ballot: 2,
    generation: 0,
    phase: 'chartered',
    memberPhase: 'chartered',
    hash: '9c41d00f',
  })
  round(2_900, 0, [0, 1, 2], {
    ...a,
    ballot: 3,
    generation: 1,
    phase: 'granted',
    memberPhase: 'k3s-starting',
    hash: '77aa01be',
    note: 'node 0 makes the k3s cluster',
  })
  add(3_300, { kind: 'k3s', node: 0, what: 'start server-init', detail: '' })
  add(3_400, {
    kind: 'log',
    node: 1,
    level: 'info',
    reason: 'Granted',
    message: 'node 0 makes the k3s cluster',
  })
  add(5_200, { kind: 'crash', node: 1, why: 'power cut, unsynced writes lost' })
  add(5_600, { kind: 'k3s', node: 0, what: 'api answers', detail: '' })
  round(6_100, 3, [3, 4], {
    ...b,
    ballot: 1,
    generation: 0,
    phase: 'chartered',
    memberPhase: 'chartered',
    hash: 'e012f7c3',
  })
  round(6_700, 0, [0, 2], {
    ...a,
    ballot: 4,
    generation: 2,
    phase: 'active',
    memberPhase: 'k3s-ready',
    hash: '31d2ee90',
  })
  add(7_800, { kind: 'boot', node: 1, id: ids[1] ?? '', boots: 2 })
  know(7_850, 1, { note: 'asks who knows its votes' })
  for (const node of [0, 2]) say(7_860, 1, node, 'vote-check', 'boot 2, vote 4')
  for (const node of [0, 2]) say(7_930, node, 1, 'vote-check-reply', 'boot 1, vote 4')
  add(8_240, {
    kind: 'adoption',
    node: 1,
    clusterId: 'aa00',
    generation: 2,
    phase: 'active',
    hash: '31d2ee90',
  })
  know(8_240, 1, { phase: 'k3s-joining', clusterId: 'aa00', generation: 2, planPhase: 'active', leader: 0 })
  add(8_900, { kind: 'k3s', node: 1, what: 'member added', detail: 'learner' })
  add(9_900, { kind: 'k3s', node: 1, what: 'promoted', detail: '' })
  know(10_100, 1, {
    phase: 'k3s-ready',
    clusterId: 'aa00',
    generation: 2,
    planPhase: 'active',
    leader: 0,
    etcd: 2,
  })
  round(12_600, 3, [3, 4], {
    ...b,
    ballot: 2,
    generation: 1,
    phase: 'active',
    memberPhase: 'k3s-ready',
    hash: '5ab09911',
  })
  const violation = {
    kind: 'violation',
    node: 3,
    invariant: 'S2',
    text: 'two active clusters: aa00 since 6.4 s, bb11 since 12.9 s',
  } as const
  add(13_000, violation)
  add(16_000, { kind: 'healed', core: [0, 1, 2, 3] })
  for (let at = 200; at < endMs; at += gossipMs) {
    const from = Math.floor(random() * 5)
    const to = (from + 1 + Math.floor(random() * 4)) % 5
    if (random() < 0.5) say(at, from, to, 'gossip')
    else say(say(at, from, to, 'ping') + 3, to, from, 'ack')
  }
  const sorted = events.toSorted((one, other) => one.at - other.at)
  return {
    trace: { plan, endMs, events: sorted, truncated: false },
    result: {
      seed: plan.seed,
      events: sorted.length,
      virtualMs: endMs,
      violations: [{ invariant: 'S2', at: 13_000, node: 3, text: violation.text }],
      premise: true,
      forked: true,
      excused: '',
      coverage: { 'charter certified': 2, 'vote refused': 1, 'power cut': 1, 'never seen': 0 },
      spreadsMs: [],
      formation: { charterMs: 2_150, activeMs: 7_060, allActiveMs: undefined },
      digest: '5f0c77d1e3a94b62',
    },
  }
}

interface Decided {
  readonly at: number
  readonly clusterId: string
  readonly ballot: number
  readonly generation: number
  readonly phase: string
  readonly memberPhase: string
  readonly hash: string
  readonly note: string
}

/** Numbers from 0 to 1, the same for the same seed (Park and Miller's generator). */
function lots(seed: number): () => number {
  let state = seed
  return () => {
    state = (state * 48_271) % 2_147_483_647
    return state / 2_147_483_647
  }
}
