import type { HealthBaseline } from './records.ts'

// Whether a boot is a good one. The new image is measured by what the machine could do before, not by perfection: an
// outage of the site or of the world outside must not take a good image back.

/** One directory that has to be writable, on a partition of the disk. */
export interface MountHealth {
  readonly path: string
  /** Of a partition: why it is not the one that belongs there; empty: it is, or this is a directory on one. */
  readonly fault: string
  readonly writable: boolean
  /** Part of the space that is free, 0 to 1. */
  readonly freeShare: number
}

/** What the agent says; undefined where it does not answer. */
export interface AgentHealth {
  /** Identities of machines with an admitted connection now. */
  readonly connected: readonly string[]
  readonly k3sReady: boolean
  /** Servers of the newest plan, and how many of them seem alive, this one included. */
  readonly servers: number
  readonly serversAlive: number
  /** What it waits for most, for people. */
  readonly waiting: string
}

/** What a look at the machine shows. */
export interface HealthObservation {
  /** Whether the configuration of this boot is valid. */
  readonly configured: boolean
  readonly mounts: readonly MountHealth[]
  /** The wall clock, milliseconds since 1970. */
  readonly wallClock: number
  /** Physical links, how many of them are switched on, and how many of those have a carrier. */
  readonly links: number
  readonly linksOn: number
  readonly linksUp: number
  readonly agent: AgentHealth | undefined
}

export type TierName = 'machine' | 'network' | 'k3s'

/** One tier of the judgement. */
export interface TierVerdict {
  readonly tier: TierName
  /** `excused`: not well, and no other image would help. */
  readonly state: 'good' | 'excused' | 'waiting'
  /** One sentence each. */
  readonly reasons: readonly string[]
}

export interface HealthVerdict {
  /** `excused`: enough when the time is over, and not before: servers that are not heard of yet may come. */
  readonly verdict: 'good' | 'excused' | 'waiting'
  readonly tiers: readonly TierVerdict[]
  /** What is awaited, in one line; empty: nothing. */
  readonly awaited: string
}

/** A disk with less free space than this counts as full. */
const freeShareMin = 0.02
/** Most identities that a baseline holds: any one of them will do. */
const baselinePeersMax = 32
/** Midnight of 2024-01-01 UTC: the project is younger, and an earlier clock was never set. */
const clockUnsetBefore = 1_704_067_200_000

/** What is remembered of the machine before an upgrade. */
export function baselineOf(observation: HealthObservation): HealthBaseline {
  const { agent } = observation
  return {
    agent: agent !== undefined,
    peers: [...new Set(agent?.connected ?? [])].toSorted().slice(0, baselinePeersMax).join(','),
    k3sReady: agent?.k3sReady ?? false,
    links: observation.links,
    full: observation.mounts
      .filter(isFull)
      .map(({ path }) => path)
      .join(','),
  }
}

/** Judges one look. `baseline` null: the first boot after the installation, or nobody remembers. */
export function judgeHealth(observation: HealthObservation, baseline: HealthBaseline | null): HealthVerdict {
  const tiers = [
    judgeMachine(observation, baseline),
    judgeNetwork(observation, baseline),
    judgeK3s(observation, baseline),
  ]
  const open = tiers.filter(({ state }) => state !== 'good')
  return {
    verdict: open.some(({ state }) => state === 'waiting')
      ? 'waiting'
      : open.length === 0
        ? 'good'
        : 'excused',
    tiers,
    awaited: open.map(({ tier, reasons }) => `${tier}: ${reasons.join('; ')}`).join(' | '),
  }
}

