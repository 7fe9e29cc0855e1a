import type { Random } from '../../src/core/model/random.ts'
import { stream } from '../kernel/streams.ts'
import { beyondPremise } from './beyond-premise.ts'
import type { Fault, Plan } from './plan.ts'
import { trials } from './plan.ts'

/** Fault sets by name. */
export const presets = [
  'clean',
  'lossy',
  'hostile',
  'partition-at-birth',
  'crashes',
  'disks',
  'liars',
  'k3s',
  'versions',
  'beyond-premise',
] as const
export type Preset = (typeof presets)[number]

/** What a plan is made from. */
export interface GenerateOptions {
  readonly seed: number
  readonly nodes: number
  readonly faults: Preset
  /** `auto`, or so many machines; by default as many as there are. */
  readonly expect?: number | 'auto'
  /** Length in virtual minutes until the healing; by default drawn from the seed. */
  readonly minutes?: number
}

/** Timers of a simulated site: as in production up to the seconds of SWIM and Paxos, shorter where it is minutes. */
const timers = {
  antiEntropyIntervalMs: 10_000,
  initTimeoutMs: 45_000,
  deadAfterMs: 20_000,
  promoteAfterMs: 5_000,
  settleMs: 6_000,
  bootGraceMs: 5_000,
}

/**
 * So long a healed site may take. A server that lost its data as a learner joins again when k3s has evicted the learner, which
 * it does after five minutes.
 */
const patienceMs = 420_000

/** The share of seeds that run with real keys and real bytes. */
const realEvery = 100

/** Every class of faults, and the presets that may draw it. Each seed turns each one on or off (swarm testing). */
const classes: Readonly<Record<string, readonly Preset[]>> = {
  loss: ['lossy', 'hostile', 'partition-at-birth'],
  duplicates: ['lossy', 'hostile'],
  tails: ['lossy', 'hostile'],
  segments: ['lossy', 'hostile'],
  stale: ['lossy', 'hostile'],
  'no-path': ['hostile'],
  drift: ['hostile', 'crashes'],
  cut: ['hostile', 'partition-at-birth'],
  'one-way': ['hostile'],
  clog: ['hostile', 'lossy'],
  pause: ['hostile', 'crashes'],
  'power-cut': ['hostile', 'crashes', 'disks', 'k3s'],
  'crash-at-write': ['hostile', 'crashes'],
  'crash-at-effect': ['hostile', 'crashes'],
  stop: ['hostile', 'crashes'],
  wipe: ['hostile', 'disks'],
  rollback: ['hostile', 'disks'],
  clone: ['hostile', 'disks'],
  'bit-rot': ['hostile', 'disks'],
  'slow-disk': ['hostile', 'disks'],
  'full-disk': ['hostile', 'disks'],
  'clock-jump': ['hostile', 'crashes'],
  lie: ['liars', 'hostile'],
  equivocate: ['liars', 'hostile'],
  'k3s-hang': ['hostile', 'k3s'],
  'k3s-failure': ['hostile', 'k3s'],
  'k3s-lost-reply': ['hostile', 'k3s'],
  order: ['hostile', 'versions'],
  fewer: ['hostile', 'liars', 'versions'],
  late: ['hostile', 'liars'],
  'long-death': ['hostile', 'crashes'],
  leave: ['hostile'],
  nat: ['hostile'],
  corrupt: ['hostile', 'liars'],
  echo: ['hostile', 'liars'],
  upgrade: ['versions', 'hostile'],
  'k3s-wipe': ['hostile', 'k3s'],
}

