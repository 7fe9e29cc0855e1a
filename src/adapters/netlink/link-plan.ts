import { invariant } from '../../core/model/invariant.ts'
import type { LinkIntent } from '../../core/overlay/links.ts'
import { formatPrefix, parsePrefix } from '../../core/addresses/prefix.ts'
import { sameIp } from '../../core/overlay/ip-bytes.ts'

/** One address of a link as the kernel lists it. */
export interface LinkAddress {
  readonly address: string
  readonly prefixLength: number
}

/** What a link is now. */
export interface LinkState {
  readonly device: string
  readonly up: boolean
  readonly mtu: number
  /** Without the kernel's own link-local ones. */
  readonly addresses: readonly LinkAddress[]
  /** Destinations in CIDR form of the routes through the link. */
  readonly routes: readonly string[]
}

/** One change: what it is for, and the arguments of `ip` that make it. */
export interface LinkChange {
  readonly what: string
  readonly arguments: readonly string[]
}

/** The changes that make a link match the intent; none where it does. Pure, so that idempotence is a test. */
export function planLinkChanges(state: LinkState, intent: LinkIntent): readonly LinkChange[] {
  const { device } = intent
  const wanted: readonly LinkAddress[] = [
    { address: intent.address4, prefixLength: intent.prefix4 },
    { address: intent.address6, prefixLength: intent.prefix6 },
  ]
  const changes: LinkChange[] = []
  for (const { address, prefixLength } of state.addresses) {
    if (wanted.some((wish) => sameAddress(wish, { address, prefixLength }))) continue
    const text = `${address}/${prefixLength}`
    changes.push({ what: `removed ${text}`, arguments: ['addr', 'del', text, 'dev', device] })
  }
  if (state.mtu !== intent.mtu) {
    const mtu = String(intent.mtu)
    changes.push({ what: `set MTU ${mtu}`, arguments: ['link', 'set', 'dev', device, 'mtu', mtu] })
  }
  if (!state.up) changes.push({ what: 'set up', arguments: ['link', 'set', 'dev', device, 'up'] })
  for (const { address, prefixLength } of wanted) {
    const text = `${address}/${prefixLength}`
    // Nobody else can have the address: duplicate detection would only delay its use.
    const flags = address.includes(':') ? ['nodad'] : []
    const add = { what: `added ${text}`, arguments: ['addr', 'replace', text, 'dev', device, ...flags] }
    const present = state.addresses.some((found) => sameAddress(found, { address, prefixLength }))
    if (!present) changes.push(add)
    // The kernel makes the prefix route with the address, but not again once somebody deleted it.
    else if (state.up && !hasRoute(state, address, prefixLength)) changes.push(routeChange(intent, address))
  }
  return changes
}

function sameAddress(a: LinkAddress, b: LinkAddress): boolean {
  return a.prefixLength === b.prefixLength && sameIp(a.address, b.address)
}

function hasRoute(state: LinkState, address: string, prefixLength: number): boolean {
  const network = networkOf(address, prefixLength)
  return state.routes.some((route) => {
    const prefix = parsePrefix(route)
    return prefix !== undefined && formatPrefix(prefix) === network
  })
}

function networkOf(address: string, prefixLength: number): string {
  const prefix = parsePrefix(`${address}/${prefixLength}`)
  invariant(prefix !== undefined, `not an address of a link: ${address}/${prefixLength}`)
  return formatPrefix(prefix)
}

function routeChange(intent: LinkIntent, address: string): LinkChange {
  const isIpv6 = address.includes(':')
  const network = networkOf(address, isIpv6 ? intent.prefix6 : intent.prefix4)
  const rest = isIpv6 ? [] : ['proto', 'kernel', 'scope', 'link', 'src', address]
  return {
    what: `added route to ${network}`,
    arguments: [isIpv6 ? '-6' : '-4', 'route', 'replace', network, 'dev', intent.device, ...rest],
  }
}
