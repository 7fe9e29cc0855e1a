import { stream } from '../kernel/streams.ts'
import { generatePlan } from '../plan/generate.ts'
import type { Fault, Plan } from '../plan/plan.ts'

const second = 1_000
const minute = 60_000

/** Machines that are there from the beginning. */
export const machines = 5
/** From now on nobody hears the founder, in the presets in which it falls silent. */
export const founderSilentAt: number = 5 * minute
/** A machine that is added later has this number. */
const newcomer = machines

/** What befalls a site. `founder` is the machine that founded the cluster in the same run without the fault. */
export interface Preset {
  readonly name: string
  readonly text: string
  /** Whether the plan depends on who founds the cluster. */
  readonly needsFounder: boolean
  readonly plan: (seed: number, founder: number) => Plan
}

/** The faults under which the rules are compared. */
export const presets: readonly Preset[] = [
  {
    name: 'calm',
    text: 'five machines within 30 s, nothing happens',
    needsFounder: false,
    plan: (seed) => site(seed, machines, []),
  },
  {
    name: 'partition at birth',
    text: 'the site is in two parts, drawn by coin, for the first 1 to 5 minutes',
    needsFounder: false,
    plan: (seed) => {
      const random = stream(seed, 'preset')
      const forMs = Math.floor(random.between(minute, 5 * minute))
      const inMask = 1 + random.below(2 ** machines - 2)
      const isLeft = (node: number): boolean => ((inMask >> node) & 1) === 1
      return site(seed, machines, [
        cut(0, forMs, everybody(machines).filter(isLeft), (node) => !isLeft(node)),
      ])
    },
  },
  {
    name: 'founder cut off for 20 min',
    text: 'from minute 5 on nobody hears the founder; a sixth machine is switched on 16 to 18 minutes later',
    needsFounder: true,
    plan: (seed, founder) => founderCutOff(seed, founder, 16 * minute, 18 * minute),
  },
  {
    name: 'same, newcomer at any time',
    text: 'the same; the sixth machine is switched on at any moment of the 20 minutes',
    needsFounder: true,
    plan: (seed, founder) => founderCutOff(seed, founder, 0, 20 * minute),
  },
  {
    name: 'power cut of the site',
    text: 'all lose power at one moment of the first 5 minutes, and come back 30 to 90 s later, one by one',
    needsFounder: false,
    plan: powerCut,
  },
  {
    name: 'hostile',
    text: "10 minutes of the generator's hostile plans: everything above, and disks that are wiped, copied and put back",
    needsFounder: false,
    plan: (seed) => ({
      ...generatePlan({ seed, nodes: machines, faults: 'hostile', minutes: 10 }),
      // The same servers and clocks as in the other presets; the rival's ledger has no wire format.
      controlPlane: 3,
      timers: {},
      core: everybody(machines),
      patienceMs: 10 * minute,
      crypto: 'tagged',
    }),
  },
]

function founderCutOff(seed: number, founder: number, from: number, to: number): Plan {
  const at = founderSilentAt
  const boot = Math.floor(stream(seed, 'preset').between(at + from, at + to))
  const others = (node: number): boolean => node !== founder
  return site(seed, machines + 1, [cut(at, 20 * minute, [founder], others)], boot)
}

function powerCut(seed: number): Plan {
  const random = stream(seed, 'preset')
  const at = Math.floor(random.between(20 * second, 5 * minute))
  const faults = everybody(machines).map((node): Fault => {
    const forMs = Math.floor(random.between(30 * second, 90 * second))
    return { kind: 'power-cut', at, forMs, node, keeps: true }
  })
  return site(seed, machines, faults)
}

function cut(at: number, forMs: number, from: readonly number[], isOther: (node: number) => boolean): Fault {
  return {
    kind: 'cut',
    at,
    forMs,
    from: [...from],
    to: everybody(machines + 1).filter(isOther),
    oneWay: false,
  }
}

function everybody(nodes: number): number[] {
  return Array.from({ length: nodes }, (_, node) => node)
}

/** A site on one good network: what befalls it is the preset's alone. */
function site(seed: number, nodes: number, faults: readonly Fault[], newcomerBoot = 0): Plan {
  const random = stream(seed, 'boots')
  const boots = everybody(machines).map(() => Math.floor(random.between(0, 30 * second)))
  const ends = faults.map((fault) => fault.at + ('forMs' in fault ? fault.forMs : 0))
  return {
    format: 'muster-plan/1',
    seed,
    nodes,
    bootstrap: { mode: 'expect', expect: machines },
    controlPlane: 3,
    boots: nodes > newcomer ? [...boots, newcomerBoot] : boots,
    segments: everybody(nodes).map(() => 0),
    noPath: [],
    network: { delayMs: [1, 5], tail: 0.01, tailMs: [50, 400], loss: 0.01, duplicate: 0.01, stale: 0 },
    disk: { syncMs: [1, 10] },
    drift: 0,
    k3s: { startMs: [8 * second, 20 * second], failure: 0, lostReply: 0 },
    timers: {},
    faults: faults.map((fault) => withoutAbsent(fault, nodes)),
    horizonMs: Math.max(minute, newcomerBoot, ...ends) + second,
    core: everybody(nodes),
    patienceMs: 10 * minute,
    crypto: 'tagged',
  }
}

/** The newcomer stands on the other side of every cut; where there is none, it is not named. */
function withoutAbsent(fault: Fault, nodes: number): Fault {
  return fault.kind === 'cut' ? { ...fault, to: fault.to.filter((node) => node < nodes) } : fault
}
