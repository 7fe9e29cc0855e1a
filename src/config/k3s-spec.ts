import { formatAddress } from '../core/addresses/ip.ts'
import { parsePrefix } from '../core/addresses/prefix.ts'
import { defaultSpec } from '../core/model/spec.ts'
import type { K3sSpec } from '../core/model/spec.ts'
import { parseK3sArguments } from './k3s-args.ts'
import type { K3sFlag } from './k3s-args.ts'
import type { OwnK3sBlock } from './schema/muster.ts'
import type { KairosK3sBlock } from './schema/p2p.ts'
import { agreed, stated } from './statements.ts'
import type { Stated, Statements } from './statements.ts'

/** The blocks that say something about k3s. */
export interface K3sBlocks {
  readonly own: OwnK3sBlock | undefined
  readonly server: KairosK3sBlock | undefined
  readonly agent: KairosK3sBlock | undefined
}

/** The k3s part of a spec, with the keys that stated its networks (undefined: defaults). */
export interface K3sReading {
  readonly spec: K3sSpec
  readonly clusterCidrPath: string | undefined
  readonly serviceCidrPath: string | undefined
}

/** Flags that this project sets itself, since they follow from the plan. Source: k3s' server and agent flags. */
const ownedFlags = new Set([
  'advertise-address',
  'agent-token',
  'agent-token-file',
  'cluster-init',
  'cluster-reset',
  'config',
  'data-dir',
  'flannel-iface',
  'node-ip',
  'node-name',
  'server',
  'token',
  'token-file',
  'with-node-id',
])

/** Flags that make `k3s agent` exit, since only servers know them. */
const serverOnlyFlags = new Set([
  'cluster-cidr',
  'cluster-dns',
  'cluster-domain',
  'disable',
  'disable-network-policy',
  'embedded-registry',
  'flannel-backend',
  'secrets-encryption',
  'service-cidr',
  'tls-san',
])

type TextKey = 'cluster-cidr' | 'service-cidr' | 'cluster-dns' | 'cluster-domain' | 'flannel-backend'
type ListKey = 'disable' | 'tls-san'

const textKeys: ReadonlySet<string> = new Set<TextKey>([
  'cluster-cidr',
  'service-cidr',
  'cluster-dns',
  'cluster-domain',
  'flannel-backend',
])
const listKeys: ReadonlySet<string> = new Set<ListKey>(['disable', 'tls-san'])

interface FlagReading {
  readonly known: ReadonlyMap<string, Stated<readonly string[]>>
  readonly others: Readonly<Record<string, readonly string[]>>
}

/** What k3s is given alike on every machine, from own keys and from flags. */
export function readK3sSpec({ own, server, agent }: K3sBlocks, statements: Statements): K3sReading {
  const ownFlags = readServerFlags('muster.k3s.server_args', own?.server_args, statements)
  const kairosFlags = readServerFlags('k3s.args', server?.args, statements)

  const textOf = (key: TextKey, field: keyof OwnK3sBlock): Stated<string> | undefined =>
    agreed(
      statements,
      stated(`muster.k3s.${field}`, own?.[field] as string | undefined),
      lastOf(ownFlags.known.get(key)),
      lastOf(kairosFlags.known.get(key)),
    )
  const listOf = (key: ListKey, field: 'disable' | 'tls_san'): readonly string[] => {
    const all = [own?.[field], ownFlags.known.get(key)?.value, kairosFlags.known.get(key)?.value]
    return [...new Set(all.flatMap((items) => items ?? []).flatMap((item) => item.split(',')))]
      .filter((item) => item !== '')
      .toSorted()
  }

  const clusterCidr = textOf('cluster-cidr', 'cluster_cidr')
  const serviceCidr = textOf('service-cidr', 'service_cidr')
  const embeddedRegistry = server?.embedded_registry === true ? { 'embedded-registry': ['true'] } : {}
  return {
    clusterCidrPath: clusterCidr?.path,
    serviceCidrPath: serviceCidr?.path,
    spec: {
      version: own?.version ?? '',
      clusterCidr: clusterCidr?.value ?? defaultSpec.k3s.clusterCidr,
      serviceCidr: serviceCidr?.value ?? defaultSpec.k3s.serviceCidr,
      clusterDns:
        textOf('cluster-dns', 'cluster_dns')?.value ??
        tenthAddress(serviceCidr?.value) ??
        defaultSpec.k3s.clusterDns,
      clusterDomain: textOf('cluster-domain', 'cluster_domain')?.value ?? defaultSpec.k3s.clusterDomain,
      flannelBackend: textOf('flannel-backend', 'flannel_backend')?.value ?? defaultSpec.k3s.flannelBackend,
      disable: listOf('disable', 'disable'),
      tlsSan: listOf('tls-san', 'tls_san'),
      serverArgs: sorted({ ...kairosFlags.others, ...ownFlags.others, ...embeddedRegistry }),
      agentArgs: sorted({
        ...readAgentFlags('k3s-agent.args', agent?.args, statements),
        ...readAgentFlags('muster.k3s.agent_args', own?.agent_args, statements),
      }),
    },
  }
}

/** k3s gives the tenth address of the services to the cluster's DNS. */
function tenthAddress(serviceCidr: string | undefined): string | undefined {
  const network = parsePrefix(serviceCidr?.split(',')[0] ?? '')
  return network && formatAddress({ ...network, value: network.value + 10n })
}

function lastOf(flag: Stated<readonly string[]> | undefined): Stated<string> | undefined {
  const value = flag?.value.at(-1)
  return flag === undefined || value === undefined ? undefined : { path: flag.path, value }
}

function sorted(flags: Record<string, readonly string[]>): Record<string, readonly string[]> {
  return Object.fromEntries(Object.entries(flags).toSorted(([a], [b]) => (a < b ? -1 : 1)))
}

function usableFlags(base: string, args: readonly string[], statements: Statements): K3sFlag[] {
  const { flags, problems } = parseK3sArguments(args)
  for (const { index, message } of problems) statements.error(`${base}.${index}`, message)
  return flags.filter(({ name, index }) => {
    const path = `${base}.${index}`
    if (name.startsWith('datastore-')) {
      statements.error(
        path,
        `\`--${name}\` is not supported: the cluster keeps its own etcd`,
        'Remove the flag.',
      )
      return false
    }
    if (!ownedFlags.has(name)) return true
    statements.warning(path, `\`--${name}\` follows from the plan; the flag is left out`)
    return false
  })
}

function readServerFlags(
  base: string,
  args: readonly string[] | undefined,
  statements: Statements,
): FlagReading {
  const known = new Map<string, Stated<readonly string[]>>()
  const others: Record<string, readonly string[]> = {}
  for (const { name, values, index } of usableFlags(base, args ?? [], statements)) {
    if (textKeys.has(name) || listKeys.has(name)) known.set(name, { path: `${base}.${index}`, value: values })
    else others[name] = values
  }
  return { known, others }
}

function readAgentFlags(
  base: string,
  args: readonly string[] | undefined,
  statements: Statements,
): Record<string, readonly string[]> {
  const flags: Record<string, readonly string[]> = {}
  for (const { name, values, index } of usableFlags(base, args ?? [], statements)) {
    if (serverOnlyFlags.has(name)) {
      const place = base.startsWith('muster') ? '`muster.k3s.server_args`' : '`k3s.args`'
      statements.error(
        `${base}.${index}`,
        `\`--${name}\` is a flag of servers: a worker would not start`,
        `Move it to ${place}.`,
      )
    } else flags[name] = values
  }
  return flags
}
