import { parseAddress } from '../addresses/ip.ts'
import type { Prefix } from '../addresses/prefix.ts'
import { contains, parsePrefix } from '../addresses/prefix.ts'
import type { NodeId } from '../model/ids.ts'
import { compareIds } from '../model/ids.ts'
import { invariant } from '../model/invariant.ts'
import type { MemberRecord, MembershipView } from '../model/member.ts'
import { membersById } from '../model/member.ts'
import type { NodeAssignment, PlanBody } from '../model/plan.ts'
import { assignmentOf } from '../model/plan.ts'
import type { OverlayIntent, OverlayPeer } from './intent.ts'
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
  const prefix4 = parsePrefix(body.spec.addresses.ipv4)
  const prefix6 = parsePrefix(body.prefix6)
  invariant(prefix4 !== undefined && prefix6 !== undefined, 'a certified plan has both overlay prefixes')
  const peers: OverlayPeer[] = []
  const members = membersById(view)
  for (const assignment of body.assignments) {
    const { nodeId } = assignment
    const record = members.get(nodeId)?.record
    if (nodeId === self || record === undefined) continue
    const peer = knownPeer(assignment, record, connections.get(nodeId), body, [prefix4, prefix6])
    if (peer !== undefined) peers.push(peer)
  }
  return {
    device,
    address4: own.address4,
    prefix4: prefix4.bits,
    address6: own.address6,
    prefix6: prefix6.bits,
    mtu,
    peers: isSorted(peers) ? peers : peers.toSorted((a, b) => compareIds(a.id, b.id)),
  }
}

interface KnownPeer {
  readonly assignment: NodeAssignment
  readonly port: number
  readonly key: string
  readonly remote: string | undefined
  readonly prefix4: string
  readonly prefix6: string
  readonly peer: OverlayPeer | undefined
}

/** What was worked out for each announced list of endpoints, to be used again as long as nothing else differs. */
const announcedPeers = new WeakMap<MemberRecord['endpoints'], KnownPeer>()
const connectedPeers = new WeakMap<MemberRecord['endpoints'], KnownPeer>()

function knownPeer(
  assignment: NodeAssignment,
  record: MemberRecord,
  remote: string | undefined,
  body: PlanBody,
  overlays: readonly Prefix[],
): OverlayPeer | undefined {
  const { overlayPort: port, overlayKey: key, endpoints } = record
  const memory = remote === undefined ? announcedPeers : connectedPeers
  const { prefix6 } = body
  const prefix4 = body.spec.addresses.ipv4
  const before = memory.get(endpoints)
  if (
    before !== undefined &&
    sameAddress(before.assignment, assignment) &&
    before.port === port &&
    before.key === key &&
    before.remote === remote &&
    before.prefix4 === prefix4 &&
    before.prefix6 === prefix6
  ) {
    return before.peer
  }
  const peer = overlayPeer(assignment, record, remote, overlays)
  memory.set(endpoints, { assignment, port, key, remote, prefix4, prefix6, peer })
  return peer
}

function isSorted(peers: readonly OverlayPeer[]): boolean {
  return peers.every(({ id }, index) => index === 0 || id >= (peers[index - 1] as OverlayPeer).id)
}

function sameAddress(a: NodeAssignment, b: NodeAssignment): boolean {
  return a === b || (a.nodeId === b.nodeId && a.address4 === b.address4 && a.address6 === b.address6)
}

function overlayPeer(
  assignment: NodeAssignment,
  record: MemberRecord,
  remote: string | undefined,
  overlays: readonly Prefix[],
): OverlayPeer | undefined {
  if (!isOverlayKey(record.overlayKey)) return undefined
  const { nodeId, address4, address6 } = assignment
  const endpoint = endpointOf(record, remote, overlays)
  return { id: nodeId, address4, address6, key: record.overlayKey, endpoint }
}

/** The address that the connection proves to work, else the first of the record that may. */
function endpointOf(
  record: MemberRecord,
  remote: string | undefined,
  overlays: readonly Prefix[],
): UdpEndpoint | undefined {
  if (record.overlayPort === 0) return undefined
  // An overlay address as the outer one would send the overlay's frames through the overlay, for ever.
  const isUsable = (host: string | undefined): host is string => {
    const address = host === undefined ? undefined : parseAddress(host.split('%')[0] ?? '')
    return address !== undefined && !overlays.some((network) => contains(network, address))
  }
  const connected = remote === undefined ? undefined : multiaddrHost(remote)
  const announced = (): string | undefined =>
    record.endpoints.map(multiaddrHost).find((host) => isUsable(host) && isRoutable(host))
  const host = isUsable(connected) ? connected : announced()
  return host === undefined ? undefined : { host, port: record.overlayPort }
}
