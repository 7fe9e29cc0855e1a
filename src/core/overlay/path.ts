import type { Instant } from '../model/ids.ts'
import { parseAddress } from '../addresses/ip.ts'
import { contains, parsePrefix } from '../addresses/prefix.ts'

/** Where a peer's data plane is: an IP address (with `%zone` where link-local) and a UDP port. */
export interface UdpEndpoint {
  readonly host: string
  readonly port: number
}

/** A frame that was heard from this long ago or less proves its path; Tailscale trusts one for 6.5 s. */
export const pathTrustMs = 15_000

/**
 * Which endpoint to send to: the one a peer was lately heard from (it may be behind NAT, or have moved),
 * otherwise the one that it announces, otherwise the last one heard.
 *
 * ```
 *   heard ≤ 15 s ago ──▶ heard
 *   else announced   ──▶ announced
 *   else heard once  ──▶ heard
 *   else             ──▶ none: packets for the peer are dropped
 * ```
 */
export function choosePath(
  announced: UdpEndpoint | undefined,
  heard: (UdpEndpoint & { readonly at: Instant }) | undefined,
  now: Instant,
): UdpEndpoint | undefined {
  if (heard !== undefined && now - heard.at <= pathTrustMs) return heard
  return announced ?? heard
}

/** The IP address in a multiaddr, with its zone; undefined for relays, names and anything else. */
export function multiaddrHost(multiaddr: string): string | undefined {
  if (multiaddr.includes('/p2p-circuit')) return undefined
  const parts = multiaddr.split('/')
  if (parts[0] !== '') return undefined
  if (parts[1] === 'ip6zone' && parts[3] === 'ip6' && isFilled(parts[2]) && isFilled(parts[4]))
    return `${parts[4]}%${parts[2]}`
  if ((parts[1] === 'ip4' || parts[1] === 'ip6') && isFilled(parts[2])) return parts[2]
  return undefined
}

function isFilled(part: string | undefined): part is string {
  return part !== undefined && part !== ''
}

/**
 * Whether an address out of a *record* is worth a try from another machine: not loopback, unspecified or
 * link-local (its zone is a name on the other machine).
 */
export function isRoutable(host: string): boolean {
  const address = parseAddress(host.split('%')[0] ?? '')
  return address === undefined || !local.some((network) => contains(network, address))
}

const local = ['127.0.0.0/8', '0.0.0.0/8', '169.254.0.0/16', '::/127', 'fe80::/10'].flatMap(
  (network) => parsePrefix(network) ?? [],
)
