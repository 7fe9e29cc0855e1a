import type {
  AddressItem,
  ExplainResource,
  MemberItem,
  PeerItem,
  PlanResource,
  StatusResource,
} from '../agent/api/resources.ts'
import type { Condition, Waiting } from '../core/model/condition.ts'
import type { Instant } from '../core/model/ids.ts'
import { shortId } from '../core/model/ids.ts'
import { type Column, formatAge, formatTable } from '../table.ts'

// What people see of each kind: the columns and the few texts that are no tables. `now` is the agent's clock.

/** Columns of `get members`. */
export function memberColumns(now: Instant): readonly Column<MemberItem>[] {
  return [
    { title: 'NAME', of: ({ name, hostname, self }) => `${name === '' ? hostname : name}${self ? '*' : ''}` },
    { title: 'STATE', of: ({ liveness }) => liveness },
    { title: 'PHASE', of: ({ phase }) => phase },
    { title: 'ROLE', of: ({ role }) => role },
    { title: 'ADDRESS', of: ({ address4 }) => address4 },
    { title: 'PLAN', of: ({ generation }) => (generation < 0 ? '' : String(generation)) },
    { title: 'HEARD', of: ({ self, lastHeard }) => (self ? '' : formatAge(now - lastHeard)) },
    { title: 'NOTE', of: ({ note }) => note },
    { title: 'NODE', of: ({ nodeId }) => nodeId, wide: true },
    { title: 'ADDRESS6', of: ({ address6 }) => address6, wide: true },
    { title: 'K3S', of: ({ k3sVersion }) => k3sVersion, wide: true },
    { title: 'VERSION', of: ({ version }) => version, wide: true },
    { title: 'ENDPOINTS', of: ({ endpoints }) => endpoints.join(','), wide: true },
  ]
}

/** Columns of `get peers`: who was found how, and what goes wrong with whom. */
export const peerColumns: readonly Column<PeerItem>[] = [
  { title: 'PEER', of: ({ hostname, nodeId }) => (hostname === '' ? shortId(nodeId) : hostname) },
  { title: 'CONNECTED', of: ({ connected }) => (connected ? 'yes' : 'no') },
  { title: 'VIA', of: ({ via }) => via },
  { title: 'RTT', of: ({ rttMs }) => (rttMs === undefined ? '' : `${rttMs.toFixed(1)}ms`) },
  { title: 'SINCE', of: ({ sinceMs }) => formatAge(sinceMs) },
  { title: 'NEXT TRY', of: ({ retryInMs }) => (retryInMs === undefined ? '' : formatAge(retryInMs)) },
  { title: 'LAST ERROR', of: ({ lastError }) => lastError },
  { title: 'ENDPOINT', of: ({ endpoint }) => endpoint, wide: true },
  { title: 'NODE', of: ({ nodeId }) => nodeId, wide: true },
]

/** Columns of `get conditions`. */
export function conditionColumns(now: Instant): readonly Column<Condition>[] {
  return [
    { title: 'CONDITION', of: ({ type }) => type },
    { title: 'STATUS', of: ({ status }) => status },
    { title: 'REASON', of: ({ reason }) => reason },
    { title: 'SINCE', of: ({ since }) => formatAge(now - since) },
    { title: 'MESSAGE', of: ({ message }) => message },
    { title: 'HINT', of: ({ hint }) => hint, wide: true },
  ]
}

/** Columns of `get addresses`. */
export const addressColumns: readonly Column<AddressItem>[] = [
  { title: 'ADDRESS', of: ({ address4 }) => address4 },
  { title: 'ADDRESS6', of: ({ address6 }) => address6 },
  { title: 'NAME', of: ({ name }) => name },
  { title: 'ROLE', of: ({ role }) => role },
  { title: 'STATE', of: ({ state }) => state },
  { title: 'NODE', of: ({ nodeId }) => nodeId, wide: true },
  { title: 'REASON', of: ({ reason }) => reason, wide: true },
]

/** Columns of a plan's assignments, in `get plan` and `role list`. */
export const assignmentColumns: readonly Column<PlanResource['items'][number]>[] = [
  { title: 'NAME', of: ({ name }) => name },
  { title: 'ROLE', of: ({ role }) => role },
  { title: 'ADDRESS', of: ({ address4 }) => address4 },
  { title: 'REASON', of: ({ reason }) => reason },
  { title: 'ADDRESS6', of: ({ address6 }) => address6, wide: true },
  { title: 'NODE', of: ({ nodeId }) => nodeId, wide: true },
]

