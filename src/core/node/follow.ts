import type { Chain } from '../consensus/chain.ts'
import { emptyChain, extendChain } from '../consensus/chain.ts'
import type { Extension } from '../consensus/chain.ts'
import { majority } from '../consensus/terms.ts'
import type { Crypto } from '../model/crypto.ts'
import type { Hash, NodeId } from '../model/ids.ts'
import type { PlanAnnounceMessage, PlanChainMessage } from '../model/message.ts'
import type { CertifiedHeader, CertifiedPlan } from '../model/plan.ts'

/** Clusters of one network heard of at once; more than two is a forger's work. */
export const candidatesMax = 8

const noneWaits: readonly FollowWaiting[] = []

interface Candidate {
  readonly chain: Chain
  /** This node founded the cluster: the charter names it as a voter, or its own vote is in the certificate. */
  readonly isOwn: boolean
}

/** What a node that has no plan yet waits for before it follows one. */
export interface FollowWaiting {
  readonly clusterId: string
  readonly generation: number
  readonly have: readonly NodeId[]
  readonly need: number
  readonly missing: readonly NodeId[]
}

/**
 * Follows certified plans. Join beats init, but an old machine may bring the plan of a cluster that is gone:
 * so a node without a plan moves to one only after fresh answers from a majority of its newest voters, and
 * until then waits and names them (protocol 2.3). One that the charter names as a voter, or whose own vote certified
 * it, need not ask: its key and its vote log lie on one disk, so the cluster is its own, and the others may wait for
 * its word.
 */
export class Follow {
  readonly #self: NodeId
  readonly #networkId: Hash
  readonly #crypto: Crypto
  /** What each connected peer said of its newest plan, on its present connection. */
  readonly #announced = new Map<NodeId, PlanAnnounceMessage>()
  readonly #candidates = new Map<string, Candidate>()
  /** Headers of a long chain that came in parts. */
  readonly #parts = new Map<NodeId, readonly CertifiedHeader[]>()

  constructor(self: NodeId, networkId: Hash, crypto: Crypto) {
    this.#self = self
    this.#networkId = networkId
    this.#crypto = crypto
  }

  announced(from: NodeId, message: PlanAnnounceMessage): void {
    this.#announced.set(from, message)
  }

  peerDown(peer: NodeId): void {
    this.#announced.delete(peer)
    this.#parts.delete(peer)
  }

  /** Whether any certified plan was heard of, followed or not. */
  get heardOfPlan(): boolean {
    return this.#candidates.size > 0 || this.#announced.size > 0
  }

  /** Reads an offered chain against the one that this node holds; remembers parts and candidates. */
  offered(from: NodeId, message: PlanChainMessage, chain: Chain): Extension {
    const earlier = this.#parts.get(from) ?? []
    this.#parts.delete(from)
    const headers = [...earlier, ...message.headers]
    const base = chain.newest === undefined ? this.#base(headers) : chain
    const extension = extendChain(base, this.#networkId, headers, message.newest, this.#crypto)
    if (extension.kind === 'partial') this.#parts.set(from, headers)
    if (chain.newest === undefined && extension.kind === 'extended') {
      this.#keep(extension.chain)
      // Who hands out a plan holds it: that is its word, should the announcement have been lost.
      const { clusterId, generation } = (message.newest as CertifiedPlan).plan.header
      this.announced(from, { kind: 'plan-announce', clusterId, generation, hash: extension.chain.hash })
    }
    return extension
  }

  /** The candidate that a majority of its newest voters confirmed on live connections, if exactly one. */
  confirmed(): Chain | undefined {
    if (this.#candidates.size === 0) return undefined
    const confirmed = [...this.#candidates.values()].filter(
      (candidate) => this.#waiting(candidate) === undefined,
    )
    return confirmed.length === 1 ? confirmed[0]?.chain : undefined
  }

  /** What each candidate lacks. */
  waiting(): readonly FollowWaiting[] {
    if (this.#candidates.size === 0) return noneWaits
    return [...this.#candidates.keys()]
      .toSorted()
      .flatMap((id) => this.#waiting(this.#candidates.get(id) as Candidate) ?? [])
  }

  /** The node has a plan now: candidates are no longer needed. */
  settled(): void {
    this.#candidates.clear()
  }

  #waiting({ chain, isOwn }: Candidate): FollowWaiting | undefined {
    const header = chain.newest?.plan.header
    if (header === undefined || isOwn) return undefined
    const { clusterId, generation, voters } = header
    const have = voters.filter((voter) => {
      const said = this.#announced.get(voter)
      return said !== undefined && said.clusterId === clusterId && said.generation <= generation
    })
    const need = majority(voters.length)
    if (have.length >= need) return undefined
    return { clusterId, generation, have, need, missing: voters.filter((voter) => !have.includes(voter)) }
  }

  #base(headers: readonly CertifiedHeader[]): Chain {
    const clusterId = headers[0]?.header.clusterId
    const held = clusterId === undefined ? undefined : this.#candidates.get(clusterId)?.chain
    return held !== undefined && headers[0]!.header.generation > 0 ? held : emptyChain
  }

  #keep(chain: Chain): void {
    const clusterId = chain.newest?.plan.header.clusterId as string
    const held = this.#candidates.get(clusterId)
    if (held === undefined && this.#candidates.size >= candidatesMax) return
    if (held !== undefined && chain.headers.length <= held.chain.headers.length) return
    this.#candidates.set(clusterId, { chain, isOwn: this.#isOwn(chain) })
  }

  #isOwn({ headers }: Chain): boolean {
    const charter = headers[0]
    return (
      charter !== undefined &&
      (charter.header.voters.includes(this.#self) ||
        charter.certificate.votes.some(({ voter }) => voter === this.#self))
    )
  }
}
