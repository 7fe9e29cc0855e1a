import type { NodeRole } from '../core/model/plan.ts'
import type { BootstrapSetting, ClusterSpec } from '../core/model/spec.ts'
import type { LogLevel } from './schema/muster.ts'
import type { InstallBlock } from './schema/install.ts'
import type { StageStep } from './schema/stages.ts'
import type { User, WriteFile } from './schema/system.ts'

/** What one machine is told by its files: checked, complete, with all defaults filled in. */
export interface AgentConfig {
  /** The network token's text, not yet parsed. Undefined where `tokenFile` names a file, or nothing was declared. */
  readonly token: string | undefined
  /** A file that holds the token. Never set together with `token`. */
  readonly tokenFile: string | undefined
  /** May hold a template: see `renderTemplate`. Undefined: keep the machine's own name. */
  readonly hostname: string | undefined
  /** Failure domain; empty: none. */
  readonly zone: string
  /** What this machine may become. */
  readonly roles: readonly NodeRole[]
  /** What the cluster should be, as far as this machine knows. */
  readonly spec: ClusterSpec
  /** Undefined: what the token says, else `auto`. */
  readonly bootstrap: BootstrapSetting | undefined
  /** How long after the agent's start voting on a charter is enabled. */
  readonly bootstrapDelayMs: number
  readonly discovery: DiscoveryConfig
  /** 0: any free port. */
  readonly listen: { readonly port: number; readonly overlayPort: number }
  /** `mtu` undefined: what the links allow. */
  readonly overlay: { readonly device: string; readonly mtu: number | undefined }
  readonly k3s: K3sConfig
  readonly stateDirectory: string
  /** Path of the agent's unix socket. */
  readonly socket: string
  readonly logLevel: LogLevel
  readonly machine: MachineConfig
}

/** How other machines are found. */
export interface DiscoveryConfig {
  readonly mdns: boolean
  readonly beacon: boolean
  readonly dht: boolean
  /** Multiaddrs to dial first, in the order declared. */
  readonly staticPeers: readonly string[]
}

/** What this machine alone says about k3s; what must be alike everywhere is in the spec. */
export interface K3sConfig {
  readonly enabled: boolean
  /** Path of the binary. */
  readonly path: string
  /** Variables for k3s as a server, as an agent. Those that k3s itself reads (`K3S_…`) are not among them. */
  readonly serverEnvironment: Readonly<Record<string, string>>
  readonly agentEnvironment: Readonly<Record<string, string>>
}

/** Keys for the machine itself: read and checked here, carried out by `muster machine apply` and the installer. */
export interface MachineConfig {
  readonly users: readonly User[]
  readonly sshAuthorizedKeys: readonly string[]
  readonly writeFiles: readonly WriteFile[]
  readonly runCommands: readonly (string | readonly string[])[]
  readonly stages: Readonly<Record<string, readonly StageStep[]>>
  readonly install: InstallBlock | undefined
}
