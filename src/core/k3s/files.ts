import { Conclusion } from '../model/conclusion.ts'
import { invariant } from '../model/invariant.ts'
import type { NodeAssignment } from '../model/plan.ts'
import type { K3sSpec } from '../model/spec.ts'
import type { ApiAccess, FileIntent, K3sRole, K3sSecrets } from './types.ts'

/** The one drop-in that is ours; a user's own stay beside it. */
export const configPath = '/etc/rancher/k3s/config.yaml.d/50-muster.yaml'
/** What a node shows when it joins. The driver passes the path on the command line (`--token-file`). */
export const tokenPath = '/etc/rancher/k3s/muster-token'
/** On servers: what they expect of agents (`--agent-token-file`). */
export const agentTokenPath = '/etc/rancher/k3s/muster-agent-token'
/** Every path that may be ours: what is not in a new set of files is removed. */
export const ownedPaths: readonly string[] = [configPath, tokenPath, agentTokenPath]

/** Port of the k3s API and supervisor. */
export const apiPort = 6443
/** The overlay's device, which flannel is bound to. */
export const overlayDeviceName = 'muster0'

/** All that the files of one node depend on. */
export interface K3sFilesInput {
  readonly role: K3sRole
  readonly assignment: Pick<NodeAssignment, 'name' | 'address4' | 'address6'>
  readonly spec: K3sSpec
  readonly secrets: K3sSecrets
  /** `<clusterId>-<epoch>-<grant>`: etcd members of two grants never take each other for their own. */
  readonly clusterToken: string
  /** Overlay address of the server to join; empty: none (the first server, or one that resumes). */
  readonly serverAddress: string
}

/** Flags that are ours to set: a user's extra arguments add to the lists and never replace the rest. */
const listFlags: ReadonlySet<string> = new Set(['etcd-arg', 'tls-san', 'disable'])

type Value = string | boolean | readonly string[]

/** A role and its files. */
interface RoleFiles {
  readonly role: K3sRole
  readonly files: readonly FileIntent[]
}

/** The files that were last made for each assignment: asked for at every look at the unit, and seldom others. */
const made = new WeakMap<K3sFilesInput['assignment'], Conclusion<RoleFiles>>()

/**
 * The files of a role. Agents get only what agents know: k3s' agent exits on a key of the server
 * (k3s#3705), which is why the drop-in is one file that is always written whole.
 */
export function k3sFiles(input: K3sFilesInput): RoleFiles {
  const { role, assignment, spec, secrets, clusterToken, serverAddress } = input
  let last = made.get(assignment)
  if (last === undefined) made.set(assignment, (last = new Conclusion()))
  return last.of(0, [role, spec, secrets, clusterToken, serverAddress], () => makeFiles(input))
}

function makeFiles(input: K3sFilesInput): RoleFiles {
  const { role, secrets } = input
  const own = role === 'agent' ? agentFlags(input) : serverFlags(input)
  const extra = role === 'agent' ? input.spec.agentArgs : input.spec.serverArgs
  const config: FileIntent = { path: configPath, mode: 0o600, content: yaml(merge(own, extra)) }
  const token = (user: string, password: string): string => `K10${secrets.caHash}::${user}:${password}\n`
  if (role === 'agent') {
    invariant(secrets.agentPassword !== '', 'an agent needs the agent password')
    invariant(input.serverAddress !== '', 'an agent needs a server')
    return {
      role,
      files: [config, { path: tokenPath, mode: 0o600, content: token('node', secrets.agentPassword) }],
    }
  }
  invariant(secrets.serverPassword !== '', 'a server needs the server password')
  invariant(role === 'server' || input.serverAddress === '', 'the first server joins nobody')
  return {
    role,
    files: [
      config,
      { path: tokenPath, mode: 0o600, content: token('server', secrets.serverPassword) },
      { path: agentTokenPath, mode: 0o600, content: `${secrets.agentPassword}\n` },
    ],
  }
}

function commonFlags({ assignment, spec, serverAddress }: K3sFilesInput): Record<string, Value> {
  const dualStack = spec.clusterCidr.includes(',')
  const flags: Record<string, Value> = {
    'node-name': assignment.name,
    'node-ip': dualStack ? `${assignment.address4},${assignment.address6}` : assignment.address4,
    'flannel-iface': overlayDeviceName,
  }
  if (serverAddress !== '') flags['server'] = serverUrl(serverAddress)
  return flags
}

function agentFlags(input: K3sFilesInput): Record<string, Value> {
  return commonFlags(input)
}

