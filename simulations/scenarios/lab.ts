import { setTimeout as sleep } from 'node:timers/promises'
import { newNetwork } from '../../src/agent/api/operator.ts'
import { MusterError } from '../../src/errors.ts'
import type { Lab } from '../../src/lab/lab.ts'
import { createLab } from '../../src/lab/lab.ts'
import type { HostObservation } from '../../src/lab/observe.ts'
import type { Claim, HostLook, Look } from './claims.ts'
import { judgeClaim, readClaim } from './claims.ts'
import { loadScenario } from './load.ts'
import type { ScenarioReport } from './run.ts'
import type { EventWord, Scenario } from './schema.ts'
import { machinesIn, nameOf, sidesIn, spanMs, wordsOf } from './words.ts'

/** What an event needs of a lab. */
export type LabHands = Pick<
  Lab,
  'start' | 'stop' | 'cutPower' | 'wipe' | 'pause' | 'resume' | 'partition' | 'heal'
>

/** One thing to do in a lab at a moment. */
export interface LabAction {
  readonly atMs: number
  readonly text: string
  readonly act: (lab: LabHands) => Promise<void>
}

/** Hosts are looked at so often. */
const lookEveryMs = 1_000

/** Events that need a simulated disk, clock or k3s. */
const impossible: ReadonlySet<EventWord> = new Set<EventWord>([
  'clone',
  'rollback',
  'full_disk',
  'k3s_hang',
  'clock_jump',
])

/** What of a scenario has no counterpart in a lab; empty: it can run there. */
export function impossibleInLab(scenario: Scenario): readonly string[] {
  const events = (scenario.timeline ?? []).flatMap((event) =>
    wordsOf(event)
      .filter((word) => impossible.has(word))
      .map((word) => `\`${word}\` at ${event.at}`),
  )
  const settings = (['network', 'segments', 'no_path'] as const).filter((key) => scenario[key] !== undefined)
  return [...events, ...settings.map((key) => `\`${key}\``)]
}

/** The scenario's timeline as things to do with real hosts, in order of time; events that end become two. */
export function labActions(scenario: Scenario): readonly LabAction[] {
  const { machines } = scenario
  const endMs = spanMs(scenario.duration)
  const late = new Set(
    (scenario.timeline ?? []).flatMap(({ start }) =>
      start === undefined ? [] : machinesIn(start, machines),
    ),
  )
  const early = Array.from({ length: machines }, (_, index) => index).filter((index) => !late.has(index))
  const actions: LabAction[] = [each(0, 'start', early, (lab, host) => lab.start(host))]
  const cuts: { readonly atMs: number; readonly untilMs: number; readonly text: string }[] = []
  for (const event of scenario.timeline ?? []) {
    const [word] = wordsOf(event)
    if (word === undefined) continue
    const atMs = spanMs(event.at)
    const untilMs = event.for === undefined ? endMs : atMs + spanMs(event.for)
    if (word === 'partition') {
      cuts.push({ atMs, untilMs, text: event.partition ?? '' })
      continue
    }
    const hosts = machinesIn(event[word] ?? '', machines)
    const [begin, end] = deeds[word] ?? []
    if (begin === undefined) continue
    actions.push(each(atMs, word, hosts, begin))
    if (end !== undefined && untilMs < endMs) actions.push(each(untilMs, `end of ${word}`, hosts, end))
  }
  for (const cut of cuts) {
    actions.push({
      atMs: cut.atMs,
      text: `partition ${cut.text}`,
      act: (lab) => lab.partition(partitionOf(cut.text)),
    })
    if (cut.untilMs >= endMs) continue
    // A lab ends all its partitions at once: those that go on are put back.
    const others = cuts.filter((one) => one !== cut && one.atMs <= cut.untilMs && one.untilMs > cut.untilMs)
    actions.push({
      atMs: cut.untilMs,
      text: `end of partition ${cut.text}`,
      act: async (lab) => {
        await lab.heal()
        for (const other of others) await lab.partition(partitionOf(other.text))
      },
    })
  }
  return actions.toSorted((a, b) => a.atMs - b.atMs)
}

type Deed = (lab: LabHands, host: string) => Promise<void>

