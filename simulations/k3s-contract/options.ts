import { existsSync, readdirSync } from 'node:fs'
import { join } from 'node:path'
import { parse } from 'yaml'
import { Fatal, log, pause, read } from './process.ts'

/** Flags of both commands (k3s pkg/cli/cmds/agent.go). */
const shared = [
  'config', 'data-dir', 'debug', 'flannel-iface', 'node-external-ip', 'node-ip', 'node-label', 'node-name',
  'node-taint', 'kubelet-arg', 'kube-proxy-arg', 'resolv-conf', 'selinux', 'server', 'snapshotter', 'token',
  'token-file', 'with-node-id', 'private-registry', 'lb-server-port', 'v', 'prefer-bundled-bin',
] // prettier-ignore

/** Flags of the server alone (k3s pkg/cli/cmds/server.go). */
const serverOnly = [
  'advertise-address', 'agent-token', 'agent-token-file', 'bind-address', 'cluster-cidr', 'cluster-dns',
  'cluster-domain', 'cluster-init', 'cluster-reset', 'datastore-endpoint', 'disable', 'disable-apiserver',
  'disable-cloud-controller', 'disable-helm-controller', 'disable-kube-proxy', 'disable-network-policy',
  'egress-selector-mode', 'embedded-registry', 'etcd-arg', 'etcd-disable-snapshots',
  'etcd-snapshot-schedule-cron', 'flannel-backend', 'flannel-external-ip', 'flannel-ipv6-masq',
  'https-listen-port', 'kube-apiserver-arg', 'kube-controller-manager-arg', 'kube-scheduler-arg',
  'secrets-encryption', 'service-cidr', 'service-node-port-range', 'supervisor-metrics', 'tls-san',
  'tls-san-security', 'write-kubeconfig', 'write-kubeconfig-mode',
] // prettier-ignore

/** Environment that k3s reads, by flag. */
const environment: Readonly<Record<string, string>> = {
  token: 'K3S_TOKEN',
  'token-file': 'K3S_TOKEN_FILE',
  'agent-token': 'K3S_AGENT_TOKEN',
  'agent-token-file': 'K3S_AGENT_TOKEN_FILE',
  server: 'K3S_URL',
  'cluster-init': 'K3S_CLUSTER_INIT',
  'node-name': 'K3S_NODE_NAME',
}

/** What must be alike on all servers (k3s pkg/daemons/config/types.go, CriticalControlArgs), with defaults. */
const critical: Readonly<Record<string, string>> = {
  'cluster-cidr': '10.42.0.0/16',
  'service-cidr': '10.43.0.0/16',
  'cluster-dns': '10.43.0.10',
  'cluster-domain': 'cluster.local',
  'flannel-backend': 'vxlan',
  'disable-helm-controller': 'false',
  'disable-network-policy': 'false',
  'egress-selector-mode': 'agent',
  'embedded-registry': 'false',
  'secrets-encryption': 'false',
}

/** The flags of one run, after files, environment and command line. */
export class Options {
  readonly command: 'server' | 'agent'
  readonly #values: ReadonlyMap<string, readonly string[]>

  constructor(command: 'server' | 'agent', values: ReadonlyMap<string, readonly string[]>) {
    this.command = command
    this.#values = values
  }

  all(name: string): readonly string[] {
    return (this.#values.get(name) ?? []).flatMap((value) => value.split(',')).filter(Boolean)
  }

  /** The last value counts. */
  one(name: string, otherwise = ''): string {
    return this.#values.get(name)?.at(-1) ?? otherwise
  }

  on(name: string): boolean {
    return this.one(name) === 'true'
  }

  /** Values that a joining server compares with the cluster's. */
  critical(): Readonly<Record<string, string>> {
    return Object.fromEntries(
      Object.entries(critical).map(([name, standard]) => [name, this.one(name, standard)]),
    )
  }
}

/** Reads config.yaml, its drop-ins, the environment and argv, in k3s' order of precedence. */
export function readOptions(command: 'server' | 'agent', argv: readonly string[]): Options {
  const typed = parseArgv(argv)
  const base = process.env['K3S_CONFIG_FILE'] ?? typed.get('config')?.at(-1) ?? '/etc/rancher/k3s/config.yaml'
  const fromFiles = new Map<string, readonly string[]>()
  for (const file of configFiles(base)) mergeFile(fromFiles, file)
  const known = new Set(command === 'server' ? [...shared, ...serverOnly] : shared)
  for (const name of fromFiles.keys()) {
    if (known.has(name)) continue
    // The server filters what it does not know; the agent hands it to the flag parser, which ends it.
    if (command === 'agent') throw new Fatal(`flag provided but not defined: -${name}`)
    log('warning', `Unknown flag --${name} found in config.yaml, skipping`)
    fromFiles.delete(name)
  }
  for (const name of typed.keys()) {
    if (!known.has(name)) throw new Fatal(`flag provided but not defined: -${name}`)
  }
  const values = new Map(fromFiles)
  for (const [name, variable] of Object.entries(environment)) {
    const value = process.env[variable]
    if (value !== undefined && !values.has(name) && known.has(name)) values.set(name, [value])
  }
  for (const [name, given] of typed) values.set(name, [...(fromFiles.get(name) ?? []), ...given])
  return new Options(command, values)
}

function configFiles(base: string): readonly string[] {
  const directory = `${base}.d`
  const dropIns = existsSync(directory)
    ? readdirSync(directory)
        .filter((name) => /\.ya?ml$/.test(name))
        .toSorted()
        .map((name) => join(directory, name))
    : []
  return [...(existsSync(base) ? [base] : []), ...dropIns]
}

/** A later file replaces a key; `key+` adds to it. */
function mergeFile(values: Map<string, readonly string[]>, file: string): void {
  const parsed: unknown = parse(read(file) ?? '')
  for (const [key, value] of Object.entries((parsed ?? {}) as Record<string, unknown>)) {
    const list = (Array.isArray(value) ? value : [value]).map(String)
    const name = key.replace(/\+$/, '')
    values.set(name, key.endsWith('+') ? [...(values.get(name) ?? []), ...list] : list)
  }
}

function parseArgv(argv: readonly string[]): Map<string, string[]> {
  const typed = new Map<string, string[]>()
  for (let index = 0; index < argv.length; index++) {
    const [flag = '', inline] = (argv[index] ?? '').split(/=(.*)/s)
    if (!flag.startsWith('--')) throw new Fatal(`invalid argument ${flag}`)
    const name = flag.slice(2)
    const next = argv[index + 1]
    const takesNext = inline === undefined && next !== undefined && !next.startsWith('--')
    if (takesNext) index += 1
    typed.set(name, [...(typed.get(name) ?? []), inline ?? (takesNext ? next : 'true')])
  }
  return typed
}

/** The text of a flag or of the file of its `-file` twin, which is awaited for four minutes. */
export async function secretOf(options: Options, name: 'token' | 'agent-token'): Promise<string> {
  const given = options.one(name)
  if (given !== '') return given
  const file = options.one(`${name}-file`)
  if (file === '') return ''
  for (let attempt = 0; attempt < 120; attempt++) {
    const content = read(file)
    if (content !== undefined) return content.trim()
    log('info', `Waiting for ${file} to be available`)
    await pause(2_000)
  }
  throw new Fatal(`Timed out waiting for ${file}`)
}