/** Columns of what is awaited. */
export function waitingColumns(now: Instant): readonly Column<Waiting>[] {
  return [
    { title: 'WAITING FOR', of: (wait) => wait.for },
    { title: 'HAVE', of: ({ have, need }) => `${have}/${need}` },
    { title: 'MISSING', of: missingOf },
    { title: 'SINCE', of: ({ since }) => formatAge(now - since) },
    { title: 'NEXT TRY', of: ({ retryAt }) => nextTry(retryAt, now) },
    { title: 'WHY', of: ({ message }) => message },
  ]
}

/** `muster status` for people: who and where this node is, and always what is awaited. */
export function statusText(status: StatusResource, wide: boolean): string {
  const { assignment, plan, now } = status
  const ready = status.conditions.find(({ type }) => type === 'K3sReady')?.status === 'true'
  const facts: readonly (readonly [string, string])[] = [
    ['Node', `${status.hostname} (${status.nodeId}), muster ${status.version}`],
    ['Phase', `${status.phase}${ready ? ', ready' : ''}${status.note === '' ? '' : `: ${status.note}`}`],
    [
      'Role',
      assignment === null
        ? 'none yet'
        : `${assignment.role} as ${assignment.name}, ${assignment.address4}, ${assignment.address6}`,
    ],
    [
      'Plan',
      plan === null
        ? 'none yet'
        : `generation ${plan.generation}, ${plan.phase}, ${plan.hash.slice(0, 12)} of cluster ${plan.clusterId.slice(0, 12)}`,
    ],
    [
      'Members',
      `${status.members.alive} of ${status.members.known} alive, ${status.peers.connected} connected`,
    ],
  ]
  const head = facts.map(([name, value]) => `${`${name}:`.padEnd(10)}${value}\n`).join('')
  const awaited =
    status.waiting.length === 0 ? 'Waiting for nothing.\n' : formatTable(waitingColumns(now), status.waiting)
  // What is well or not due yet needs no line; `-o wide` shows it all the same.
  const conditions = status.conditions.filter(
    ({ type, status: state, reason }) =>
      wide || type === 'Departed' || (state === 'false' && reason !== 'Waiting'),
  )
  const columns = conditionColumns(now).filter((column) => wide || column.wide !== true)
  const table = conditions.length === 0 ? '' : `\n${formatTable(columns, conditions)}`
  return `${head}\n${awaited}${table}`
}

/** `get plan` for people. */
export function planText(plan: PlanResource, wide: boolean): string {
  const { summary } = plan
  const nameOf = (id: string): string => plan.items.find((item) => item.nodeId === id)?.name ?? shortId(id)
  const namesOf = (ids: readonly string[]): string => ids.map(nameOf).join(', ')
  const facts: readonly (readonly [string, string])[] = [
    ['Plan', `generation ${summary.generation}, ${summary.phase}, epoch ${summary.epoch}`],
    ['Hash', summary.hash],
    ['Parent', plan.parentHash === '' ? 'none: this is the charter' : plan.parentHash],
    ['Cluster', summary.clusterId],
    ['Voters', namesOf(plan.voters)],
    ['Votes', `${namesOf(plan.certificate.votes)} (ballot ${plan.certificate.ballot})`],
    ['Grant', plan.grant === null ? 'none' : `${plan.grant.number} to ${namesOf(plan.grant.team)}`],
    [
      'Change',
      plan.openChange === null ? 'none open' : `${plan.openChange.kind} ${nameOf(plan.openChange.node)}`,
    ],
  ]
  const head = facts.map(([name, value]) => `${`${name}:`.padEnd(10)}${value}\n`).join('')
  const columns = assignmentColumns.filter((column) => wide || column.wide !== true)
  return `${head}\n${formatTable(columns, plan.items)}`
}

/** `plan explain` for people. */
export function explanationText(explanation: ExplainResource): string {
  return explanation.reasons.map((reason) => `${reason}\n`).join('')
}

/** One wait in one line, as `wait` and `status --watch` say it. */
export function waitingLine(waiting: Waiting, now: Instant): string {
  const missing = waiting.missing.length === 0 ? '' : `, missing ${missingOf(waiting)}`
  const retry = waiting.retryAt === undefined ? '' : `, next try ${nextTry(waiting.retryAt, now)}`
  const age = formatAge(now - waiting.since)
  return `${waiting.for} ${waiting.have}/${waiting.need}${missing}, for ${age}${retry}: ${waiting.message}`
}

function missingOf({ missing }: Waiting): string {
  return missing.join(', ')
}

function nextTry(retryAt: Instant | undefined, now: Instant): string {
  if (retryAt === undefined) return 'when others act'
  return retryAt <= now ? 'now' : `in ${formatAge(retryAt - now)}`
}
