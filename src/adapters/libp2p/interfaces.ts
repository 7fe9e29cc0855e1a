import { readFileSync } from 'node:fs'
import { BlockList, isIPv4 } from 'node:net'
import { networkInterfaces } from 'node:os'

/** One address of a device. */
export interface LinkAddress {
  readonly device: string
  readonly family: 4 | 6
  readonly address: string
  /** `address/prefix`. */
  readonly cidr: string
  readonly linkLocal: boolean
}

/** What the machine's own links are at one moment. Sorted, so that two scans compare as text. */
export interface LinkScan {
  /** Addresses of the underlay: no loopback, no overlay, no containers. */
  readonly addresses: readonly LinkAddress[]
  /** Networks of the excluded devices: never dialled, never accepted from. */
  readonly excluded: readonly LinkAddress[]
  /** True if some device of the underlay has a carrier. */
  readonly linkUp: boolean
}

/** Devices that carry containers and bridges, never the way to another machine. */
const virtualDevice =
  /^(lo|cni\d|flannel|veth|docker|br-|virbr|cali|cilium|lxc|kube-|nodelocaldns|tunl\d|dummy)/

/** Looks at the machine. `excludeDevices` names the overlay's own device. */
export function scanLinks(excludeDevices: readonly string[]): LinkScan {
  const addresses: LinkAddress[] = []
  const excluded: LinkAddress[] = []
  let linkUp = false
  for (const [device, list] of Object.entries(networkInterfaces())) {
    const own = excludeDevices.includes(device)
    if (!own && virtualDevice.test(device)) continue
    linkUp ||= !own && hasCarrier(device)
    for (const entry of list ?? []) {
      if (entry.internal || entry.cidr === null) continue
      const address: LinkAddress = {
        device,
        family: entry.family === 'IPv4' ? 4 : 6,
        address: entry.address,
        cidr: entry.cidr,
        linkLocal: isLinkLocal(entry.address),
      }
      ;(own ? excluded : addresses).push(address)
    }
  }
  return { addresses: addresses.toSorted(byText), excluded: excluded.toSorted(byText), linkUp }
}

/** True if two scans are the same for everybody who looks at them. */
export function sameLinks(a: LinkScan, b: LinkScan): boolean {
  return JSON.stringify(a) === JSON.stringify(b)
}

/** Multiaddrs under which other machines can dial this one, at most `max`. */
export function ownEndpoints(scan: LinkScan, port: number, max: number): string[] {
  return scan.addresses
    .filter((address) => !address.linkLocal)
    .map((address) => `/ip${address.family}/${address.address}/tcp/${port}`)
    .slice(0, max)
}

/** The networks that the machine is on, as `address/prefix` of its own addresses; link-local ones left out. */
export function localNetworks(scan: LinkScan, max: number): string[] {
  return scan.addresses
    .filter((address) => !address.linkLocal)
    .map((address) => address.cidr)
    .slice(0, max)
}

/** True if `ip` lies in a network of an excluded device, so that a connection would run inside the overlay. */
export function isExcluded(scan: LinkScan, ip: string): boolean {
  if (scan.excluded.length === 0) return false
  const list = new BlockList()
  for (const { cidr, family } of scan.excluded) {
    const [network = '', prefix = ''] = cidr.split('/')
    // Link-local addresses exist on every device alike: they say nothing of the overlay.
    if (!isLinkLocal(network)) list.addSubnet(network, Number(prefix), family === 4 ? 'ipv4' : 'ipv6')
  }
  return list.check(ip, isIPv4(ip) ? 'ipv4' : 'ipv6')
}

function isLinkLocal(ip: string): boolean {
  return /^fe[89ab]/i.test(ip)
}

function hasCarrier(device: string): boolean {
  try {
    return readFileSync(`/sys/class/net/${device}/carrier`, 'utf8').trim() === '1'
  } catch {
    // Reading the carrier of a device that is down fails, and outside Linux there is no such file.
    return process.platform !== 'linux'
  }
}

function byText(a: LinkAddress, b: LinkAddress): number {
  const left = `${a.device} ${a.family} ${a.cidr}`
  const right = `${b.device} ${b.family} ${b.cidr}`
  return left < right ? -1 : left > right ? 1 : 0
}
