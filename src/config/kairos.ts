import type { NodeRole } from '../core/model/plan.ts'
import type { LogLevel } from './schema/muster.ts'
import type { KairosK3sBlock, KubeVipBlock, P2pBlock } from './schema/p2p.ts'
import type { RootBlock } from './schema/root.ts'
import type { Stated, Statements } from './statements.ts'
import { notYet, stated } from './statements.ts'

/** How a key of Kairos is read: a row of the table in docs/configuration.md. */
export interface KairosKey {
  readonly key: string
  /** What it becomes here. */
  readonly becomes: string
}

/** Every documented Kairos key for clusters and what becomes of it. A test compares it with the schema. */
export const kairosKeys: readonly KairosKey[] = [
  { key: 'p2p.network_token', becomes: '`muster.token`' },
  { key: 'p2p.network_id', becomes: 'read, not yet acted on: machines with one token are one network' },
  { key: 'p2p.role', becomes: '`muster.roles` with this one role; `master` is `control-plane`' },
  { key: 'p2p.dns', becomes: 'read, not yet acted on' },
  { key: 'p2p.loglevel', becomes: '`muster.log_level`' },
  {
    key: 'p2p.minimum_nodes',
    becomes:
      '`muster.bootstrap.expect`, with a warning: a minimum promises nothing about how many machines there are, so twice as many are refused at the founding',
  },
  { key: 'p2p.disable_dht', becomes: '`muster.discovery.dht`, turned round' },
  {
    key: 'p2p.dynamic_roles',
    becomes: 'read, not yet acted on: roles of lost servers are always given anew',
  },
  { key: 'p2p.vpn.create', becomes: 'read, not yet acted on: the overlay is always made' },
  { key: 'p2p.vpn.use', becomes: 'read, not yet acted on: k3s always runs over the overlay' },
  { key: 'p2p.vpn.env', becomes: 'read, not yet acted on: there is no edgevpn' },
  {
    key: 'p2p.auto.enable',
    becomes: '`false` is read, not yet acted on: roles are always given by the plan',
  },
  { key: 'p2p.auto.ha.enable', becomes: '`false` is `muster.control_plane: 1`' },
  {
    key: 'p2p.auto.ha.master_nodes',
    becomes: '`muster.control_plane`, plus one: Kairos counts the servers beside the first',
  },
  { key: 'p2p.auto.ha.external_db', becomes: 'an error: the cluster keeps its own etcd' },
  { key: 'k3s.enabled', becomes: '`muster.k3s.enabled`' },
  {
    key: 'k3s.args',
    becomes:
      '`muster.k3s.server_args`; `--disable`, `--cluster-cidr` and the like become the keys of that name',
  },
  { key: 'k3s.env', becomes: 'environment of k3s as a server, without what begins with `K3S_`' },
  { key: 'k3s.replace_args', becomes: 'read, not yet acted on: what follows from the plan is always given' },
  { key: 'k3s.replace_env', becomes: 'read, not yet acted on' },
  { key: 'k3s.embedded_registry', becomes: 'the flag `embedded-registry` of servers' },
  { key: 'k3s-agent.enabled', becomes: 'with `false` nothing: the plan gives the roles; see `muster.roles`' },
  { key: 'k3s-agent.args', becomes: '`muster.k3s.agent_args`' },
  { key: 'k3s-agent.env', becomes: 'environment of k3s as an agent, without what begins with `K3S_`' },
  {
    key: 'k3s-agent.replace_args',
    becomes: 'read, not yet acted on: what follows from the plan is always given',
  },
  { key: 'k3s-agent.replace_env', becomes: 'read, not yet acted on' },
  { key: 'k3s-agent.embedded_registry', becomes: 'read, not yet acted on: set it in `k3s`' },
  ...['enable', 'eip', 'interface', 'version', 'image', 'manifest_url', 'static_pod', 'args'].map((name) => ({
    key: `kubevip.${name}`,
    becomes: 'read, not yet acted on',
  })),
]

/** What the Kairos keys say, in our words, each with the key that said it. */
export interface KairosReading {
  readonly token: Stated<string> | undefined
  readonly roles: Stated<readonly NodeRole[]> | undefined
  readonly controlPlane: Stated<number> | undefined
  readonly expect: Stated<number> | undefined
  readonly dht: Stated<boolean> | undefined
  readonly logLevel: Stated<LogLevel> | undefined
  readonly k3sEnabled: Stated<boolean> | undefined
}

