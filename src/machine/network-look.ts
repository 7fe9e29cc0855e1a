import type { NetworkHealth } from '../core/install/health.ts'
import { exists, namesIn, readIfThere } from './rooted-files.ts'

/** Links that are the machine's own way out, by name: not the loopback, the overlay, or what k3s makes. */
export const ownLink = /^(?!lo$|muster|cni|flannel|veth|kube-|docker)/

/** What the kernel says of this machine's links, addresses and routes. */
export function lookAtNetwork(root: string): NetworkHealth {
  const links = namesIn(root, '/sys/class/net').filter((link) =>
    exists(root, `/sys/class/net/${link}/device`),
  )
  const routes = [...routes4(root), ...routes6(root)].filter(({ link }) => ownLink.test(link))
  return {
    links: links.length,
    linksOn: links.filter((link) => isSwitchedOn(root, link)).length,
    linksUp: links.filter((link) => carrierOf(root, link)).length,
    addressed: routes.length > 0,
    routed: routes.some(({ isDefault }) => isDefault),
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

interface Route {
  readonly link: string
  readonly isDefault: boolean
}

/** An address brings the route to its own network, which the kernel shows more readily than the address itself. */
function routes4(root: string): readonly Route[] {
  // Link, destination, gateway, flags, three counters, mask; numbers in hexadecimal, behind a line of titles.
  const [, ...rows] = rowsOf(root, '/proc/net/route')
  return rows.flatMap(([link = '', destination = '', , flags = '', ...rest]) => {
    const isUp = (Number.parseInt(flags, 16) & routeUp) !== 0
    // 169.254/16, with its bytes in the order of the processor.
    const isLinkLocal = /^(0000FEA9|A9FE0000)$/i.test(destination)
    if (!isUp || isLinkLocal) return []
    return [{ link, isDefault: /^0+$/.test(destination) && /^0+$/.test(rest[3] ?? '') }]
  })
}

function routes6(root: string): readonly Route[] {
  // Destination and its prefix's length first; metric, two counters, flags and link last.
  return rowsOf(root, '/proc/net/ipv6_route').flatMap((row) => {
    const [destination = '', prefix = ''] = row
    const [flags = '', link = ''] = row.slice(-2)
    const isUseful =
      (Number.parseInt(flags, 16) & (routeUp | routeRejects)) === routeUp &&
      !/^(fe[89ab]|ff)/i.test(destination)
    return isUseful ? [{ link, isDefault: prefix === '00' && /^0+$/.test(destination) }] : []
  })
}

/** RTF_UP and RTF_REJECT of linux/route.h. */
const routeUp = 0x0001
const routeRejects = 0x0200

function rowsOf(root: string, path: string): readonly (readonly string[])[] {
  return (readIfThere(root, path) ?? '')
    .split('\n')
    .map((line) => line.trim().split(/\s+/))
    .filter((row) => row.length >= 8)
}
