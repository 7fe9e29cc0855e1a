import type { NodeId } from './ids.ts'

/**
 * How the first plan, the charter, comes to be. Machines of one network must agree on it before they vote
 * (protocol 2.3, generation 0). `single: true` in a configuration is `expect` with 1.
 */
export type BootstrapSetting =
  | { readonly mode: 'expect'; readonly expect: number }
  | { readonly mode: 'tolerate'; readonly expect: number; readonly tolerate: number; readonly slack: number }
  | { readonly mode: 'voters'; readonly voters: readonly NodeId[] }
  | { readonly mode: 'auto' }

/** Every timer of the protocol, in milliseconds, so that tests and sites set them instead of waiting. */
export interface SpecTimers {
  /** SWIM: one peer is probed in each interval. */
  readonly probeIntervalMs: number
  /** SWIM: a direct probe that is not answered by then is tried through others. */
  readonly probeTimeoutMs: number
  /** Updates leave in batches, one batch an interval, and only when there are any. */
  readonly gossipIntervalMs: number
  /** Full comparison of digests with one random peer. */
  readonly antiEntropyIntervalMs: number
  /** A leader that is silent for so long is replaced by the next voter in rank. */
  readonly leaderTimeoutMs: number
  /** A voter that accepted and sees no certificate starts a higher ballot (doubles, jittered). */
  readonly acceptTimeoutMs: number
  /** The initialiser's time to show progress before its grant is revoked (doubles with each revocation). */
  readonly initTimeoutMs: number
  /** Silence after which a majority of voters may attest that a node is dead. */
  readonly deadAfterMs: number
  /** Stable health that a node needs before it is promoted. */
  readonly promoteAfterMs: number
  /** Bootstrap `auto`: time without a new identity before a charter is proposed. */
  readonly settleMs: number
  /** After a mass boot, and at an agent's start, nothing is judged dead for so long. */
  readonly bootGraceMs: number
}

/** The timers of a site network with sane machines. Source: memberlist's LAN profile and protocol 2.2, 2.3. */
export const defaultTimers: SpecTimers = {
  probeIntervalMs: 1_000,
  probeTimeoutMs: 500,
  gossipIntervalMs: 200,
  antiEntropyIntervalMs: 30_000,
  leaderTimeoutMs: 3_000,
  acceptTimeoutMs: 2_000,
  initTimeoutMs: 300_000,
  deadAfterMs: 300_000,
  promoteAfterMs: 60_000,
  settleMs: 60_000,
  bootGraceMs: 60_000,
}

/**
 * What k3s must be given alike on every server: a difference is fatal when a server joins
 * (k3s `CriticalControlArgs`), so the charter freezes these.
 */
export interface K3sSpec {
  /** Version wanted, for example `v1.36.3+k3s1`; empty: whatever binary the machine has. */
  readonly version: string
  readonly clusterCidr: string
  readonly serviceCidr: string
  readonly clusterDns: string
  readonly clusterDomain: string
  readonly flannelBackend: string
  /** Packaged components that are not deployed, sorted. */
  readonly disable: readonly string[]
  /** More subject names for the API certificate, sorted. */
  readonly tlsSan: readonly string[]
  /** Extra long flags for servers, as `name` -> values, without dashes. */
  readonly serverArgs: Readonly<Record<string, readonly string[]>>
  /** Extra long flags for agents. */
  readonly agentArgs: Readonly<Record<string, readonly string[]>>
}

/** What the user wants of the cluster. Immutable; changed only by a certified plan. */
export interface ClusterSpec {
  /** Wanted number of control-plane nodes (k3s servers), 1 to 7. */
  readonly controlPlane: number
  readonly addresses: {
    /** Overlay IPv4 prefix, for example `10.144.0.0/16`. */
    readonly ipv4: string
  }
  readonly k3s: K3sSpec
  readonly timers: SpecTimers
}

/** The spec of a machine whose user declared nothing. */
export const defaultSpec: ClusterSpec = {
  controlPlane: 3,
  addresses: { ipv4: '10.144.0.0/16' },
  k3s: {
    version: '',
    clusterCidr: '10.42.0.0/16',
    serviceCidr: '10.43.0.0/16',
    clusterDns: '10.43.0.10',
    clusterDomain: 'cluster.local',
    flannelBackend: 'vxlan',
    disable: [],
    tlsSan: [],
    serverArgs: {},
    agentArgs: {},
  },
  timers: defaultTimers,
}
