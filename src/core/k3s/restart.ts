import type { NodeId } from '../model/ids.ts'
import type { K3sSpec } from '../model/spec.ts'
import type { K3sInput } from './decision.ts'
import { shortName } from './files.ts'
import type { K3sRole } from './types.ts'

const flagsKeys = new WeakMap<K3sSpec, { readonly agent: string; readonly server: string }>()

/** What of the spec a k3s of this role read when it was started, as a short name that can be compared. */
export function flagsKeyOf(role: K3sRole, spec: K3sSpec): string {
  let keys = flagsKeys.get(spec)
  if (keys === undefined) {
    const { agentArgs, ...rest } = spec
    // The binary is another matter: an upgrade, not a flag. What agents read says nothing about servers.
    keys = { agent: shortName({ agentArgs }), server: shortName({ ...rest, version: '' }) }
    flagsKeys.set(spec, keys)
  }
  return role === 'agent' ? keys.agent : keys.server
}

/**
 * Whom a restart with new flags waits for; nobody: it is this node's turn. Servers first, then workers, each in
 * the order of their ids and one at a time, so that etcd never misses two members at once and the first server
 * that cannot live with the new flags stops the rest. What others are is read from their records of this plan.
 * @param servers the control plane of the plan
 * @param isReady whether this node's own k3s is well
 */
export function restartWaitsFor(
  input: K3sInput,
  servers: readonly NodeId[],
  isReady: boolean,
): readonly NodeId[] {
  const { self, plan, peers, aliveNodes } = input
  const { generation, openChange } = plan.header
  const phaseOf = (id: NodeId): string => {
    const peer = peers.find((one) => one.id === id)
    return peer !== undefined && aliveNodes.includes(id) && peer.generation >= generation ? peer.phase : ''
  }
  const changing = openChange === null || openChange.node === self ? [] : [openChange.node]
  const others = servers.filter((id) => id !== self)
  if (!servers.includes(self)) {
    const workers = plan.body.assignments
      .map(({ nodeId }) => nodeId)
      .filter((id) => id !== self && !servers.includes(id) && aliveNodes.includes(id))
    const busy = workers.filter((id) => isBusy(phaseOf(id)) || (id < self && phaseOf(id) === 'k3s-outdated'))
    return [...others.filter((id) => phaseOf(id) !== 'k3s-ready'), ...busy]
  }
  const unwell = others.filter((id) => phaseOf(id) !== 'k3s-ready' && phaseOf(id) !== 'k3s-outdated')
  // One that is down already costs nothing more: it does not wait for its turn.
  const earlier = isReady ? others.filter((id) => id < self && phaseOf(id) === 'k3s-outdated') : []
  return [...new Set([...changing, ...unwell, ...earlier])]
}

/** On its way to ready. One that stands still (`stopped`) is nobody's reason to wait. */
function isBusy(phase: string): boolean {
  return ['chartered', 'overlay', 'k3s-starting', 'k3s-joining'].includes(phase)
}