function judgeMachine(observation: HealthObservation, baseline: HealthBaseline | null): TierVerdict {
  const reasons: string[] = []
  const fullBefore = textOf(baseline, 'full').split(',')
  for (const mount of observation.mounts) {
    // What could be written there lies in memory, and is lost at the next start.
    if (mount.fault !== '')
      reasons.push(`${mount.path} is not mounted: ${mount.fault}; \`journalctl -k -g muster\` says why`)
    else if (!mount.writable) reasons.push(`${mount.path} cannot be written to`)
    else if (isFull(mount) && !fullBefore.includes(mount.path)) reasons.push(`${mount.path} is full`)
  }
  if (reasons.length > 0) return { tier: 'machine', state: 'waiting', reasons }
  const notes = observation.wallClock < clockUnsetBefore ? ['the clock is not set, which is no failure'] : []
  if (observation.agent === undefined) {
    // A configuration that the image of before could read is this image's to read as well.
    if (!observation.configured && baseline?.['agent'] !== true) {
      const reason = 'there is no valid configuration, and no agent without one'
      return { tier: 'machine', state: 'excused', reasons: [reason, ...notes] }
    }
    return { tier: 'machine', state: 'waiting', reasons: ['the agent does not answer'] }
  }
  return {
    tier: 'machine',
    state: 'good',
    reasons: ['its disk can be written to, its agent answers', ...notes],
  }
}

function judgeNetwork(observation: HealthObservation, baseline: HealthBaseline | null): TierVerdict {
  const { agent, links } = observation
  const known = textOf(baseline, 'peers').split(',').filter(Boolean)
  if (known.length === 0) {
    const reason = baseline === null ? 'nobody is known to have been there before' : 'it was alone before'
    return { tier: 'network', state: 'good', reasons: [reason] }
  }
  const seen = known.filter((id) => agent?.connected.includes(id))
  if (seen.length > 0) {
    return {
      tier: 'network',
      state: 'good',
      reasons: [`${seen.length} of ${known.length} machines known before are connected`],
    }
  }
  if (isUnplugged(observation, baseline)) {
    return {
      tier: 'network',
      state: 'excused',
      reasons: ['no link has a carrier: the cable or the switch is out'],
    }
  }
  const linksBefore = Number(baseline?.['links'] ?? 0)
  const missing = links < linksBefore ? `; ${linksBefore - links} of ${linksBefore} links are missing` : ''
  return {
    tier: 'network',
    state: 'waiting',
    reasons: [`none of ${known.length} machines known before is connected${missing}`],
  }
}

function judgeK3s(observation: HealthObservation, baseline: HealthBaseline | null): TierVerdict {
  const { agent } = observation
  if (baseline?.['k3sReady'] !== true) {
    return { tier: 'k3s', state: 'good', reasons: ['k3s was not ready before either'] }
  }
  if (agent?.k3sReady === true) return { tier: 'k3s', state: 'good', reasons: ['k3s is ready'] }
  if (isUnplugged(observation, baseline)) {
    return { tier: 'k3s', state: 'excused', reasons: ['k3s needs the network, and no link has a carrier'] }
  }
  if (agent !== undefined && agent.servers > 0 && agent.serversAlive * 2 <= agent.servers) {
    const reason = `only ${agent.serversAlive} of ${agent.servers} servers are there, and k3s needs more than half`
    return { tier: 'k3s', state: 'excused', reasons: [reason] }
  }
  const awaited = agent === undefined || agent.waiting === '' ? '' : `: ${agent.waiting}`
  return { tier: 'k3s', state: 'waiting', reasons: [`k3s was ready before and is not yet${awaited}`] }
}

/** The links are there and switched on, and nothing comes out of them: another image would not mend that. */
function isUnplugged(
  { links, linksOn, linksUp }: HealthObservation,
  baseline: HealthBaseline | null,
): boolean {
  return linksOn > 0 && linksUp === 0 && links >= Number(baseline?.['links'] ?? 0)
}

function isFull({ freeShare }: MountHealth): boolean {
  return freeShare < freeShareMin
}

function textOf(baseline: HealthBaseline | null, key: string): string {
  const value = baseline?.[key]
  return typeof value === 'string' ? value : ''
}
