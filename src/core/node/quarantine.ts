import type { IdentityDecision } from '../identity/clone.ts'
import { resolveQuarantine } from '../identity/clone.ts'
import type { NodeId } from '../model/ids.ts'
import type { ClusterPlan } from '../model/plan.ts'
import type { SignedStatement } from '../model/statement.ts'

/** How a quarantine ends. */
export type IdentityVerdict = Extract<IdentityDecision, { kind: 'keep' | 're-key' }>

/**
 * A node whose hardware is not the one that its key was born on (protocol 2.1). It reads and follows, but votes
 * for nothing, starts nothing and takes no address of the overlay, until it is known to be the only one with
 * its key: by the word of a majority of the voters, or the operator's. A living original ends it the other way.
 */
export class Quarantine {
  readonly #self: NodeId
  /** Nonce of this start: statements about another one say nothing about this. */
  readonly #boot: string
  #doubt: string | undefined
  #originalHeard = false
  #confirmedHere = false
  #concluded = false

  /** @param doubt why the identity is in doubt; undefined: it is not */
  constructor(self: NodeId, boot: string, doubt: string | undefined) {
    this.#self = self
    this.#boot = boot
    this.#doubt = doubt
  }

  get isActive(): boolean {
    return this.#doubt !== undefined
  }

  /** What speaks against this identity, and what is awaited; undefined where nothing does. */
  reason(plan: ClusterPlan | undefined, statements: readonly SignedStatement[]): string | undefined {
    return this.#doubt && `${this.#doubt}: ${this.#decide(plan, statements).reason}`
  }

  /** The key signed something under another start that is newer than all we know. */
  hearOriginal(): void {
    this.#originalHeard = true
  }

  /** Root on this machine says that it is the node; counts only where the cluster has no operator key. */
  confirmHere(): void {
    this.#confirmedHere = true
  }

  /** The end of the quarantine, told once; undefined while there is none. */
  conclude(
    plan: ClusterPlan | undefined,
    statements: readonly SignedStatement[],
  ): IdentityVerdict | undefined {
    if (!this.isActive || this.#concluded) return undefined
    const decision = this.#decide(plan, statements)
    if (decision.kind === 'quarantine') return undefined
    this.#concluded = true
    return decision
  }

  /** The new birth record is on disk: from now on the node is as any other. */
  lift(): void {
    this.#doubt = undefined
  }

  #decide(plan: ClusterPlan | undefined, statements: readonly SignedStatement[]): IdentityDecision {
    const voters = plan?.header.voters ?? []
    const about = statements.filter(
      ({ statement }) =>
        (statement.kind === 'silent' || statement.kind === 'keep') &&
        statement.subject === this.#self &&
        statement.boot === this.#boot,
    )
    const attesting = new Set(
      about.filter(({ statement }) => statement.kind === 'silent').map(({ signer }) => signer),
    )
    return resolveQuarantine({
      originalHeard: this.#originalHeard,
      silenceAttested: voters.filter((voter) => attesting.has(voter)).length,
      voters: voters.length,
      operatorConfirmed: this.#confirmedHere || about.some(({ statement }) => statement.kind === 'keep'),
    })
  }
}
