import { z } from 'zod'
import * as limits from '../../core/model/limits.ts'
import { defaultSpec, defaultTimers } from '../../core/model/spec.ts'
import type { SpecTimers } from '../../core/model/spec.ts'
import { defaults } from '../defaults.ts'
import { duration, flag, oneOf, path, pattern, text, texts, whole } from './fields.ts'

/** How the first plan comes to be: one of `expect`, `voters`, `single`, `auto`. */
export interface BootstrapBlock {
  expect?: number | undefined
  tolerate?: number | undefined
  slack?: number | undefined
  voters?: string[] | undefined
  single?: boolean | undefined
  auto?: boolean | undefined
  delay?: string | undefined
}

/** The own keys for k3s. */
export interface OwnK3sBlock {
  enabled?: boolean | undefined
  path?: string | undefined
  version?: string | undefined
  cluster_cidr?: string | undefined
  service_cidr?: string | undefined
  cluster_dns?: string | undefined
  cluster_domain?: string | undefined
  flannel_backend?: string | undefined
  disable?: string[] | undefined
  tls_san?: string[] | undefined
  server_args?: string[] | undefined
  agent_args?: string[] | undefined
}

/** `probeIntervalMs` -> `probe_interval`. */
export type TimerKey =
  | 'probe_interval'
  | 'probe_timeout'
  | 'gossip_interval'
  | 'anti_entropy_interval'
  | 'leader_timeout'
  | 'accept_timeout'
  | 'init_timeout'
  | 'dead_after'
  | 'promote_after'
  | 'settle'
  | 'boot_grace'

/** Key of a timer in a file, to its name in the spec. */
export const timerFields: Readonly<Record<TimerKey, keyof SpecTimers>> = {
  probe_interval: 'probeIntervalMs',
  probe_timeout: 'probeTimeoutMs',
  gossip_interval: 'gossipIntervalMs',
  anti_entropy_interval: 'antiEntropyIntervalMs',
  leader_timeout: 'leaderTimeoutMs',
  accept_timeout: 'acceptTimeoutMs',
  init_timeout: 'initTimeoutMs',
  dead_after: 'deadAfterMs',
  promote_after: 'promoteAfterMs',
  settle: 'settleMs',
  boot_grace: 'bootGraceMs',
}

/** Everything under `muster:`. */
export interface MusterBlock {
  token?: string | undefined
  token_file?: string | undefined
  bootstrap?: BootstrapBlock | undefined
  control_plane?: number | undefined
  addresses?: { ipv4?: string | undefined } | undefined
  discovery?:
    | { mdns?: boolean | undefined; beacon?: boolean | undefined; dht?: boolean | undefined }
    | undefined
  peers?: string[] | undefined
  zone?: string | undefined
  roles?: ('control-plane' | 'worker' | 'master')[] | undefined
  listen?: { port?: number | undefined; overlay_port?: number | undefined } | undefined
  overlay?: { device?: string | undefined; mtu?: number | undefined } | undefined
  k3s?: OwnK3sBlock | undefined
  timers?: { [Key in TimerKey]?: string | undefined } | undefined
  state_directory?: string | undefined
  socket?: string | undefined
  log_level?: LogLevel | undefined
}

/** From the most to the fewest words. */
export type LogLevel = 'debug' | 'info' | 'warn' | 'error'

const bootstrap: z.ZodType<BootstrapBlock | undefined> = z
  .strictObject({
    expect: whole(
      1,
      limits.membersMax,
      'The number of machines that found the cluster. No fewer do; a network that shows twice as many refuses, because two halves of it could both found one.',
    ),
    tolerate: whole(
      0,
      limits.membersMax,
      'With `expect`: how many of these machines may be missing at the founding.',
    ),
    slack: whole(
      0,
      limits.membersMax,
      'With `tolerate`: how many more machines than `expect` may exist (wiped, cloned or added before the founding).',
      0,
    ),
    voters: z
      .array(
        z.string().regex(/^[1-9A-HJ-NP-Za-km-z]{32,64}$/, {
          error: 'expected a node id (`muster status` prints it)',
        }),
      )
      .min(1)
      .max(limits.charterListMax)
      .optional()
      .describe('Node ids of the machines of which a majority founds the cluster.'),
    single: flag('This machine is a cluster of its own until others join; the same as `expect: 1`.'),
    delay: duration(
      'Voting begins so long after the start of the agent, so that surplus machines are seen before.',
      0,
    ),
    auto: flag(
      'Found the cluster with every machine that is found, once no new one has appeared for `timers.settle`.',
    ),
  })
  .optional()
  .describe(
    'How the first plan comes to be: one of `expect`, `voters`, `single`, `auto`. Default: what the token says, else `auto`.',
  )

