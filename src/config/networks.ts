import { parseAddress } from '../core/addresses/ip.ts'
import { contains, formatPrefix, parsePrefix, prefixesOverlap } from '../core/addresses/prefix.ts'
import type { Prefix } from '../core/addresses/prefix.ts'
import type { ClusterSpec } from '../core/model/spec.ts'
import type { Statements } from './statements.ts'

/** The keys that stated the networks of a spec; undefined where the default stands. */
export interface NetworkPaths {
  readonly overlay: string | undefined
  readonly cluster: string | undefined
  readonly service: string | undefined
}

interface Named {
  readonly path: string | undefined
  readonly name: string
  readonly networks: readonly Prefix[]
}

/** The overlay needs room to grow without giving an address twice in quick succession. */
const overlayBitsMax = 28
const overlayBitsMin = 8

const network = (text: string): Prefix => parsePrefix(text)!

/** Networks that no host can have an address of. */
const unusable: readonly Prefix[] = ['0.0.0.0/8', '127.0.0.0/8', '169.254.0.0/16', '224.0.0.0/3'].map(network)

/** RFC 1918, RFC 6598 (shared address space) and RFC 2544 (benchmarks): never routed on the internet. */
const privateNetworks: readonly Prefix[] = [
  '10.0.0.0/8',
  '172.16.0.0/12',
  '192.168.0.0/16',
  '100.64.0.0/10',
  '198.18.0.0/15',
].map(network)

/** Checks the networks of a spec against one another. What the machine's links have is checked when it runs. */
export function checkNetworks(spec: ClusterSpec, paths: NetworkPaths, statements: Statements): void {
  const overlay = checkOverlay(spec.addresses.ipv4, paths.overlay, statements)
  const cluster = checkK3sNetwork(spec.k3s.clusterCidr, paths.cluster, statements)
  const service = checkK3sNetwork(spec.k3s.serviceCidr, paths.service, statements)
  const all: readonly Named[] = [
    { path: paths.overlay, name: `the overlay (${spec.addresses.ipv4})`, networks: overlay },
    { path: paths.cluster, name: `the pods (${spec.k3s.clusterCidr})`, networks: cluster },
    { path: paths.service, name: `the services (${spec.k3s.serviceCidr})`, networks: service },
  ]
  for (const [index, first] of all.entries()) {
    for (const second of all.slice(index + 1)) {
      if (!first.networks.some((a) => second.networks.some((b) => prefixesOverlap(a, b)))) continue
      // The defaults do not overlap: one of the two was declared.
      const [blamed, other] = first.path === undefined ? [second, first] : [first, second]
      const place = other.path === undefined ? 'the default' : statements.place(other.path)
      statements.error(
        blamed.path ?? '',
        `overlaps the network of ${other.name}, ${place}`,
        'Choose another range.',
      )
    }
  }
  checkDns(spec.k3s.clusterDns, service, paths.service, statements)
}

function checkOverlay(text: string, path: string | undefined, statements: Statements): Prefix[] {
  if (path === undefined) return [network(text)]
  const parsed = parsePrefix(text)
  if (parsed?.family !== 4) {
    statements.error(
      path,
      'is not an IPv4 network',
      'Write an address and a prefix length, such as `10.144.0.0/16`.',
    )
    return []
  }
  if (!isExact(text, parsed)) {
    statements.error(
      path,
      'is an address within a network, not the network',
      `Did you mean \`${formatPrefix(parsed)}\`?`,
    )
  }
  if (parsed.bits > overlayBitsMax) {
    const hosts = Math.max(2 ** (32 - parsed.bits) - 2, 0)
    statements.error(
      path,
      `the network is too small: room for ${hosts} machine(s)`,
      `Use /${overlayBitsMax} or larger; /16 is usual.`,
    )
  }
  if (parsed.bits < overlayBitsMin)
    statements.error(path, 'the network is too large', `Use /${overlayBitsMin} or smaller; /16 is usual.`)
  if (unusable.some((each) => prefixesOverlap(each, parsed))) {
    statements.error(
      path,
      'machines cannot have addresses of this network',
      'Use a private range such as `10.144.0.0/16`.',
    )
  } else if (!privateNetworks.some((each) => each.bits <= parsed.bits && contains(each, parsed))) {
    statements.warning(
      path,
      'is no private range: machines of the internet with such addresses cannot be reached',
    )
  }
  return [parsed]
}

/** k3s takes one network, or an IPv4 and an IPv6 one with a comma between them. */
function checkK3sNetwork(text: string, path: string | undefined, statements: Statements): Prefix[] {
  const networks: Prefix[] = []
  for (const part of text.split(',')) {
    const parsed = parsePrefix(part)
    if (parsed !== undefined) {
      if (!isExact(part, parsed) && path !== undefined) {
        statements.error(
          path,
          'is an address within a network, not the network',
          `Did you mean \`${formatPrefix(parsed)}\`?`,
        )
      }
      networks.push(parsed)
    } else if (path !== undefined) {
      statements.error(
        path,
        `\`${part}\` is not a network`,
        'Write an address and a prefix length, such as `10.42.0.0/16`.',
      )
    }
  }
  return networks
}

/** Whether the text is the network itself, and no address within it. */
function isExact(text: string, { family, value }: Prefix): boolean {
  const address = parseAddress(text.split('/')[0] ?? '')
  return address?.family === family && address.value === value
}

function checkDns(
  dns: string,
  service: readonly Prefix[],
  servicePath: string | undefined,
  statements: Statements,
): void {
  const path = 'muster.k3s.cluster_dns'
  for (const part of dns.split(',')) {
    const address = parseAddress(part)
    const alike = service.filter((each) => each.family === address?.family)
    if (address === undefined) {
      statements.error(path, `\`${part}\` is not an IP address`)
    } else if (alike.length > 0 && !alike.some((each) => contains(each, address))) {
      statements.error(
        path,
        'the DNS address does not lie in the network of the services',
        `Compare ${servicePath ?? 'the default'}.`,
      )
    }
  }
}
