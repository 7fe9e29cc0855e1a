import type { ApiAccess, K3sRole } from '../../src/core/k3s/types.ts'
import type { Random } from '../../src/core/model/random.ts'
import type { Timeline } from '../kernel/timeline.ts'

// What the model of k3s and etcd holds, and what it asks of the world.

/** One member of an etcd. */
export interface Member {
  readonly id: string
  readonly machine: number
  readonly address: string
  name: string
  learner: boolean
  /** Since when it runs without a break; undefined: it does not. */
  since: number | undefined
  /** Last moment at which a learner ran. */
  progressAt: number
}

/** One etcd: what one `cluster-init` made. */
export interface Etcd {
  readonly key: string
  readonly authority: string
  readonly token: string
  readonly madeBy: number
  members: Member[]
  readonly removed: Set<string>
}

/** What lies on a machine's k3s directories, and what runs of it. */
export interface Place {
  /** Durable. */
  authority: string
  /** Authorities made here, by grant. */
  readonly made: Map<number, string>
  etcd: { readonly key: string; readonly memberId: string } | undefined
  tombstone: boolean
  files: string
  role: K3sRole | undefined
  server: string
  pin: string
  token: string
  /** Gone with the power. */
  access: ApiAccess | undefined
  unit: 'absent' | 'stopped' | 'starting' | 'running'
  readyAt: number
  detail: string
  /** Counts starts and stops, so that an earlier start's timer knows that it is over. */
  run: number
  registered: boolean
}

/** What the model asks of the world around it. */
export interface K3sSurroundings {
  readonly timeline: Timeline
  readonly random: Random
  readonly startMs: readonly [number, number]
  readonly promoteMs: number
  /** Whether the machine has power. */
  powered(machine: number): boolean
  /** Whether packets pass both ways between two machines. */
  reaches(a: number, b: number): boolean
  /** Whether starts on this machine hang now. */
  hangs(machine: number): boolean
  /** Overlay address of a machine now. */
  addressOf(machine: number): string
  /** Tells what happened, for checkers and pictures. */
  tell(what: K3sEvent): void
}

/** What k3s and etcd did. */
export interface K3sEvent {
  readonly machine: number
  readonly what:
    | 'cluster made'
    | 'joined'
    | 'promoted'
    | 'evicted'
    | 'removed'
    | 'removal refused'
    | 'join refused'
    | 'tombstone'
    | 'cleared'
    | 'running'
    | 'stopped'
  readonly detail: string
  readonly etcd: Etcd | undefined
}
