import type { Crypto } from '../model/crypto.ts'
import type { Hash, NodeId } from '../model/ids.ts'
import { compareIds } from '../model/ids.ts'
import type { ClusterPlan } from '../model/plan.ts'
import type { SignedStatement, Statement } from '../model/statement.ts'

/** Statements kept at once: a few kinds for each of a handful of voters and the nodes they speak of. */
const statementsMax = 2_048

/** Whom and what statements must be about to count. */
export interface StatementScope {
  readonly networkId: Hash
  readonly epoch: number
  readonly clusterId: string
  /** Operator's public key, or `none`. */
  readonly operatorKey: string
}

/**
 * The signed statements that are worth remembering under the newest plan: one of each kind, signer and
 * subject, the last one said.
 */
export class StatementBook {
  readonly #crypto: Crypto
  readonly #entries = new Map<string, SignedStatement>()
  #all: readonly SignedStatement[] | undefined

  constructor(crypto: Crypto) {
    this.#crypto = crypto
  }

  /** Takes a statement if it is genuine and within scope; `flaw` says why not, `known` that it was not new. */
  add(signed: SignedStatement, scope: StatementScope): 'added' | 'known' | { readonly flaw: string } {
    const flaw = this.#flaw(signed, scope)
    if (flaw !== undefined) return { flaw }
    const key = keyOf(signed)
    const held = this.#entries.get(key)
    if (held !== undefined && JSON.stringify(held.statement) === JSON.stringify(signed.statement))
      return 'known'
    if (held !== undefined && isOlder(signed.statement, held.statement)) return 'known'
    if (!this.#genuine(signed, scope)) return { flaw: 'a forged signature' }
    if (held === undefined && this.#entries.size >= statementsMax) return { flaw: 'too many statements' }
    this.#entries.set(key, signed)
    this.#all = undefined
    return 'added'
  }

  /** All statements, in an order that does not depend on when they came. The same list as long as nothing changed. */
  all(): readonly SignedStatement[] {
    this.#all ??= [...this.#entries].toSorted(([a], [b]) => compareIds(a, b)).map(([, signed]) => signed)
    return this.#all
  }

  /** The statement of this kind by this signer, if there is one. */
  find<K extends Statement['kind']>(
    kind: K,
    matches: (statement: Extract<Statement, { kind: K }>, signer: NodeId) => boolean,
  ): SignedStatement | undefined {
    return this.all().find(
      ({ statement, signer }) =>
        statement.kind === kind && matches(statement as Extract<Statement, { kind: K }>, signer),
    )
  }

  /** Who said a statement of this kind, and what, in the order in which it came. */
  ofKind<K extends Statement['kind']>(
    kind: K,
  ): readonly (readonly [NodeId, Extract<Statement, { kind: K }>])[] {
    return [...this.#entries.values()].flatMap(({ statement, signer }) =>
      statement.kind === kind ? [[signer, statement as Extract<Statement, { kind: K }>] as const] : [],
    )
  }

  /** Forgets what the new plan has made pointless. */
  prune(keep: (statement: Statement) => boolean): void {
    for (const [key, signed] of this.#entries) {
      if (keep(signed.statement)) continue
      this.#entries.delete(key)
      this.#all = undefined
    }
  }

  #flaw({ statement, signer }: SignedStatement, scope: StatementScope): string | undefined {
    if (statement.networkId !== scope.networkId) return 'another network'
    if (statement.kind === 'without') return undefined
    if (statement.clusterId !== scope.clusterId) return 'another cluster'
    if (statement.epoch !== scope.epoch) return 'another epoch'
    if (isOrder(statement) && signer !== scope.operatorKey) return 'not the operator of this cluster'
    return undefined
  }

  #genuine({ statement, signer, signature }: SignedStatement, scope: StatementScope): boolean {
    // Where there is no operator key, root on any machine of the network may order a birth to go on.
    if (isOrder(statement) && !(statement.kind === 'without' && scope.operatorKey === 'none')) {
      return (
        scope.operatorKey !== 'none' &&
        signer === scope.operatorKey &&
        this.#crypto.verifyOperator(signer, 'muster/order/1', statement, signature)
      )
    }
    return this.#crypto.verify(signer, 'muster/statement/1', statement, signature)
  }
}

/** Whether the operator said it, and not a node. */
export function isOrder(statement: Statement): boolean {
  return statement.kind === 'spec' || statement.kind === 'without' || statement.kind === 'keep'
}

/** Whether a statement can still matter under this plan. */
export function isPending(statement: Statement, { header, body }: ClusterPlan): boolean {
  switch (statement.kind) {
    case 'initialised':
      return statement.grant === header.grant?.number
    case 'ready':
    case 'stalled':
      return header.phase === 'granted' && statement.grant === header.grant?.number
    case 'dead':
      return body.assignments.some((assignment) => assignment.nodeId === statement.subject)
    case 'members':
    case 'lost':
      return statement.generation >= header.generation
    case 'spec':
      return statement.serial > body.operatorSerial
    case 'without':
      return false
    // About one start of one machine, whatever the plan.
    case 'moved':
    case 'silent':
    case 'keep':
      return true
  }
}

/**
 * Whether a statement was made before this plan settled what it is about. It is about nothing that is to come, as one
 * of a plan that is still on its way may be: an old word is told again by whoever likes to.
 */
export function isPast(statement: Statement, { header, body }: ClusterPlan): boolean {
  switch (statement.kind) {
    case 'initialised':
      return statement.grant < (header.grant?.number ?? 0)
    case 'ready':
    case 'stalled': {
      const newest = header.grant?.number ?? 0
      return statement.grant < newest || (statement.grant === newest && header.phase !== 'granted')
    }
    case 'members':
    case 'lost':
      return statement.generation < header.generation
    case 'spec':
      return statement.serial <= body.operatorSerial
    case 'dead':
    case 'without':
    case 'moved':
    case 'silent':
    case 'keep':
      return false
  }
}

/** A word that a later one of the same author has replaced may still be on its way, or be told again. */
function isOlder(said: Statement, held: Statement): boolean {
  if ((said.kind === 'without' || said.kind === 'spec') && held.kind === said.kind)
    return said.serial < held.serial
  if ((said.kind === 'members' || said.kind === 'lost') && held.kind === said.kind)
    return said.generation < held.generation
  return said.kind === 'dead' && held.kind === said.kind && said.incarnation < held.incarnation
}

function keyOf({ statement, signer }: SignedStatement): string {
  switch (statement.kind) {
    case 'initialised':
    case 'ready':
    case 'stalled':
      return `${statement.kind} ${statement.grant} ${signer}`
    case 'dead':
      return `dead ${statement.subject} ${signer}`
    case 'silent':
      return `silent ${statement.subject} ${signer}`
    case 'keep':
      return `keep ${statement.subject} ${signer}`
    case 'members':
    case 'lost':
    case 'moved':
    case 'spec':
    case 'without':
      return `${statement.kind} ${signer}`
  }
}
