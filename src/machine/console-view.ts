import type { StatusResource } from '../agent/api/resources.ts'
import type { MachineFacts } from './machine.ts'

/** All that the screen shows: plain data of one moment. */
export interface ConsoleView {
  readonly facts: MachineFacts
  /** Version of muster. */
  readonly version: string
  /** Where the running image lies, for example `muster-a`; empty: not on a disk. */
  readonly partition: string
  /** Addresses of the machine's own links, for example `eth0 192.0.2.7`. */
  readonly addresses: readonly string[]
  /** What the agent says; undefined where it does not answer. */
  readonly agent: StatusResource | undefined
  /** Fingerprint that tells machines with one image apart before they have a key; empty: none. */
  readonly fingerprint: string
  /** How far an installation is; undefined: there is none. */
  readonly install: InstallProgress | undefined
  /** Partitions that the machine runs without, one sentence each. */
  readonly missing: readonly string[]
  /** Errors of the machine's own configuration. */
  readonly errors: readonly string[]
}

/** What the installer writes down about itself. */
export interface InstallProgress {
  readonly title: string
  readonly number: number
  readonly of: number
  /** Bytes that this step has moved. */
  readonly bytes?: number | undefined
  /** Why it ended; it is tried again. */
  readonly error?: string | undefined
}

const labelColumns = 12
/** The smallest screen that there is; on a larger one it fills the corner. */
const columns = 80
const rows = 25

/**
 * The screen as 24 lines of at most 79 characters: a line feed in the last row, or a character in the last column, would
 * scroll it. It shows without colours and in any encoding.
 */
export function consoleScreen(view: ConsoleView): readonly string[] {
  const { facts, agent, install } = view
  const rule = '-'.repeat(columns - 1)
  const lines: string[] = [
    spread(facts.hostname === '' ? 'muster' : facts.hostname, `muster ${view.version}`),
    rule,
    ...field('system', systemLine(view)),
    ...field('addresses', view.addresses.length === 0 ? 'none yet' : view.addresses.join(', ')),
    ...field('machine', machineLine(view)),
    ...view.missing.flatMap((sentence) => field('disk', sentence)),
  ]
  if (install !== undefined) lines.push('', ...installLines(install))
  if (facts.mode === 'installed' || facts.mode === 'none') lines.push('', ...agentLines(agent))
  else if (install === undefined && facts.mode === 'live') lines.push('', ...field('install', 'not begun'))
  else if (facts.mode === 'recovery')
    lines.push('', ...field('to mend', 'muster upgrade --source dir:DIRECTORY puts an image in place'))
  if (view.errors.length > 0) {
    lines.push('', ...field('errors', `${view.errors.length} in the configuration: muster machine status`))
    for (const error of view.errors.slice(0, 3)) lines.push(...field('', error).slice(0, 2))
  }
  const foot = [rule, 'Log in on Alt+F2, by SSH, or on the serial line.  muster status  muster why']
  const room = rows - 1 - foot.length
  const shown = lines.length <= room ? lines : [...lines.slice(0, room - 1), '...']
  return [...shown, ...Array.from({ length: room - shown.length }, () => ''), ...foot].map((line) =>
    line.slice(0),
  )
}

function systemLine({ facts, partition }: ConsoleView): string {
  const image = [facts.imageVersion, facts.imageId.slice(0, 12)].filter(Boolean).join(' ')
  const mode = {
    installed: `installed${partition === '' ? '' : `, from ${partition}`}`,
    live: 'live, from its medium: nothing is kept',
    recovery: 'recovery: no image of this machine would start',
    none: 'not from an image of muster',
  }[facts.mode]
  return image === '' ? mode : `${mode}, image ${image}`
}

function machineLine({ facts, fingerprint }: ConsoleView): string {
  return (
    [facts.machineId, ...(fingerprint === '' ? [] : [`fingerprint ${fingerprint}`])]
      .filter(Boolean)
      .join(', ') || 'no id yet'
  )
}

