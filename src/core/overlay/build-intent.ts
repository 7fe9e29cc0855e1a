import { parsePrefix } from '../addresses/prefix.ts'
import type { NodeId } from '../model/ids.ts'
import { compareIds } from '../model/ids.ts'
import { invariant } from '../model/invariant.ts'
import type { MemberRecord, MembershipView } from '../model/member.ts'
import type { NodeAssignment, PlanBody } from '../model/plan.ts'
import { assignmentOf } from '../model/plan.ts'
import type { OverlayIntent, OverlayPeer } from './intent.ts'
import { isInNetwork, parseIp } from './ip-bytes.ts'
import { overlayMtuMin } from './mtu.ts'
import type { UdpEndpoint } from './path.ts'
import { isRoutable, multiaddrHost } from './path.ts'
import { isOverlayKey } from './session-key.ts'

/** What the overlay of a node follows from. */
export interface OverlayIntentSource {
  readonly self: NodeId
  /** Body of the newest certified plan. */
  readonly body: PlanBody
  readonly view: MembershipView
  /** Remote multiaddr of each admitted connection. */
  readonly connections: ReadonlyMap<NodeId, string>
  readonly device: string
  readonly mtu: number
}

/**
 * What the overlay of this node should be, or undefined while the plan does not assign it anything. Peers
 * without a usable record are left out until one comes; silent ones stay, for liveness decides no route.
 */
export function buildOverlayIntent(source: OverlayIntentSource): OverlayIntent | undefined {
  const { self, body, view, connections, device, mtu } = source
  invariant(mtu >= overlayMtuMin, `the overlay's MTU is at least ${overlayMtuMin}`)
  const own = assignmentOf(body, self)
  if (own === undefined) return undefined
  const prefix4 = parsePrefix(body.spec.addresses.ipv4)?.bits
  const prefix6 = parsePrefix(body.prefix6)?.bits
  invariant(prefix4 !== undefined && prefix6 !== undefined, 'a certified plan has both overlay prefixes')
  const overlays = [body.spec.addresses.ipv4, body.prefix6]
  const records = new Map(view.members.map((member) => [member.record.nodeId, member.record]))
  const peers = body.assignments
    .filter((assignment) => assignment.nodeId !== self)
    .flatMap((assignment) => {
      const record = records.get(assignment.nodeId)
      const remote = connections.get(assignment.nodeId)
      return record === undefined ? [] : overlayPeer(assignment, record, remote, overlays)
    })
    .toSorted((a, b) => compareIds(a.id, b.id))
  return { device, address4: own.address4, prefix4, address6: own.address6, prefix6, mtu, peers }
}

function overlayPeer(
  assignment: NodeAssignment,
  record: MemberRecord,
  remote: string | undefined,
  overlays: readonly string[],
): OverlayPeer[] {
  if (!isOverlayKey(record.overlayKey)) return []
  const { nodeId, address4, address6 } = assignment
  const endpoint = endpointOf(record, remote, overlays)
  return [{ id: nodeId, address4, address6, key: record.overlayKey, endpoint }]
}

/** The address that the connection proves to work, else the first of the record that may. */
function endpointOf(
  record: MemberRecord,
  remote: string | undefined,
  overlays: readonly string[],
): UdpEndpoint | undefined {
  if (record.overlayPort === 0) return undefined
  // An overlay address as the outer one would send the overlay's frames through the overlay, for ever.
  const isOutside = (host: string): boolean => !overlays.some((network) => isInNetwork(host, network))
  const isUsable = (host: string | undefined): host is string =>
    host !== undefined && parseIp(host.split('%')[0] ?? '') !== undefined && isOutside(host)
  const connected = remote === undefined ? undefined : multiaddrHost(remote)
  const announced = record.endpoints.map((endpoint) => multiaddrHost(endpoint))
  const host = isUsable(connected)
    ? connected
    : announced.find((candidate) => isUsable(candidate) && isRoutable(candidate))
  return host === undefined ? undefined : { host, port: record.overlayPort }
}
