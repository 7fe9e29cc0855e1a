import { rmSync, statfsSync, writeFileSync } from 'node:fs'
import { callAgent } from '../agent/api/client.ts'
import type { MemberList, PeerList, StatusResource } from '../agent/api/resources.ts'
import { readConfig } from '../config/index.ts'
import type { AgentHealth, HealthObservation, MountHealth } from '../core/install/health.ts'
import { systemPaths } from '../core/install/layout.ts'
import type { MountPoint } from '../core/install/mount-points.ts'
import { readMount } from '../install/mounted.ts'
import { placedSources } from './gather-config.ts'
import { lookAtNetwork } from './network-look.ts'
import { exists, under } from './rooted-files.ts'

/** Partitions that must be there and writable on an installed machine. The boot partition is looked at without being written to. */
const writablePartitions: readonly MountPoint[] = [systemPaths.config, systemPaths.persistent]

/** Directories on them that must be writable as well. */
const writablePaths: readonly string[] = ['/var/lib/muster', '/var/lib/rancher']

/** An agent that needs longer for an answer is no agent to rely on. */
const answerTimeoutMs = 5_000

/** Looks at the machine once. Nothing here throws for what is merely not well. */
export async function lookAtHealth(root: string, socketPath: string): Promise<HealthObservation> {
  return {
    configured:
      readConfig(placedSources(root), 'machine').config !== undefined && placedSources(root).length > 0,
    mounts: [
      ...(await Promise.all(
        writablePartitions.map(async (path) => ({
          ...tryToWrite(root, path),
          ...(await faultOf(root, path)),
        })),
      )),
      ...writablePaths.map((path) => tryToWrite(root, path)),
      await lookAtBootPartition(root),
    ],
    wallClock: Date.now(),
    ...lookAtNetwork(root),
    agent: await askAgent(socketPath),
  }
}

async function faultOf(root: string, path: MountPoint): Promise<Pick<MountHealth, 'fault'>> {
  const { fault } = await readMount(root, path)
  return { fault }
}

function tryToWrite(root: string, path: string): MountHealth {
  const probe = under(root, `${path}/.muster-health`)
  try {
    writeFileSync(probe, 'x', { flush: true })
    rmSync(probe)
    const { bavail, blocks } = statfsSync(under(root, path))
    return { path, fault: '', writable: true, freeShare: blocks === 0 ? 1 : bavail / blocks }
  } catch (error) {
    // A full disk refuses as well, and is another matter.
    const full = (error as NodeJS.ErrnoException).code === 'ENOSPC'
    return { path, fault: '', writable: full, freeShare: 0 }
  }
}

/** Nothing is tried out on a file system without a journal, and an upgrade alone asks how full it is. */
async function lookAtBootPartition(root: string): Promise<MountHealth> {
  const path = systemPaths.esp
  const { fault, readOnly } = await readMount(root, path)
  return { path, fault, writable: exists(root, path) && !readOnly, freeShare: 1 }
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
