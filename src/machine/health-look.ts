import { rmSync, statfsSync, writeFileSync } from 'node:fs'
import { callAgent } from '../agent/api/client.ts'
import type { MemberList, PeerList, StatusResource } from '../agent/api/resources.ts'
import { readConfig } from '../config/index.ts'
import type { AgentHealth, HealthObservation, MountHealth } from '../core/install/health.ts'
import { systemPaths } from '../core/install/layout.ts'
import { placedSources } from './gather-config.ts'
import { exists, namesIn, readIfThere, under } from './rooted-files.ts'

/** What must be writable on an installed machine. */
const writablePaths: readonly string[] = [
  systemPaths.config,
  systemPaths.persistent,
  '/var/lib/muster',
  '/var/lib/rancher',
]

/** An agent that needs longer for an answer is no agent to rely on. */
const answerTimeoutMs = 5_000

/** Looks at the machine once. Nothing here throws for what is merely not well. */
export async function lookAtHealth(root: string, socketPath: string): Promise<HealthObservation> {
  const links = namesIn(root, '/sys/class/net').filter((link) =>
    exists(root, `/sys/class/net/${link}/device`),
  )
  return {
    configured:
      readConfig(placedSources(root), 'machine').config !== undefined && placedSources(root).length > 0,
    mounts: writablePaths.map((path) => lookAtMount(root, path)),
    wallClock: Date.now(),
    links: links.length,
    linksOn: links.filter((link) => isSwitchedOn(root, link)).length,
    linksUp: links.filter((link) => carrierOf(root, link)).length,
    agent: await askAgent(socketPath),
  }
}

/** By its flag IFF_UP: the system switches it on, whether there is a cable or not. */
function isSwitchedOn(root: string, link: string): boolean {
  return (Number(readIfThere(root, `/sys/class/net/${link}/flags`)?.trim() ?? 0) & 1) === 1
}

function carrierOf(root: string, link: string): boolean {
  try {
    return readIfThere(root, `/sys/class/net/${link}/carrier`)?.trim() === '1'
  } catch {
    // A link that is down refuses to say.
    return false
  }
}

function lookAtMount(root: string, path: string): MountHealth {
  const probe = under(root, `${path}/.muster-health`)
  try {
    writeFileSync(probe, 'x', { flush: true })
    rmSync(probe)
    const { bavail, blocks } = statfsSync(under(root, path))
    return { path, writable: true, freeShare: blocks === 0 ? 1 : bavail / blocks }
  } catch (error) {
    // A full disk refuses as well, and is another matter.
    const full = (error as NodeJS.ErrnoException).code === 'ENOSPC'
    return { path, writable: full, freeShare: 0 }
  }
}

async function askAgent(socketPath: string): Promise<AgentHealth | undefined> {
  const ask = <T>(path: string): Promise<T> =>
    callAgent<T>(socketPath, 'GET', path, undefined, { timeoutMs: answerTimeoutMs })
  try {
    const [status, members, peers] = await Promise.all([
      ask<StatusResource>('/v1/status'),
      ask<MemberList>('/v1/members'),
      ask<PeerList>('/v1/peers'),
    ])
    const servers = members.items.filter(({ role }) => role === 'control-plane')
    return {
      connected: peers.items.filter(({ connected }) => connected).map(({ nodeId }) => nodeId),
      k3sReady: status.conditions.some(({ type, status: state }) => type === 'K3sReady' && state === 'true'),
      servers: servers.length,
      serversAlive: servers.filter(({ liveness }) => liveness === 'alive').length,
      waiting: status.waiting[0]?.message ?? '',
    }
  } catch {
    return undefined
  }
}