/** Makes a plan from a seed. The same options make the same plan; each class draws from a stream of its own. */
export function generatePlan(options: GenerateOptions): Plan {
  const { seed, nodes, faults: preset } = options
  const shape = stream(seed, 'plan/shape')
  const swarm = stream(seed, 'plan/swarm')
  const on = new Map<string, boolean>()
  for (const [name, drawnBy] of Object.entries(classes)) {
    // A preset with one purpose always has it; rare things are rare.
    const share = shareIn[preset]?.[name] ?? rareShare[name] ?? 0.5
    on.set(name, drawnBy.includes(preset) && (swarm.unit() < share || name === always[preset]))
  }
  const horizonMs = Math.round(
    options.minutes === undefined
      ? preset === 'clean'
        ? 8_000
        : shape.between(10_000, 45_000) + (on.get('long-death') === true ? longDeathMs : 0)
      : options.minutes * 60_000,
  )
  const spread = shape.unit() < 0.5 ? 500 : 15_000
  const boots = Array.from({ length: nodes }, () => Math.floor(shape.unit() * spread))
  const has = (name: string): boolean => on.get(name) === true
  const draw = (name: string): Random => stream(seed, `plan/${name}`)
  // The fewest of which no two groups fit into the site, as long as nobody comes back as somebody new.
  const expect = options.expect ?? (has('fewer') ? Math.floor(nodes / 2) + 1 : nodes)
  if (has('late')) {
    const late = draw('late')
    for (let count = 1 + late.below(2); count > 0; count--)
      boots[late.below(nodes)] = Math.floor(late.between(15_000, 40_000))
  }
  const plan: Plan = {
    format: 'muster-plan/1',
    seed,
    nodes,
    bootstrap: expect === 'auto' ? { mode: 'auto' } : { mode: 'expect', expect },
    controlPlane: nodes >= 5 && shape.unit() < 0.2 ? 5 : 3,
    boots,
    segments: has('segments') ? boots.map(() => draw('segments').below(3)).map((_, index) => index % 2) : [],
    noPath: has('no-path') && nodes > 2 ? [pair(draw('no-path'), nodes)] : [],
    ...(has('nat') ? { nats: natsOf(draw('nat'), nodes) } : {}),
    ...(has('upgrade') ? { versions: versionsOf(draw('versions'), nodes) } : {}),
    network: {
      delayMs: [0.2, draw('delay').unit() < 0.5 ? 3 : 80],
      tail: has('tails') ? draw('tails').between(0.001, 0.1) : 0,
      tailMs: has('tails') ? [20, 400] : [0, 0],
      loss: has('loss') ? draw('loss').between(0.01, 0.3) : 0,
      duplicate: has('duplicates') ? draw('duplicates').between(0.01, 0.2) : 0,
      stale: has('stale') ? draw('stale').between(0.1, 0.6) : 0,
    },
    disk: { syncMs: has('slow-disk') ? [1, draw('sync').between(5, 200)] : [0, 0] },
    drift: has('drift') ? draw('drift').between(0, 0.05) : 0,
    k3s: {
      startMs: [1_000, draw('k3s').between(2_000, 10_000)],
      failure: has('k3s-failure') ? draw('failure').between(0, 0.3) : 0,
      lostReply: has('k3s-lost-reply') ? draw('lost-reply').between(0, 0.3) : 0,
    },
    timers,
    faults: makeFaults(options, horizonMs, has, draw),
    horizonMs,
    ...afterwards(preset, draw('core'), draw('trials'), nodes),
    patienceMs,
    crypto: seed % realEvery === realEvery - 1 ? 'real' : 'tagged',
  }
  return preset === 'beyond-premise' ? beyondPremise(plan) : plan
}

const always: Partial<Record<Preset, string>> = {
  lossy: 'loss',
  'partition-at-birth': 'cut',
  crashes: 'power-cut',
  liars: 'lie',
  versions: 'upgrade',
}

/** What is rare elsewhere, and what a preset is for. */
const shareIn: Partial<Record<Preset, Readonly<Record<string, number>>>> = {
  liars: { equivocate: 0.4, fewer: 0.5, corrupt: 0.4 },
  crashes: { 'long-death': 0.2 },
  versions: { fewer: 0.5 },
}

/** So much longer a run is where a machine is dead for long enough to be replaced. */
const longDeathMs = 60_000

const rareShare: Readonly<Record<string, number>> = {
  wipe: 0.2,
  rollback: 0.08,
  clone: 0.08,
  'bit-rot': 0.15,
  'no-path': 0.2,
  order: 0.2,
  lie: 0.08,
  equivocate: 0.08,
  fewer: 0.2,
  late: 0.15,
  'long-death': 0.08,
  leave: 0.1,
  nat: 0.1,
  corrupt: 0.15,
  echo: 0.2,
  upgrade: 0.05,
  'k3s-wipe': 0.06,
}