/** What an event does to a host, and what ends it. */
const deeds: Readonly<Partial<Record<EventWord, readonly [Deed, Deed?]>>> = {
  start: [(lab, host) => lab.start(host)],
  power_cut: [(lab, host) => lab.cutPower(host), (lab, host) => lab.start(host)],
  stop: [(lab, host) => lab.stop(host), (lab, host) => lab.start(host)],
  wipe: [(lab, host) => lab.wipe(host)],
  pause: [(lab, host) => lab.pause(host), (lab, host) => lab.resume(host)],
}

function each(atMs: number, word: string, hosts: readonly number[], deed: Deed): LabAction {
  const names = hosts.map(nameOf)
  return {
    atMs,
    text: `${word} ${names.join(', ')}`,
    act: async (lab) => {
      await Promise.all(names.map((name) => deed(lab, name)))
    },
  }
}

function partitionOf(text: string): Parameters<LabHands['partition']>[0] {
  const { left, right, oneWay } = sidesIn(text)
  return { left: left.map(nameOf), right: right.map(nameOf), direction: oneWay ? 'left-to-right' : 'both' }
}

/** How a scenario is run in a lab. */
export interface LabScenarioOptions {
  /** Name of the lab, which must not exist; default `scenario`. */
  readonly name?: string
  /** Told what is done, and when. */
  readonly say?: (line: string) => void
}

/**
 * Runs a scenario file with real agents, in real time: a lab is raised for it and ended afterwards. Throws
 * ERR_SCENARIO_INVALID, ERR_SCENARIO_IMPOSSIBLE where the file asks for what only the simulator can do, and the
 * errors of labs.
 */
export async function runScenarioInLab(
  path: string,
  options: LabScenarioOptions = {},
): Promise<ScenarioReport> {
  const scenario = loadScenario(path)
  const refused = impossibleInLab(scenario)
  if (refused.length > 0) throw new MusterError('ERR_SCENARIO_IMPOSSIBLE', { detail: refused.join(', ') })
  const lab = await createLab({
    name: options.name ?? 'scenario',
    nodes: scenario.machines,
    config: cloudConfigOf(scenario),
    startAgents: false,
  })
  try {
    const looks = await play(scenario, lab, options.say ?? (() => undefined))
    const claims = scenario.expect.map((text) => {
      const why = judgeClaim(readClaim(text) as Claim, looks)
      return { text, runs: 1, failures: why === '' ? [] : [{ seed: 0, why }] }
    })
    const passed = claims.every(({ failures }) => failures.length === 0)
    return { name: scenario.name, passed, claims }
  } finally {
    await lab.down()
  }
}

async function play(scenario: Scenario, lab: Lab, say: (line: string) => void): Promise<readonly Look[]> {
  const beganAt = performance.now()
  const elapsedMs = (): number => performance.now() - beganAt
  const looks: Look[] = []
  const left = [...labActions(scenario)]
  while (elapsedMs() < spanMs(scenario.duration)) {
    while (left[0] !== undefined && left[0].atMs <= elapsedMs()) {
      const action = left.shift() as LabAction
      say(`${(elapsedMs() / 1_000).toFixed(1)}s  ${action.text}`)
      await action.act(lab)
    }
    const hosts = (await lab.status()).map(lookAt)
    looks.push({ atMs: elapsedMs(), hosts })
    const untilNext = Math.min(
      lookEveryMs,
      Math.max(0, (left[0]?.atMs ?? Number.POSITIVE_INFINITY) - elapsedMs()),
    )
    await sleep(untilNext)
  }
  return looks
}

function lookAt({ status }: HostObservation): HostLook | undefined {
  if (status === undefined) return undefined
  return {
    clusterId: status.plan?.clusterId,
    isActive: status.plan?.phase === 'active',
    isReady: status.conditions.some((one) => one.type === 'K3sReady' && one.status === 'true'),
    role: status.assignment?.role ?? '',
    waiting: status.waiting,
  }
}

function cloudConfigOf({ bootstrap, control_plane: controlPlane = 3 }: Scenario): string {
  const { token } = newNetwork({ name: 'scenario' })
  return `#cloud-config\nmuster:\n  token: ${token}\n  bootstrap: ${JSON.stringify(bootstrap)}\n  control_plane: ${controlPlane}\n`
}