const k3s: z.ZodType<OwnK3sBlock | undefined> = z
  .strictObject({
    enabled: flag(
      'Whether this network becomes a k3s cluster. Without, there is the overlay and the plan alone.',
      true,
    ),
    path: path('The k3s binary.', defaults.k3sPath),
    version: text('The version wanted; default: whatever binary the machine has.', 'v1.36.3+k3s1'),
    cluster_cidr: text(`Network of the pods. Default: \`${defaultSpec.k3s.clusterCidr}\`.`),
    service_cidr: text(`Network of the services. Default: \`${defaultSpec.k3s.serviceCidr}\`.`),
    cluster_dns: text('Address of the cluster DNS. Default: the tenth address of the services.'),
    cluster_domain: text(`Domain of the cluster. Default: \`${defaultSpec.k3s.clusterDomain}\`.`),
    flannel_backend: oneOf(
      ['vxlan', 'host-gw', 'wireguard-native', 'none'],
      `How pods talk between nodes. Default: \`${defaultSpec.k3s.flannelBackend}\`.`,
    ),
    disable: texts('Packaged components that are left out.', ['traefik', 'servicelb']),
    tls_san: texts("More names for the API's certificate.", ['k8s.example.org']),
    server_args: texts('More long flags for servers.', ['--kube-apiserver-arg=v=2']),
    agent_args: texts('More long flags for workers.', ['--node-label=tier=edge']),
  })
  .optional()
  .describe('What k3s is given, alike on every machine.')

const timerDescriptions: Readonly<Record<TimerKey, string>> = {
  probe_interval: 'One peer is probed in each interval.',
  probe_timeout: 'A probe without an answer by then is tried through others.',
  gossip_interval: 'News leaves in batches, one batch an interval.',
  anti_entropy_interval: 'Full comparison with one random peer.',
  leader_timeout: 'A leader that is silent for so long is replaced.',
  accept_timeout: 'A voter that waits for a certificate for so long finishes the plan itself.',
  init_timeout: 'The time that the first server has to show progress.',
  dead_after: 'Silence after which a majority may call a node dead.',
  promote_after: 'Stable health that a node needs before it becomes a server.',
  settle: 'With `auto`: time without a new machine before the founding.',
  boot_grace: 'After a start, nothing is called dead for so long.',
}

const timers: z.ZodType<MusterBlock['timers']> = z
  .strictObject(
    Object.fromEntries(
      Object.entries(timerDescriptions).map(([key, description]) => [
        key,
        duration(description, defaultTimers[timerFields[key as TimerKey]]),
      ]),
    ),
  )
  .optional()
  .describe('Timers of the protocol, for slow or very quick networks. They are agreed at the founding.')

/** Schema of the block `muster:`. */
export const musterSchema: z.ZodType<MusterBlock | undefined> = z
  .strictObject({
    token: text(
      'The network token: what makes strangers one network. Made by `muster token new`; a token of Kairos is read too.',
    ),
    token_file: path('A file that holds the token, instead of `token`.'),
    bootstrap,
    control_plane: whole(
      1,
      7,
      'How many machines are servers of the cluster; the others are workers. Odd numbers only help.',
      defaultSpec.controlPlane,
    ),
    addresses: z
      .strictObject({
        ipv4: text(
          `The overlay's IPv4 network, /8 to /28. It must overlap neither the LAN nor the networks of pods and services. Default: \`${defaultSpec.addresses.ipv4}\`.`,
        ),
      })
      .optional()
      .describe('Addresses of the overlay. IPv6 addresses follow from the token.'),
    discovery: z
      .strictObject({
        mdns: flag('Find machines on the same link by multicast DNS.', true),
        beacon: flag('A small link-local beacon for links where multicast DNS cannot work.', true),
        dht: flag(
          'A private rendezvous over machines whose address is known (`peers`, or remembered ones).',
          true,
        ),
      })
      .optional()
      .describe('How other machines are found.'),
    peers: texts('Addresses of machines to ask first: `host`, `host:port` or a multiaddr.', [
      '192.0.2.10',
      '/dns4/a.example.org/tcp/4710',
    ]),
    zone: text('Failure domain of this machine (rack, room); servers are spread over zones.', 'rack-1'),
    roles: z
      .array(z.enum(['control-plane', 'worker', 'master']))
      .min(1)
      .max(2)
      .optional()
      .meta({ description: 'What this machine may become.', default: ['control-plane', 'worker'] }),
    listen: z
      .strictObject({
        port: whole(0, 65_535, 'TCP port for other machines; 0: any free one.', defaults.port),
        overlay_port: whole(
          0,
          65_535,
          "UDP port of the overlay's packets; 0: any free one.",
          defaults.overlayPort,
        ),
      })
      .optional()
      .describe('Ports.'),
    overlay: z
      .strictObject({
        device: pattern(
          /^[a-z][a-z0-9_-]{0,14}$/,
          'a device name of at most 15 characters',
          'Name of the overlay device.',
          defaults.device,
        ),
        mtu: whole(
          1_280,
          9_000,
          'Largest packet in the overlay. Left out: what the smallest link allows. Never under 1280, the least that IPv6 allows.',
        ),
      })
      .optional()
      .describe('The overlay device.'),
    k3s,
    timers,
    state_directory: path('Where the machine keeps its identity and its state.', defaults.stateDirectory),
    socket: path("The agent's socket, for the command line.", defaults.socket),
    log_level: oneOf(['debug', 'info', 'warn', 'error'], 'How much the agent says.', defaults.logLevel),
  })
  .optional()
  .describe("muster's own keys.")
