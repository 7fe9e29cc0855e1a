import type { StatusResource } from '../agent/api/resources.ts'
import { type Column, formatTable } from '../table.ts'
import { type HostObservation, situationOf } from './observe.ts'

/** Columns of a lab's hosts. */
export const hostColumns: readonly Column<HostObservation>[] = [
  { title: 'HOST', of: (host) => host.name },
  { title: 'AGENT', of: (host) => host.agent },
  { title: 'PHASE', of: (host) => host.status?.phase ?? '' },
  { title: 'ROLE', of: (host) => host.status?.assignment?.role ?? '' },
  { title: 'ADDRESS', of: (host) => host.status?.assignment?.address4 ?? '' },
  { title: 'PLAN', of: planOf },
  { title: 'NODE', of: (host) => host.status?.nodeId ?? '', wide: true },
  { title: 'ADDRESS6', of: (host) => host.status?.assignment?.address6 ?? '', wide: true },
  { title: 'NOW', of: situationOf },
]

/** How one kind of lab is shown. */
export interface Presentation<Observation> {
  readonly columns: readonly Column<Observation>[]
  readonly lineOf: (host: Observation) => string
}

type Screen = NodeJS.WritableStream & { readonly isTTY?: boolean; readonly columns?: number }

/** Shows how hosts come along: redraws a table on a terminal, says what changed elsewhere. */
export class ProgressView<Observation extends { readonly name: string }> {
  readonly #out: Screen
  readonly #presentation: Presentation<Observation>
  #drawnLines = 0
  #said: ReadonlyMap<string, string> = new Map()

  constructor(out: Screen, presentation: Presentation<Observation>) {
    this.#out = out
    this.#presentation = presentation
  }

  /** `elapsedMs` since the lab's start. */
  show(hosts: readonly Observation[], elapsedMs: number): void {
    if (this.#out.isTTY === true) this.#redraw(hosts, elapsedMs)
    else this.#sayChanges(hosts, elapsedMs)
  }

  #redraw(hosts: readonly Observation[], elapsedMs: number): void {
    const width = this.#out.columns ?? 80
    const narrow = this.#presentation.columns.filter((column) => column.wide !== true)
    const lines = [clock(elapsedMs), ...formatTable(narrow, hosts).trimEnd().split('\n')]
    // A line that wraps would spoil the count of lines to go up next time.
    const text = lines.map((line) => `\u001B[2K${line.slice(0, width - 1)}\n`).join('')
    const up = this.#drawnLines === 0 ? '' : `\u001B[${this.#drawnLines}A`
    this.#out.write(`${up}${text}`)
    this.#drawnLines = lines.length
  }

  #sayChanges(hosts: readonly Observation[], elapsedMs: number): void {
    const now = new Map(hosts.map((host) => [host.name, this.#presentation.lineOf(host)]))
    for (const [name, line] of now) {
      if (this.#said.get(name) !== line) this.#out.write(`${clock(elapsedMs)}  ${line}\n`)
    }
    this.#said = now
  }
}

/** One host in one line. */
export function lineOf(host: HostObservation): string {
  const { status } = host
  const assignment = status?.assignment
  const parts = [
    host.name,
    status?.phase ?? `agent ${host.agent}`,
    planOf(host) === '' ? '' : `plan ${planOf(host)}`,
    assignment === null || assignment === undefined ? '' : `${assignment.role} ${assignment.address4}`,
    status === undefined ? '' : situationOf(host),
  ]
  return parts.filter((part) => part !== '').join('  ')
}

/** How hosts of namespaces are shown. */
export const hostPresentation: Presentation<HostObservation> = { columns: hostColumns, lineOf }

function planOf(host: HostObservation): string {
  return planText(host.status)
}

/** Generation and phase of the plan that an agent holds; empty before it has one. */
export function planText(status: StatusResource | undefined): string {
  const plan = status?.plan
  return plan === null || plan === undefined ? '' : `${plan.generation} ${plan.phase}`
}

function clock(elapsedMs: number): string {
  return `${(elapsedMs / 1_000).toFixed(1).padStart(6)} s`
}