/** Reads the Kairos keys and says for each that has no effect yet that it has none. */
export function readKairos(root: RootBlock, statements: Statements): KairosReading {
  const { p2p } = root
  if (p2p !== undefined) warnOfP2p(p2p, statements)
  warnOfK3s('k3s', root.k3s, statements)
  warnOfK3s('k3s-agent', root['k3s-agent'], statements)
  warnOfKubeVip(root.kubevip, statements)
  refuseK0s(root, statements)
  const role = p2p?.role
  return {
    token: stated('p2p.network_token', p2p?.network_token),
    roles: stated(
      'p2p.role',
      role === undefined ? undefined : [role === 'worker' ? 'worker' : 'control-plane'],
    ),
    controlPlane: controlPlaneOf(p2p, statements),
    expect: expectOf(p2p, statements),
    dht: stated('p2p.disable_dht', p2p?.disable_dht === undefined ? undefined : !p2p.disable_dht),
    logLevel: stated('p2p.loglevel', logLevelOf(p2p?.loglevel)),
    k3sEnabled: stated('k3s.enabled', root.k3s?.enabled),
  }
}

function controlPlaneOf(p2p: P2pBlock | undefined, statements: Statements): Stated<number> | undefined {
  const ha = p2p?.auto?.ha
  if (ha?.external_db !== undefined && ha.external_db !== '') {
    statements.error(
      'p2p.auto.ha.external_db',
      'an external database is not supported: the servers of the cluster keep their own etcd',
      'Remove the key, and set `muster.control_plane` to 3 or 5.',
    )
  }
  if (ha?.enable === false) {
    if (ha.master_nodes === undefined || ha.master_nodes === 0)
      return { path: 'p2p.auto.ha.enable', value: 1 }
    statements.error(
      'p2p.auto.ha.master_nodes',
      `contradicts ${statements.place('p2p.auto.ha.enable')}, which says: one server`,
      'Remove one of them.',
    )
    return undefined
  }
  return stated('p2p.auto.ha.master_nodes', ha?.master_nodes === undefined ? undefined : ha.master_nodes + 1)
}

function expectOf(p2p: P2pBlock | undefined, statements: Statements): Stated<number> | undefined {
  const minimum = p2p?.minimum_nodes
  if (minimum === undefined) return undefined
  statements.warning(
    'p2p.minimum_nodes',
    `is read as \`muster.bootstrap.expect: ${minimum}\`: a network that shows ${2 * minimum} machines or more will not be founded`,
    'Write the number of your machines as `muster.bootstrap.expect`.',
  )
  return { path: 'p2p.minimum_nodes', value: minimum }
}

function logLevelOf(level: string | undefined): LogLevel | undefined {
  switch (level) {
    case undefined:
      return undefined
    case 'debug':
    case 'info':
    case 'error':
      return level
    case 'warn':
    case 'warning':
      return 'warn'
    default:
      return 'error'
  }
}

function warnOfP2p({ network_id, dns, dynamic_roles, vpn, auto }: P2pBlock, statements: Statements): void {
  // `kairos` is Kairos' default: it names no network apart from others.
  if (network_id !== undefined && network_id !== 'kairos') {
    notYet(statements, 'p2p.network_id', 'machines with one token are one network, whatever their ids')
  }
  if (dns === true) notYet(statements, 'p2p.dns')
  if (dynamic_roles === true)
    notYet(statements, 'p2p.dynamic_roles', 'roles of lost servers are always given anew')
  if (vpn?.create === false) notYet(statements, 'p2p.vpn.create', 'the overlay is always made')
  if (vpn?.use === false) notYet(statements, 'p2p.vpn.use', 'k3s always runs over the overlay')
  if (vpn?.env !== undefined) notYet(statements, 'p2p.vpn.env', 'there is no edgevpn')
  if (auto?.enable === false) notYet(statements, 'p2p.auto.enable', 'roles are always given by the plan')
}

function warnOfK3s(
  name: 'k3s' | 'k3s-agent',
  block: KairosK3sBlock | undefined,
  statements: Statements,
): void {
  if (block === undefined) return
  if (block.env !== undefined) {
    const left = Object.keys(block.env).filter((key) => key.startsWith('K3S_'))
    if (left.length > 0)
      notYet(statements, `${name}.env`, `${left.join(', ')}: what k3s reads itself follows from the plan`)
  }
  if (block.replace_args === true)
    notYet(statements, `${name}.replace_args`, 'what follows from the plan is always given')
  if (block.replace_env === true) notYet(statements, `${name}.replace_env`)
  if (name === 'k3s-agent' && block.embedded_registry === true) {
    notYet(statements, 'k3s-agent.embedded_registry', 'set it in `k3s`')
  }
}

function warnOfKubeVip(block: KubeVipBlock | undefined, statements: Statements): void {
  if (block === undefined || block.enable === false) return
  for (const key of Object.keys(block)) notYet(statements, `kubevip.${key}`)
}

function refuseK0s(root: RootBlock, statements: Statements): void {
  for (const key of ['k0s', 'k0s-worker'] as const) {
    if (root[key]?.enabled === true) {
      statements.error(`${key}.enabled`, 'k0s is not supported', 'Remove the block: k3s is what runs.')
    }
  }
}