function installLines(install: InstallProgress): readonly string[] {
  if (install.error !== undefined) return field('install', `failed: ${install.error}. It is tried again.`)
  const width = 30
  const done = Math.round((width * Math.max(install.number - 1, 0)) / Math.max(install.of, 1))
  const bytes = install.bytes === undefined ? '' : `, ${Math.round(install.bytes / 1_048_576)} MiB`
  return [
    ...field(
      'install',
      `[${'#'.repeat(done)}${'.'.repeat(width - done)}] step ${install.number} of ${install.of}`,
    ),
    ...field('', `${install.title}${bytes}`),
  ]
}

function agentLines(agent: StatusResource | undefined): readonly string[] {
  if (agent === undefined) return field('agent', 'does not answer: systemctl status muster')
  const { assignment, plan, members, waiting } = agent
  const role =
    assignment === null ? 'none yet' : `${assignment.role} ${assignment.name}, ${assignment.address4}`
  const cluster =
    plan === null ? 'none yet' : `${plan.clusterId.slice(0, 12)}, plan ${plan.generation} (${plan.phase})`
  const wait = waiting[0]
  return [
    ...field('node', agent.nodeId),
    ...field('phase', `${agent.phase}${agent.note === '' ? '' : `: ${agent.note}`}`),
    ...field('role', role),
    ...field('cluster', `${cluster}; ${members.alive} of ${members.known} machines alive`),
    ...field(
      'waits for',
      wait === undefined ? 'nothing' : `${wait.for} ${wait.have}/${wait.need}: ${wait.message}`,
    ),
  ]
}

/** A label and its text, folded at spaces; the folded lines begin under the text. */
function field(label: string, text: string): readonly string[] {
  const width = columns - 1 - labelColumns
  const lines: string[] = []
  let line = ''
  for (const word of printable(text)
    .split(' ')
    .flatMap((each) => pieces(each, width))) {
    if (line === '') line = word
    else if (line.length + 1 + word.length <= width) line = `${line} ${word}`
    else {
      lines.push(line)
      line = word
    }
  }
  if (line !== '') lines.push(line)
  return lines.map((each, index) => `${(index === 0 ? label : '').padEnd(labelColumns)}${each}`)
}

function pieces(word: string, width: number): readonly string[] {
  return word.length <= width ? [word] : (word.match(new RegExp(`.{1,${width}}`, 'g')) ?? [])
}

/** Names and messages come from other machines: nothing of them moves the cursor. */
export function printable(text: string): string {
  return text.replaceAll(/[^\x20-\x7e]+/g, (part) => (/^\s+$/.test(part) ? ' ' : '?'))
}

function spread(left: string, right: string): string {
  const title = printable(left)
  return `${title}${' '.repeat(Math.max(columns - 1 - title.length - right.length, 1))}${right}`
}

/** What has changed, as lines for a log: each is whole by itself. */
export function consoleMarkers(before: ConsoleView | undefined, after: ConsoleView): readonly string[] {
  const last = before === undefined ? new Map<string, string>() : markersOf(before)
  return [...markersOf(after)]
    .filter(([key, value]) => value !== '' && last.get(key) !== value)
    .map(([key, value]) => `muster: ${key}: ${printable(value)}`)
}

function markersOf(view: ConsoleView): Map<string, string> {
  const { agent, install } = view
  const wait = agent?.waiting[0]
  return new Map([
    ['system', `${view.facts.hostname}, ${systemLine(view)}`],
    ['addresses', view.addresses.join(', ')],
    [
      'install',
      install === undefined
        ? ''
        : (install.error ?? `step ${install.number} of ${install.of}: ${install.title}`),
    ],
    ['node', agent?.nodeId ?? ''],
    ['phase', agent === undefined ? '' : `${agent.phase}${agent.note === '' ? '' : `: ${agent.note}`}`],
    [
      'role',
      agent?.assignment === null || agent === undefined
        ? ''
        : `${agent.assignment.role} ${agent.assignment.name} ${agent.assignment.address4}`,
    ],
    [
      'plan',
      agent?.plan === null || agent === undefined ? '' : `${agent.plan.generation} ${agent.plan.phase}`,
    ],
    ['waits for', wait === undefined ? '' : `${wait.for} ${wait.have}/${wait.need}`],
    [
      'ready',
      agent?.conditions.some(({ type, status }) => type === 'K3sReady' && status === 'true') === true
        ? 'yes'
        : '',
    ],
    ['disk', view.missing.join('; ')],
    ['errors', view.errors.join('; ')],
  ])
}