function makeFaults(
  { nodes, faults: preset }: GenerateOptions,
  horizonMs: number,
  has: (name: string) => boolean,
  draw: (name: string) => Random,
): Fault[] {
  const faults: Fault[] = []
  const times = (
    name: string,
    max: number,
    make: (random: Random, at: number, node: number) => Fault,
  ): void => {
    if (!has(name)) return
    const random = draw(name)
    for (let count = 1 + random.below(max); count > 0; count--) {
      faults.push(make(random, Math.floor(random.unit() * horizonMs), random.below(nodes)))
    }
  }
  const lasts = (random: Random, max = 20_000): number => Math.floor(random.between(200, max))
  times('cut', 3, (random, at) => {
    const [from, to] = sides(random, nodes)
    const birth = preset === 'partition-at-birth'
    return {
      kind: 'cut',
      at: birth ? 0 : at,
      forMs: birth ? horizonMs : lasts(random),
      from,
      to,
      oneWay: false,
    }
  })
  times('one-way', 3, (random, at) => {
    const [from, to] = sides(random, nodes)
    return { kind: 'cut', at, forMs: lasts(random), from, to, oneWay: true }
  })
  times('clog', 3, (random, at) => {
    const [from, to] = sides(random, nodes)
    return { kind: 'clog', at, forMs: lasts(random, 8_000), from, to }
  })
  times('pause', 4, (random, at, node) => ({ kind: 'pause', at, forMs: lasts(random, 15_000), node }))
  times('power-cut', 6, (random, at, node) => ({
    kind: 'power-cut',
    at,
    forMs: lasts(random),
    node,
    keeps: random.unit() < 0.5,
    torn: random.unit() < 0.3,
  }))
  times('crash-at-write', 6, (random, at, node) => ({
    kind: 'crash-at-write',
    at,
    forMs: lasts(random, 5_000),
    node,
    after: random.unit() < 0.5,
  }))
  times('crash-at-effect', 6, (random, at, node) => ({
    kind: 'crash-at-effect',
    at,
    forMs: lasts(random, 5_000),
    node,
    effect: random.sample(['persist', 'send', 'send', 'overlay', 'k3s', 'k3s'] as const, 1)[0] ?? 'send',
    after: random.unit() < 0.5,
    count: 1 + random.below(6),
  }))
  times('stop', 2, (random, at, node) => ({ kind: 'stop', at, forMs: lasts(random), node }))
  times('wipe', 2, (random, at, node) => ({ kind: 'wipe', at, forMs: lasts(random), node }))
  times('rollback', 2, (random, at, node) => ({
    kind: 'rollback',
    at,
    forMs: lasts(random, 5_000),
    node,
    backMs: lasts(random),
  }))
  times('clone', 1, (_random, at, node) => ({ kind: 'clone', at, node }))
  times('bit-rot', 2, (random, at, node) => ({
    kind: 'bit-rot',
    at,
    forMs: lasts(random, 5_000),
    node,
    copies: random.unit() < 0.7 ? 1 : 2,
  }))
  times('slow-disk', 2, (random, at, node) => ({
    kind: 'slow-disk',
    at,
    forMs: lasts(random),
    node,
    syncMs: lasts(random, 3_000),
  }))
  times('full-disk', 2, (random, at, node) => ({ kind: 'full-disk', at, forMs: lasts(random), node }))
  times('clock-jump', 3, (random, at, node) => ({
    kind: 'clock-jump',
    at,
    node,
    byMs: Math.floor(random.between(-20_000, 20_000)),
  }))
  times('lie', 2, (random, at, node) => ({
    kind: 'lie',
    at: Math.floor(at / 3),
    forMs: horizonMs,
    node,
    how: random.sample(['forge', 'flood', 'withhold', 'replay', 'newer'] as const, 1)[0] ?? 'forge',
  }))
  times('equivocate', 1, (random, at, node) => ({
    kind: 'lie',
    at: random.unit() < 0.5 ? 600 : at,
    forMs: horizonMs,
    node,
    how: random.sample(['equivocate', 'two-faced', 'bad-plan'] as const, 1)[0] ?? 'equivocate',
  }))
  times('k3s-hang', 3, (random, at, node) => ({ kind: 'k3s-hang', at, forMs: lasts(random, 60_000), node }))
  times('k3s-failure', 2, (random, at, node) => ({ kind: 'k3s-failure', at, forMs: lasts(random), node }))
  times('k3s-lost-reply', 2, (random, at, node) => ({
    kind: 'k3s-lost-reply',
    at,
    forMs: lasts(random),
    node,
  }))
  times('long-death', 1, (random, _at, node) => ({
    kind: 'power-cut',
    at: Math.floor(random.between(0.3, 0.6) * horizonMs),
    forMs: Math.floor(random.between(30_000, 90_000)),
    node,
    keeps: true,
  }))
  times('leave', 1, (random, at, node) => ({
    kind: 'leave',
    at: Math.floor((at + random.between(1, 2) * horizonMs) / 3),
    node,
  }))
  times('corrupt', 2, (random, at) => {
    const [from, to] = sides(random, nodes)
    return {
      kind: 'corrupt',
      at,
      forMs: lasts(random, 5_000),
      from,
      to,
      share: random.between(0.005, 0.1),
    }
  })
  times('echo', 2, (random, at) => {
    const [from, to] = sides(random, nodes)
    const afterMs = Math.floor(random.between(500, 20_000))
    return { kind: 'echo', at, forMs: lasts(random, 4_000), from, to, afterMs }
  })
  times('upgrade', nodes, (random, at, node) => ({
    kind: 'upgrade',
    at,
    forMs: lasts(random, 5_000),
    node,
    version: 2,
  }))
  times('k3s-wipe', 1, (random, at, node) => ({
    kind: 'k3s-wipe',
    at: Math.floor((at + horizonMs) / 2),
    forMs: lasts(random, 5_000),
    node,
  }))
  times('order', 1, (random, at, node) => ({
    kind: 'order',
    at,
    node,
    controlPlane: 1 + 2 * random.below(3),
    serial: 1,
  }))
  return faults.toSorted((a, b) => a.at - b.at)
}

