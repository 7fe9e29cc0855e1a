import { readFileSync } from 'node:fs'
import { formatDiagnostic } from '../../src/config/index.ts'
import type { Complain, StrictReading } from '../../src/config/strict-yaml.ts'
import { readStrictYaml } from '../../src/config/strict-yaml.ts'
import { MusterError } from '../../src/errors.ts'
import { claimForms, readClaim } from './claims.ts'
import type { EventWord, Scenario, ScenarioEvent } from './schema.ts'
import { eventWords, scenarioSchema } from './schema.ts'
import { machinesIn, nameOf, sidesIn, spanMs, wordsOf } from './words.ts'

/** Reads the text of a scenario; every error is at its place. */
export function readScenario(path: string, text: string): StrictReading<Scenario> {
  return readStrictYaml({ path, text }, scenarioSchema, checkMeaning)
}

/** Reads a scenario file. Throws ERR_SCENARIO_INVALID with all errors, and ERR_CONFIG_UNREADABLE. */
export function loadScenario(path: string): Scenario {
  let text: string
  try {
    text = readFileSync(path, 'utf8')
  } catch (error) {
    throw new MusterError('ERR_CONFIG_UNREADABLE', { path }, { cause: error })
  }
  const { value, diagnostics } = readScenario(path, text)
  if (value !== undefined) return value
  const detail = diagnostics.map((one) => formatDiagnostic(one, { colour: false })).join('\n')
  throw new MusterError('ERR_SCENARIO_INVALID', { path, detail })
}

function checkMeaning(scenario: Scenario, complain: Complain): void {
  checkBootstrap(scenario, complain)
  const endMs = spanMs(scenario.duration)
  if (scenario.boot_within !== undefined && spanMs(scenario.boot_within) >= endMs)
    complain(['boot_within'], `is after the end, ${scenario.duration}`)
  checkFirstStarts(scenario, complain)
  const started = new Set<number>()
  for (const [index, event] of (scenario.timeline ?? []).entries()) {
    checkEvent(scenario, event, ['timeline', index], complain)
    if (event.start === undefined) continue
    for (const machine of machinesIn(event.start, scenario.machines)) {
      if (started.has(machine))
        complain(['timeline', index, 'start'], 'a machine is started for the first time once only')
      started.add(machine)
    }
  }
  for (const [index, text] of (scenario.segments ?? []).entries()) {
    checkNames(text, scenario.machines, ['segments', index], complain)
  }
  for (const [index, text] of (scenario.no_path ?? []).entries()) {
    checkSides(text, scenario.machines, ['no_path', index], complain)
  }
  for (const [index, text] of scenario.expect.entries()) checkClaim(scenario, text, index, complain)
}

function checkBootstrap({ bootstrap }: Scenario, complain: Complain): void {
  const { expect, tolerate, slack, auto } = bootstrap
  if ((expect === undefined) === (auto !== true)) {
    complain(
      ['bootstrap'],
      'a cluster is founded in one way',
      'Write `expect: <number of machines>` or `auto: true`.',
    )
  }
  if (expect === undefined && (tolerate !== undefined || slack !== undefined)) {
    complain(['bootstrap'], '`tolerate` and `slack` have a meaning only together with `expect`')
  }
  if (expect !== undefined && tolerate !== undefined && 2 * (expect - tolerate) <= expect + (slack ?? 0)) {
    complain(
      ['bootstrap', 'tolerate'],
      `two groups of ${Math.max(0, expect - tolerate)} fit into the site: two clusters could be founded`,
    )
  }
}

/** Nothing happens to a machine before it has power for the first time. */
function checkFirstStarts(scenario: Scenario, complain: Complain): void {
  const timeline = scenario.timeline ?? []
  const firstAt = new Map<number, string>()
  for (const { at, start } of timeline) {
    if (start !== undefined)
      for (const machine of machinesIn(start, scenario.machines)) firstAt.set(machine, at)
  }
  for (const [index, event] of timeline.entries()) {
    const [word] = wordsOf(event)
    if (word === undefined || word === 'start' || word === 'partition') continue
    for (const machine of machinesIn(event[word] ?? '', scenario.machines)) {
      const at = firstAt.get(machine)
      if (at !== undefined && spanMs(event.at) < spanMs(at))
        complain(['timeline', index, word], `${nameOf(machine)} is switched on only at ${at}`)
    }
  }
}

