import { nameOf, spanMs } from './words.ts'

/** One machine at one moment, as far as a claim asks; undefined: it is off, or does not answer. */
export interface HostLook {
  readonly clusterId: string | undefined
  readonly isActive: boolean
  /** k3s is ready here. */
  readonly isReady: boolean
  readonly role: string
  readonly waiting: readonly { readonly for: string; readonly have: number; readonly need: number }[]
}

/** The site at one moment. */
export interface Look {
  readonly atMs: number
  readonly hosts: readonly (HostLook | undefined)[]
}

type Stage = 'chartered' | 'active' | 'ready'

/** One expectation of a scenario, read. */
export type Claim =
  | {
      readonly kind: 'within'
      readonly stage: Stage
      readonly all: boolean
      readonly fromMs: number
      readonly toMs: number
    }
  | { readonly kind: 'never'; readonly stage: Stage }
  | { readonly kind: 'one cluster' }
  | {
      readonly kind: 'waits'
      readonly host: number | undefined
      readonly for: string
      readonly have: number
      readonly need: number
      readonly atMs: number | undefined
    }
  | { readonly kind: 'role'; readonly host: number; readonly role: string }

/** Every form that an expectation can take, for people. */
export const claimForms: readonly string[] = [
  'chartered within 10s',
  'active within 120s after 5m',
  'all ready within 3m',
  'never active',
  'never two clusters',
  'waits for machines 3/5 at 60s',
  'h2 waits for machines 3/5 at 60s',
  'role of h3 is worker',
]

const span = String.raw`(\d+\s?(?:ms|s|m|h))`

/** Reads an expectation; undefined: it has none of the forms. */
export function readClaim(text: string): Claim | undefined {
  const words = text.trim().replaceAll(/\s+/g, ' ')
  if (words === 'never two clusters') return { kind: 'one cluster' }
  const never = /^never (chartered|active|ready)$/.exec(words)
  if (never !== null) return { kind: 'never', stage: never[1] as Stage }
  const within = new RegExp(`^(all )?(chartered|active|ready) within ${span}(?: after ${span})?$`).exec(words)
  if (within !== null) {
    const [, all, stage, length = '', after = '0s'] = within
    const fromMs = spanMs(after)
    return {
      kind: 'within',
      stage: stage as Stage,
      all: all !== undefined,
      fromMs,
      toMs: fromMs + spanMs(length),
    }
  }
  const waits = new RegExp(
    String.raw`^(?:h(\d+) )?waits for ([a-z0-9 ]+?) (\d+)/(\d+)(?: at ${span})?$`,
  ).exec(words)
  if (waits !== null) {
    const [, host, what = '', have, need, at] = waits
    return {
      kind: 'waits',
      host: host === undefined ? undefined : Number(host) - 1,
      for: what,
      have: Number(have),
      need: Number(need),
      atMs: at === undefined ? undefined : spanMs(at),
    }
  }
  const role = /^role of h(\d+) is (control-plane|worker)$/.exec(words)
  return role === null ? undefined : { kind: 'role', host: Number(role[1]) - 1, role: role[2] as string }
}

/** Judges a claim by all looks at a site, in order of time. Empty: it holds; otherwise what was seen instead. */
export function judgeClaim(claim: Claim, looks: readonly Look[]): string {
  switch (claim.kind) {
    case 'within': {
      const { fromMs, toMs, stage, all } = claim
      const times = looks
        .filter((look) => look.atMs >= fromMs && hasReached(look, stage, all))
        .map(({ atMs }) => atMs)
      const first = times[0]
      if (first === undefined) return `it never was ${stage}: ${describe(looks.at(-1))}`
      return first <= toMs ? '' : `it was ${stage} only after ${seconds(first)}`
    }
    case 'never': {
      const look = looks.find((one) => hasReached(one, claim.stage, false))
      return look === undefined ? '' : `it was ${claim.stage} after ${seconds(look.atMs)}`
    }
    case 'one cluster': {
      const look = looks.find((one) => clustersIn(one).length > 1)
      return look === undefined
        ? ''
        : `there were ${clustersIn(look).length} clusters after ${seconds(look.atMs)}`
    }
    case 'waits':
      return judgeWaits(claim, looks)
    case 'role': {
      const role = looks.at(-1)?.hosts[claim.host]?.role ?? ''
      return role === claim.role ? '' : `at the end it is ${role === '' ? 'nothing yet' : role}`
    }
  }
}

function judgeWaits(claim: Extract<Claim, { kind: 'waits' }>, looks: readonly Look[]): string {
  const { host, atMs } = claim
  // A moment is the last look before it: what a person would have read then.
  const asked = atMs === undefined ? looks : looks.filter((look) => look.atMs <= atMs).slice(-1)
  const matches = (one: HostLook | undefined): boolean =>
    one?.waiting.some(
      (wait) => wait.for === claim.for && wait.have === claim.have && wait.need === claim.need,
    ) === true
  if (asked.some(({ hosts }) => (host === undefined ? hosts.some(matches) : matches(hosts[host])))) return ''
  return `what was awaited then: ${describe(asked.at(-1))}`
}

function hasReached(look: Look, stage: Stage, all: boolean): boolean {
  const reached = (host: HostLook): boolean =>
    stage === 'chartered'
      ? host.clusterId !== undefined
      : host.isActive && (stage === 'active' || host.isReady)
  const present = look.hosts.filter((host) => host !== undefined)
  return all ? present.length > 0 && present.every(reached) : present.some(reached)
}

function clustersIn(look: Look): readonly string[] {
  return [...new Set(look.hosts.map((host) => host?.clusterId).filter((id) => id !== undefined))]
}

/** What each machine does, in a few words. */
function describe(look: Look | undefined): string {
  if (look === undefined) return 'nobody looked'
  return look.hosts
    .map((host, index) => {
      if (host === undefined) return `${nameOf(index)} off`
      const wait = host.waiting[0]
      if (wait !== undefined) return `${nameOf(index)} waits for ${wait.for} ${wait.have}/${wait.need}`
      return `${nameOf(index)} ${host.isReady ? 'ready' : host.isActive ? 'active' : 'idle'}`
    })
    .join(', ')
}

function seconds(ms: number): string {
  return `${(ms / 1_000).toFixed(1)}s`
}