function sides(random: Random, nodes: number): [number[], number[]] {
  const all = Array.from({ length: nodes }, (_, index) => index)
  const left = random.sample(all, 1 + random.below(Math.max(1, nodes - 1))).toSorted((a, b) => a - b)
  return [left, all.filter((index) => !left.includes(index))]
}

function pair(random: Random, nodes: number): [number, number] {
  const [a = 0, b = 1] = random.sample(
    Array.from({ length: nodes }, (_, index) => index),
    2,
  )
  return [a, b]
}

/** Machines behind two NATs, and at least one behind none: the others meet through it. */
function natsOf(random: Random, nodes: number): number[] {
  const open = random.below(nodes)
  return Array.from({ length: nodes }, (_, index) => (index === open ? 0 : random.below(3)))
}

/** Some machines come with the next version of the protocol from the start. */
function versionsOf(random: Random, nodes: number): number[] {
  const share = random.unit()
  return Array.from({ length: nodes }, () => (random.unit() < share ? 2 : 1))
}

/** Minutes of virtual time cost as much as the rest of a run: so the trials are rare. */
const trialShare: Partial<Record<Preset, number>> = { hostile: 0.06, crashes: 0.06, k3s: 0.06 }

/** Who is healed, and in some seeds what all of them must bear then. */
function afterwards(
  preset: Preset,
  core: Random,
  trial: Random,
  nodes: number,
): Pick<Plan, 'core'> | Required<Pick<Plan, 'core' | 'trials'>> {
  if (trial.unit() >= (trialShare[preset] ?? 0)) return { core: coreOf(core, nodes) }
  return { core: Array.from({ length: nodes }, (_, index) => index), trials: trial.sample(trials, 1) }
}

/** All machines in half of the seeds, any other set in the rest; what a quorum needs is added when the time comes. */
function coreOf(random: Random, nodes: number): number[] {
  const all = Array.from({ length: nodes }, (_, index) => index)
  if (random.unit() < 0.5) return all
  return random.sample(all, 1 + random.below(nodes)).toSorted((a, b) => a - b)
}
