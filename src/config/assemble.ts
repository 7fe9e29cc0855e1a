import * as limits from '../core/model/limits.ts'
import type { NodeRole } from '../core/model/plan.ts'
import { defaultSpec, defaultTimers } from '../core/model/spec.ts'
import type { BootstrapSetting, SpecTimers } from '../core/model/spec.ts'
import type { AgentConfig, DiscoveryConfig } from './agent-config.ts'
import { readBootstrap } from './bootstrap.ts'
import { defaults } from './defaults.ts'
import { readK3sSpec } from './k3s-spec.ts'
import { readKairos } from './kairos.ts'
import type { KairosReading } from './kairos.ts'
import { checkNetworks } from './networks.ts'
import { peerMultiaddr } from './peers.ts'
import { durationMs } from './schema/fields.ts'
import type { Variables } from './schema/fields.ts'
import { timerFields } from './schema/muster.ts'
import type { MusterBlock, TimerKey } from './schema/muster.ts'
import type { RootBlock } from './schema/root.ts'
import { readMachine } from './machine.ts'
import type { Reader } from './machine.ts'
import type { Statements } from './statements.ts'
import { agreed, stated } from './statements.ts'
import { renderTemplate } from './template.ts'

/** What a well-formed configuration means. Contradictions and unsupported wishes are reported. */
export function assemble(root: RootBlock, statements: Statements, reader: Reader): AgentConfig {
  const own = root.muster ?? {}
  const kairos = readKairos(root, statements)
  const k3s = readK3sSpec({ own: own.k3s, server: root.k3s, agent: root['k3s-agent'] }, statements)
  const spec = {
    controlPlane: readControlPlane(own, kairos, statements),
    addresses: { ipv4: own.addresses?.ipv4 ?? defaultSpec.addresses.ipv4 },
    k3s: k3s.spec,
    timers: readTimers(own.timers, statements),
  }
  checkNetworks(
    spec,
    {
      overlay: own.addresses?.ipv4 === undefined ? undefined : 'muster.addresses.ipv4',
      cluster: k3s.clusterCidrPath,
      service: k3s.serviceCidrPath,
    },
    statements,
  )
  const listen = {
    port: own.listen?.port ?? defaults.port,
    overlayPort: own.listen?.overlay_port ?? defaults.overlayPort,
  }
  return {
    token: own.token ?? kairos.token?.value,
    tokenFile: own.token_file,
    hostname: readHostname(root, statements),
    zone: own.zone ?? '',
    roles: readRoles(own, kairos, statements),
    spec,
    bootstrap: readFounding(own, kairos, statements),
    bootstrapDelayMs: own.bootstrap?.delay === undefined ? 0 : durationMs(own.bootstrap.delay),
    discovery: readDiscovery(own, kairos, listen.port, statements),
    listen,
    overlay: { device: own.overlay?.device ?? defaults.device, mtu: own.overlay?.mtu },
    k3s: {
      enabled:
        agreed(statements, stated('muster.k3s.enabled', own.k3s?.enabled), kairos.k3sEnabled)?.value ?? true,
      path: own.k3s?.path ?? defaults.k3sPath,
      serverEnvironment: environmentOf(root.k3s?.env),
      agentEnvironment: environmentOf(root['k3s-agent']?.env),
    },
    stateDirectory: own.state_directory ?? defaults.stateDirectory,
    socket: own.socket ?? defaults.socket,
    logLevel:
      agreed(statements, stated('muster.log_level', own.log_level), kairos.logLevel)?.value ??
      defaults.logLevel,
    machine: readMachine(root, statements, reader),
  }
}

function readControlPlane(own: MusterBlock, kairos: KairosReading, statements: Statements): number {
  const said = agreed(statements, stated('muster.control_plane', own.control_plane), kairos.controlPlane)
  if (said !== undefined && said.value % 2 === 0) {
    statements.warning(
      said.path,
      `${said.value} servers bear the loss of no more machines than ${said.value - 1}`,
      'Use an odd number.',
    )
  }
  return said?.value ?? defaultSpec.controlPlane
}