/** Which events last, and which need a length. */
const lasting: ReadonlySet<EventWord> = new Set<EventWord>([
  'power_cut',
  'stop',
  'wipe',
  'pause',
  'partition',
  'full_disk',
  'k3s_hang',
])

function checkEvent(
  scenario: Scenario,
  event: ScenarioEvent,
  path: readonly PropertyKey[],
  complain: Complain,
): void {
  const [word, second] = wordsOf(event)
  if (word === undefined) {
    return complain(path, 'nothing happens here', `Name one of ${Object.keys(eventWords).join(', ')}.`)
  }
  if (second !== undefined)
    complain([...path, second], `\`${word}\` stands here already`, 'Write an event of its own.')
  const atMs = spanMs(event.at)
  if (atMs >= spanMs(scenario.duration)) complain([...path, 'at'], `is after the end, ${scenario.duration}`)
  if (event.for !== undefined && !lasting.has(word)) complain([...path, 'for'], `\`${word}\` has no length`)
  else if (event.for !== undefined && atMs + spanMs(event.for) > spanMs(scenario.duration))
    complain(
      [...path, 'for'],
      `lasts beyond the end, ${scenario.duration}`,
      'Without `for` it lasts to the end.',
    )
  if (word === 'rollback' && event.back === undefined) complain(path, '`rollback` needs `back`')
  if (word !== 'rollback' && event.back !== undefined) complain([...path, 'back'], 'belongs to `rollback`')
  if (word === 'clock_jump' && event.by === undefined) complain(path, '`clock_jump` needs `by`')
  if (word !== 'clock_jump' && event.by !== undefined) complain([...path, 'by'], 'belongs to `clock_jump`')
  const text = event[word] ?? ''
  if (word === 'partition') checkSides(text, scenario.machines, [...path, word], complain)
  else checkNames(text, scenario.machines, [...path, word], complain)
}

function checkNames(text: string, count: number, path: readonly PropertyKey[], complain: Complain): void {
  checkNumbers(machinesIn(text, count), count, path, complain)
}

function checkSides(text: string, count: number, path: readonly PropertyKey[], complain: Complain): void {
  const { left, right } = sidesIn(text)
  checkNumbers([...left, ...right], count, path, complain)
  const both = left.find((machine) => right.includes(machine))
  if (both !== undefined) complain(path, `h${both + 1} stands on both sides`)
}

function checkNumbers(
  numbers: readonly number[],
  count: number,
  path: readonly PropertyKey[],
  complain: Complain,
): void {
  const stranger = numbers.find((machine) => machine >= count || machine < 0)
  if (stranger === undefined) return
  complain(
    path,
    `there is no h${stranger + 1}`,
    `There are ${count} machines: h1 to h${count}. Raise \`machines\`?`,
  )
}

function checkClaim(scenario: Scenario, text: string, index: number, complain: Complain): void {
  const claim = readClaim(text)
  const path = ['expect', index]
  if (claim === undefined) {
    return complain(
      path,
      'is no expectation that can be judged',
      `Forms: ${claimForms.map((form) => `\`${form}\``).join(', ')}.`,
    )
  }
  const host = 'host' in claim ? claim.host : undefined
  if (host !== undefined) checkNumbers([host], scenario.machines, path, complain)
  const endMs = claim.kind === 'within' ? claim.toMs : claim.kind === 'waits' ? (claim.atMs ?? 0) : 0
  if (endMs > spanMs(scenario.duration))
    complain(path, `is decided after the end, ${scenario.duration}`, 'Raise `duration`.')
}
