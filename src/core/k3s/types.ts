import type { Hash } from '../model/ids.ts'
import type { EtcdMember } from '../model/statement.ts'

/** A file that must be exactly so. */
export interface FileIntent {
  /** Absolute path as on a machine; a lab host prefixes its root. */
  readonly path: string
  readonly mode: number
  readonly content: string
}

/**
 * How k3s runs on this node: as the first server, as a server (joining, or resuming what it has on disk),
 * or as an agent.
 */
export type K3sRole = 'server-init' | 'server' | 'agent'

/** The secrets of one grant's cluster. `serverPassword` is empty on workers. */
export interface K3sSecrets {
  readonly caHash: Hash
  readonly serverPassword: string
  readonly agentPassword: string
}

/**
 * Who may reach the API and etcd of this machine: the team's overlay addresses (and the machine itself)
 * until `active`, everybody afterwards. Sorted.
 */
export type ApiAccess = 'all' | readonly string[]

/** One thing to do, as data. Every step is idempotent. */
export type K3sStep =
  /** Make the CA files and the passwords of a grant, or return the ones made before for it. */
  | { readonly kind: 'make-authority'; readonly grant: number }
  /**
   * Close the API to all but `allow`, write these files, remove stale ones of ours, and start the unit of
   * the role; a running unit is restarted if a file changed, or if `restart` asks for it.
   */
  | {
      readonly kind: 'start'
      readonly role: K3sRole
      readonly nodeName: string
      readonly files: readonly FileIntent[]
      readonly allow: ApiAccess
      readonly restart: boolean
    }
  /** The same files and the same door, without touching a unit that runs: read at its next start. */
  | {
      readonly kind: 'configure'
      readonly role: K3sRole
      readonly files: readonly FileIntent[]
      readonly allow: ApiAccess
    }
  | { readonly kind: 'stop' }
  /** Stop, rename the k3s data to a dated backup, remove our files. */
  | { readonly kind: 'clear'; readonly reason: string }
  /** Remove a member from etcd by its id. etcd's own check is the last word. */
  | { readonly kind: 'remove-member'; readonly memberId: string }

/** What came of a step. */
export type K3sStepResult =
  | { readonly kind: 'authority'; readonly grant: number; readonly secrets: K3sSecrets }
  | { readonly kind: 'done'; readonly step: K3sStep['kind'] }
  | { readonly kind: 'failed'; readonly step: K3sStep['kind']; readonly detail: string }

/** What the machine and the local k3s look like now. */
export interface K3sObservation {
  /** Whether there is a binary to run. */
  readonly installed: boolean
  readonly version: string
  readonly unit: 'absent' | 'stopped' | 'starting' | 'running' | 'failed'
  /** Last words of the unit, for people. */
  readonly detail: string
  /** `/ping` answers locally. */
  readonly apiAnswers: boolean
  /** Control plane ready (server), or registered with a server (agent). */
  readonly ready: boolean
  /** etcd database on disk. */
  readonly hasEtcdData: boolean
  /** etcd said that this member was removed for good. */
  readonly tombstone: boolean
  /** Hash of the CA found on disk; empty: none. */
  readonly caHash: Hash | ''
  /** `fingerprintOf` our files as they are on the disk; empty: none there. */
  readonly configured: string
  /** `accessKeyOf` the rule in place about who may reach the API; empty: none, so no server may run yet. */
  readonly access: string
  /** Linearizable member list, sorted by id; undefined while etcd has no quorum or is not there. */
  readonly members: readonly EtcdMember[] | undefined
}
