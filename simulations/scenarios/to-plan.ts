import { stream } from '../kernel/streams.ts'
import type { Fault, Plan } from '../plan/plan.ts'
import type { EventWord, Scenario, ScenarioEvent } from './schema.ts'
import { machinesIn, sidesIn, spanMs, wordsOf } from './words.ts'

/** The plan of one simulated run of a scenario. Chances that the file leaves open are drawn from the seed. */
export function scenarioPlan(scenario: Scenario, seed: number): Plan {
  const { machines, network } = scenario
  const horizonMs = spanMs(scenario.duration)
  const timeline = scenario.timeline ?? []
  const random = stream(seed, 'scenario')
  const bootWithinMs = spanMs(scenario.boot_within ?? '5s')
  const boots = Array.from({ length: machines }, () => Math.floor(random.between(0, bootWithinMs)))
  for (const { at, start } of timeline) {
    if (start !== undefined) for (const machine of machinesIn(start, machines)) boots[machine] = spanMs(at)
  }
  return {
    format: 'muster-plan/1',
    seed,
    nodes: machines,
    bootstrap: bootstrapOf(scenario),
    controlPlane: scenario.control_plane ?? 3,
    boots,
    segments: segmentsOf(scenario),
    noPath: (scenario.no_path ?? []).flatMap((text) => {
      const { left, right } = sidesIn(text)
      return left.flatMap((a) => right.map((b): [number, number] => [a, b]))
    }),
    network: {
      delayMs: [0, spanMs(network?.delay ?? '5ms')],
      tail: 0,
      tailMs: [0, 0],
      loss: (network?.loss_percent ?? 0) / 100,
      duplicate: 0,
      stale: 0,
    },
    disk: { syncMs: [1, 10] },
    drift: 0,
    k3s: { startMs: [5_000, 15_000], failure: 0, lostReply: 0 },
    timers: {},
    faults: timeline.flatMap((event) => faultsOf(event, machines, horizonMs)),
    horizonMs,
    // A scenario says itself what must be alive, and when: nothing is healed at its end.
    core: [],
    patienceMs: 0,
    crypto: 'tagged',
  }
}

function bootstrapOf({ bootstrap }: Scenario): Plan['bootstrap'] {
  const { expect, tolerate, slack } = bootstrap
  if (expect === undefined) return { mode: 'auto' }
  if (tolerate === undefined) return { mode: 'expect', expect }
  return { mode: 'tolerate', expect, tolerate, slack: slack ?? 0 }
}

function segmentsOf({ segments, machines }: Scenario): number[] {
  if (segments === undefined) return []
  const of = Array.from({ length: machines }, () => segments.length)
  for (const [segment, text] of segments.entries())
    for (const machine of machinesIn(text, machines)) of[machine] = segment
  return of
}

type MachineWord = Exclude<EventWord, 'start' | 'partition'>

function faultsOf(event: ScenarioEvent, machines: number, horizonMs: number): readonly Fault[] {
  const [word] = wordsOf(event)
  if (word === undefined || word === 'start') return []
  const at = spanMs(event.at)
  const forMs = event.for === undefined ? horizonMs : spanMs(event.for)
  if (word === 'partition') {
    const { left, right, oneWay } = sidesIn(event.partition ?? '')
    return [{ kind: 'cut', at, forMs, from: [...left], to: [...right], oneWay }]
  }
  return machinesIn(event[word] ?? '', machines).map((node) => faultOf(word, event, { at, forMs, node }))
}

function faultOf(
  word: MachineWord,
  event: ScenarioEvent,
  base: { at: number; forMs: number; node: number },
): Fault {
  const { at, node } = base
  switch (word) {
    case 'power_cut':
      return { kind: 'power-cut', ...base, keeps: true }
    case 'stop':
      return { kind: 'stop', ...base }
    case 'wipe':
      // Somebody changes the disk, and switches the machine on again.
      return { kind: 'wipe', ...base, forMs: event.for === undefined ? 1_000 : base.forMs }
    case 'pause':
      return { kind: 'pause', ...base }
    case 'clone':
      return { kind: 'clone', at, node }
    case 'rollback':
      return { kind: 'rollback', ...base, forMs: 1_000, backMs: spanMs(event.back ?? '0s') }
    case 'full_disk':
      return { kind: 'full-disk', ...base }
    case 'k3s_hang':
      return { kind: 'k3s-hang', ...base }
    case 'clock_jump':
      return { kind: 'clock-jump', at, node, byMs: spanMs(event.by ?? '0s') }
  }
}
