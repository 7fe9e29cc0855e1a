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

/** What the machine's own links are like; the overlay and what k3s makes are not among them. */
export interface NetworkHealth {
  /** Physical links, how many of them are switched on, and how many of those have a carrier. */
  readonly links: number
  readonly linksOn: number
  readonly linksUp: number
  /** Whether there is an address that is more than link-local. */
  readonly addressed: boolean
  /** Whether there is a default route. */
  readonly routed: boolean
}

/** What a look at the machine shows. */
export interface HealthObservation extends NetworkHealth {
  /** Whether the configuration of this boot is valid. */
  readonly configured: boolean
  readonly mounts: readonly MountHealth[]
  /** The wall clock, milliseconds since 1970. */
  readonly wallClock: number
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
    linksUp: observation.linksUp,
    addressed: observation.addressed,
    routed: observation.routed,
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
  if (baseline === null) {
    return { tier: 'network', state: 'good', reasons: ['nobody is known to have been there before'] }
  }
  if (known.length === 0) return judgeLonely(observation, baseline)
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
      reasons: [unplugged],
    }
  }
  const linksBefore = numberOf(baseline, 'links')
  const missing = links < linksBefore ? `; ${linksBefore - links} of ${linksBefore} links are missing` : ''
  return {
    tier: 'network',
    state: 'waiting',
    reasons: [`none of ${known.length} machines known before is connected${missing}`],
  }
}

/** Nobody was there who could be met again: then what the machine's own links had must be there again. */
function judgeLonely(observation: HealthObservation, baseline: HealthBaseline): TierVerdict {
  const { links, linksUp, addressed, routed } = observation
  const linksBefore = numberOf(baseline, 'links')
  // A baseline of an older version says nothing of carriers, addresses and routes, and asks for none.
  const upBefore = numberOf(baseline, 'linksUp')
  const lost: string[] = []
  if (linksBefore > 0 && links === 0) lost.push(`all ${linksBefore} links are missing`)
  else if (upBefore > 0 && linksUp === 0) lost.push(`no link has a carrier, and ${upBefore} had one`)
  if (baseline['addressed'] === true && !addressed) lost.push('no link has an address, and there was one')
  if (baseline['routed'] === true && !routed) lost.push('there is no default route, and there was one')
  if (lost.length === 0) {
    const reason = 'it was alone before, and its links have what they had'
    return { tier: 'network', state: 'good', reasons: [reason] }
  }
  return isUnplugged(observation, baseline)
    ? { tier: 'network', state: 'excused', reasons: [unplugged] }
    : { tier: 'network', state: 'waiting', reasons: lost }
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

const unplugged = 'no link has a carrier: the cable or the switch is out'

/** The links are there and switched on, and nothing comes out of them: another image would not mend that. */
function isUnplugged(
  { links, linksOn, linksUp }: HealthObservation,
  baseline: HealthBaseline | null,
): boolean {
  return linksOn > 0 && linksUp === 0 && links >= numberOf(baseline, 'links')
}

function isFull({ freeShare }: MountHealth): boolean {
  return freeShare < freeShareMin
}

function numberOf(baseline: HealthBaseline | null, key: string): number {
  const value = baseline?.[key]
  return typeof value === 'number' ? value : 0
}

function textOf(baseline: HealthBaseline | null, key: string): string {
  const value = baseline?.[key]
  return typeof value === 'string' ? value : ''
}
