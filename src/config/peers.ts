import { isIPv4, isIPv6 } from 'node:net'

/** A host name of RFC 1123. */
const hostName =
  /^(?=.{1,253}$)[A-Za-z0-9]([A-Za-z0-9-]{0,61}[A-Za-z0-9])?(\.[A-Za-z0-9]([A-Za-z0-9-]{0,61}[A-Za-z0-9])?)*\.?$/

/**
 * The multiaddr of a peer as people write it: a multiaddr, `host`, `host:port`, `address` or `[address]:port`.
 * Undefined where it is none of these.
 */
export function peerMultiaddr(text: string, defaultPort: number): string | undefined {
  if (text.startsWith('/')) return isTcpMultiaddr(text) ? text : undefined
  if (isIPv6(text)) return toMultiaddr(text, defaultPort)
  const match = /^(?:\[([^\]]+)\]|([^:[\]]+))(?::(\d{1,5}))?$/.exec(text)
  if (match === null) return undefined
  const host = match[1] ?? match[2] ?? ''
  if (match[1] !== undefined && !isIPv6(host)) return undefined
  return toMultiaddr(host, match[3] === undefined ? defaultPort : Number(match[3]))
}

function toMultiaddr(host: string, port: number): string | undefined {
  if (!isPort(port)) return undefined
  if (isIPv4(host)) return `/ip4/${host}/tcp/${port}`
  if (isIPv6(host)) {
    const [address, zone] = host.split('%')
    return `${zone === undefined ? '' : `/ip6zone/${zone}`}/ip6/${address}/tcp/${port}`
  }
  // Digits and dots alone are a mistyped address, never a name.
  return hostName.test(host) && !/^[\d.]+$/.test(host) ? `/dns/${host}/tcp/${port}` : undefined
}

function isTcpMultiaddr(text: string): boolean {
  const match =
    /^(?:\/ip6zone\/[^/]+)?\/(ip4|ip6|dns|dns4|dns6)\/([^/]+)\/tcp\/(\d{1,5})(?:\/p2p\/[1-9A-HJ-NP-Za-km-z]{32,64})?$/.exec(
      text,
    )
  if (match === null || !isPort(Number(match[3]))) return false
  const [, kind, host] = match
  if (kind === 'ip4') return isIPv4(host!)
  return kind === 'ip6' ? isIPv6(host!) : hostName.test(host!)
}

function isPort(port: number): boolean {
  return port >= 1 && port <= 65_535
}