function serverFlags(input: K3sFilesInput): Record<string, Value> {
  const { assignment, spec } = input
  const flags: Record<string, Value> = {
    ...commonFlags(input),
    'advertise-address': assignment.address4,
    'cluster-cidr': spec.clusterCidr,
    'service-cidr': spec.serviceCidr,
    'cluster-dns': spec.clusterDns,
    'cluster-domain': spec.clusterDomain,
    'flannel-backend': spec.flannelBackend,
    'write-kubeconfig-mode': '0600',
    'tls-san': [assignment.name, assignment.address4, assignment.address6, ...spec.tlsSan],
    'etcd-arg': [`initial-cluster-token=${input.clusterToken}`],
  }
  if (spec.disable.length > 0) flags['disable'] = spec.disable
  if (input.role === 'server-init') flags['cluster-init'] = true
  return flags
}

function merge(
  own: Readonly<Record<string, Value>>,
  extra: Readonly<Record<string, readonly string[]>>,
): Readonly<Record<string, Value>> {
  const flags: Record<string, Value> = { ...own }
  for (const [name, values] of Object.entries(extra)) {
    const present = flags[name]
    if (listFlags.has(name) && Array.isArray(present)) flags[name] = [...present, ...values]
    else if (present === undefined && !neverByUser.has(name)) flags[name] = values
  }
  return flags
}

/** Flags that would break what the plan decides, also where our own file does not set them. */
const neverByUser: ReadonlySet<string> = new Set([
  'agent-token',
  'agent-token-file',
  'cluster-init',
  'cluster-reset',
  'data-dir',
  'datastore-endpoint',
  'disable-etcd',
  'server',
  'token',
  'token-file',
  'with-node-id',
])

/** JSON texts are YAML texts, so nothing needs a library or gets quoted wrongly. */
function yaml(flags: Readonly<Record<string, Value>>): string {
  const lines = ['# Written by muster from the certified plan; changes are overwritten.']
  for (const name of Object.keys(flags).toSorted()) {
    const value = flags[name] as Value
    if (typeof value === 'string' || typeof value === 'boolean') {
      lines.push(`${name}: ${JSON.stringify(value)}`)
    } else {
      lines.push(`${name}:`, ...[...new Set(value)].map((item) => `  - ${JSON.stringify(item)}`))
    }
  }
  return `${lines.join('\n')}\n`
}

/** The URL of a server's API and supervisor. */
export function serverUrl(address: string): string {
  return `https://${address.includes(':') ? `[${address}]` : address}:${apiPort}`
}

const fingerprints = new WeakMap<readonly FileIntent[], string>()

/**
 * A short name for a set of files, to see whether the disk differs from what is wanted. FNV-1a, 2 × 32 bits,
 * over path, mode and content in order of path. Finds differences; proves nothing against an attacker.
 */
export function fingerprintOf(files: readonly FileIntent[]): string {
  if (files.length === 0) return ''
  let fingerprint = fingerprints.get(files)
  if (fingerprint === undefined) fingerprints.set(files, (fingerprint = makeFingerprint(files)))
  return fingerprint
}

function makeFingerprint(files: readonly FileIntent[]): string {
  const whole = files
    .toSorted((a, b) => (a.path < b.path ? -1 : 1))
    .map((file) => `${file.path}\0${file.mode}\0${file.content}\0`)
    .join('')
  return fnv(whole, 0x811c9dc5) + fnv(whole, 0x01000193)
}

/** A short name for an access rule, to see whether the one in place is the one wanted. */
export function accessKeyOf(access: ApiAccess): string {
  return access === 'all' ? 'all' : `team-${fnv(access.join(), 0x811c9dc5)}`
}

/** A short name for a plain value: equal values, whatever the order of their keys, have equal names. */
export function shortName(value: object): string {
  const text = JSON.stringify(value, (_, inner: unknown) =>
    typeof inner === 'object' && inner !== null && !Array.isArray(inner)
      ? Object.fromEntries(Object.entries(inner).toSorted(([a], [b]) => (a < b ? -1 : 1)))
      : inner,
  )
  return fnv(text, 0x811c9dc5) + fnv(text, 0x01000193)
}

function fnv(value: string, basis: number): string {
  let state = basis
  for (let index = 0; index < value.length; index++) {
    state = Math.imul(state ^ value.charCodeAt(index), 0x01000193)
  }
  return (state >>> 0).toString(16).padStart(8, '0')
}