function readRoles(own: MusterBlock, kairos: KairosReading, statements: Statements): readonly NodeRole[] {
  const ownRoles = own.roles?.map((role): NodeRole => (role === 'worker' ? 'worker' : 'control-plane'))
  const roles = ownRoles === undefined ? undefined : [...new Set(ownRoles)].toSorted()
  return (
    agreed<readonly NodeRole[]>(statements, stated('muster.roles', roles), kairos.roles)?.value ?? [
      'control-plane',
      'worker',
    ]
  )
}

function readFounding(
  own: MusterBlock,
  kairos: KairosReading,
  statements: Statements,
): BootstrapSetting | undefined {
  const setting = readBootstrap(own.bootstrap, statements)
  if (own.bootstrap === undefined) {
    return kairos.expect === undefined ? undefined : { mode: 'expect', expect: kairos.expect.value }
  }
  if (setting?.mode === 'expect') {
    const path = own.bootstrap.single === true ? 'muster.bootstrap.single' : 'muster.bootstrap.expect'
    agreed(statements, { path, value: setting.expect }, kairos.expect)
  }
  return setting
}

function readDiscovery(
  own: MusterBlock,
  kairos: KairosReading,
  port: number,
  statements: Statements,
): DiscoveryConfig {
  const staticPeers: string[] = []
  if ((own.peers?.length ?? 0) > limits.charterListMax) {
    statements.error(
      'muster.peers',
      `lists more than ${limits.charterListMax} machines; a few that are always on suffice`,
    )
  }
  for (const [index, peer] of (own.peers ?? []).entries()) {
    // Peers of one network listen on one port unless they say otherwise.
    const multiaddr = peerMultiaddr(peer, port === 0 ? defaults.port : port)
    if (multiaddr !== undefined) staticPeers.push(multiaddr)
    else {
      statements.error(
        `muster.peers.${index}`,
        'is not an address of a machine',
        'Write `192.0.2.10`, `host.example.org:4710`, `[2001:db8::1]:4710` or `/ip4/192.0.2.10/tcp/4710`.',
      )
    }
  }
  return {
    mdns: own.discovery?.mdns ?? true,
    beacon: own.discovery?.beacon ?? true,
    dht: agreed(statements, stated('muster.discovery.dht', own.discovery?.dht), kairos.dht)?.value ?? true,
    staticPeers: [...new Set(staticPeers)],
  }
}

/** A timer's longest value: a day, as the wire format has it. */
const timerMsMax = 86_400_000

function readTimers(block: MusterBlock['timers'], statements: Statements): SpecTimers {
  const timers: { -readonly [Key in keyof SpecTimers]: number } = { ...defaultTimers }
  for (const [key, span] of Object.entries(block ?? {}) as [TimerKey, string | undefined][]) {
    if (span === undefined) continue
    timers[timerFields[key]] = durationMs(span)
    if (durationMs(span) > timerMsMax) statements.error(`muster.timers.${key}`, 'is longer than a day')
  }
  if (timers.probeTimeoutMs >= timers.probeIntervalMs) {
    const path =
      block?.probe_timeout === undefined ? 'muster.timers.probe_interval' : 'muster.timers.probe_timeout'
    statements.error(
      path,
      `a probe must be over before the next begins: timeout ${timers.probeTimeoutMs} ms, interval ${timers.probeIntervalMs} ms`,
    )
  }
  return timers
}

function readHostname(root: RootBlock, statements: Statements): string | undefined {
  if (root.hostname === undefined) return undefined
  const sample = renderTemplate(root.hostname, { MachineID: '0'.repeat(32), UUID: '0'.repeat(36) })
  if (sample.kind === 'error') statements.error('hostname', sample.message)
  else if (!/^(?=.{1,253}$)[A-Za-z0-9]([A-Za-z0-9.-]*[A-Za-z0-9])?$/.test(sample.text)) {
    statements.error('hostname', 'is not a host name: letters, digits, `-` and `.`')
  }
  return root.hostname
}

/** A stray `K3S_URL` or `K3S_TOKEN` would be taken for a flag that the plan decides. */
function environmentOf(variables: Variables | undefined): Record<string, string> {
  return Object.fromEntries(
    Object.entries(variables ?? {})
      .filter(([key]) => !key.startsWith('K3S_'))
      .map(([key, value]) => [key, String(value)]),
  )
}
