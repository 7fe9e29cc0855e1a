import { createHash } from 'node:crypto'

import { encodeCanonical } from '../../../src/core/model/codec.ts'
import type { Crypto } from '../../../src/core/model/crypto.ts'
import type { NodeId } from '../../../src/core/model/ids.ts'
import type {
  MemberPhase,
  Liveness,
  MemberView,
  MembershipView,
  NodeFacts,
} from '../../../src/core/model/member.ts'
import type { CertifiedPlan, ClusterPlan } from '../../../src/core/model/plan.ts'
import { planHash } from '../../../src/core/model/plan-hash.ts'
import type { ClusterSpec } from '../../../src/core/model/spec.ts'
import { defaultSpec } from '../../../src/core/model/spec.ts'
import type { EtcdMember, SignedStatement, Statement } from '../../../src/core/model/statement.ts'
import { planCharter } from '../../../src/core/planner/charter.ts'
import type { CharterResult, NextInput, Planned } from '../../../src/core/planner/context.ts'
import { judge } from '../../../src/core/planner/judge.ts'
import { planNext } from '../../../src/core/planner/next.ts'

export const networkId = 'ab'.repeat(32)
export const clusterId = 'c1'.repeat(16)
export const operatorKey = 'f0'.repeat(32)
export const prefix6 = 'fd12:3456:789a:1::/64'

/** Digests are real; a signature is a digest that names its signer: unforgeable enough for a test. */
export const crypto: Crypto = {
  digest: (label, value) => createHash('sha256').update(label).update(encodeCanonical(value)).digest('hex'),
  sign: () => {
    throw new Error('a test signs through signed()')
  },
  verify: (signer, label, value, signature) => equal(signature, signatureOf(signer, label, value)),
  verifyOperator: (key, label, value, signature) => equal(signature, signatureOf(key, label, value)),
}

function signatureOf(signer: string, label: string, value: object): Uint8Array {
  return createHash('sha256').update(`${signer} ${label} `).update(encodeCanonical(value)).digest()
}

function equal(a: Uint8Array, b: Uint8Array): boolean {
  return Buffer.compare(a, b) === 0
}

export function signed(signer: string, statement: Statement): SignedStatement {
  const label = statement.kind === 'spec' ? 'muster/order/1' : 'muster/statement/1'
  return { statement, signer, signature: new Uint8Array(signatureOf(signer, label, statement)) }
}

/** `node(3)` is a well-formed peer id; ids are ordered as their numbers. */
export function node(number: number): NodeId {
  const letters = Array.from(String(number).padStart(8, '0'), (digit) => 'abcdefghij'[Number(digit)])
  return `12D3KooWNode${'x'.repeat(20)}${letters.join('')}`
}

export function nodes(count: number, first = 1): NodeId[] {
  return Array.from({ length: count }, (_, index) => node(first + index))
}

interface MachineOptions {
  readonly facts?: Partial<NodeFacts>
  readonly liveness?: Liveness
  readonly since?: number
  readonly left?: boolean
  readonly phase?: MemberPhase
  readonly incarnation?: number
}

/** A site: machines, the newest certified plan, and all statements; time stands still unless told. */
export class Site {
  now = 1_000_000
  readonly #machines = new Map<NodeId, MachineOptions>()
  statements: SignedStatement[] = []
  plan: ClusterPlan | undefined
  readonly history: ClusterPlan[] = []
  spec: ClusterSpec
  #operatorSerial = 0

  constructor(
    count: number,
    spec: Partial<ClusterSpec> = {},
    facts: (id: NodeId) => Partial<NodeFacts> = () => ({}),
  ) {
    this.spec = { ...defaultSpec, ...spec }
    for (const id of nodes(count)) this.set(id, { facts: facts(id) })
  }

  set(id: NodeId, options: MachineOptions): void {
    this.#machines.set(id, { ...this.#machines.get(id), ...options })
  }

  /** Off for so long that everybody holds it dead; the living voters attest it. */
  kill(...ids: NodeId[]): void {
    for (const id of ids) this.set(id, { liveness: 'dead', since: 0 })
    for (const subject of ids) this.attest(subject)
  }

  leave(id: NodeId): void {
    this.set(id, { liveness: 'left', left: true, since: this.now })
    this.attest(id)
  }

  attest(subject: NodeId): void {
    const { networkId: network, epoch, clusterId: cluster, voters } = this.chain()
    const incarnation = this.#machines.get(subject)?.incarnation ?? 1
    for (const voter of voters) {
      if ((this.#machines.get(voter)?.liveness ?? 'alive') !== 'alive') continue
      this.say(voter, { kind: 'dead', networkId: network, epoch, clusterId: cluster, subject, incarnation })
    }
  }

  say(signer: string, statement: Statement): void {
    this.statements.push(signed(signer, statement))
  }

  chain(): ClusterPlan['header'] {
    if (this.plan === undefined) throw new Error('no charter yet')
    return this.plan.header
  }

  base(): { readonly networkId: string; readonly epoch: number; readonly clusterId: string } {
    return { networkId, epoch: 0, clusterId }
  }

  view(): MembershipView {
    const members = [...this.#machines].map(([id, options]) => this.#member(id, options))
    return {
      self: node(1),
      members: members.toSorted((a, b) => (a.record.nodeId < b.record.nodeId ? -1 : 1)),
    }
  }

  #member(id: NodeId, options: MachineOptions): MemberView {
    const plan = this.plan?.header
    return {
      liveness: options.liveness ?? 'alive',
      since: options.since ?? 0,
      record: {
        nodeId: id,
        networkId,
        incarnation: options.incarnation ?? 1,
        sequence: 1,
        bootNonce: '00',
        birth: '00'.repeat(32),
        facts: {
          hostname: `host-${id.slice(-3)}`,
          machineId: '',
          arch: 'x64',
          cpus: 4,
          memoryMiB: 8_192,
          zone: '',
          roles: ['control-plane', 'worker'],
          durable: true,
          version: '0.1.0',
          k3sVersion: 'v1.36.3+k3s1',
          localNetworks: ['192.168.1.0/24'],
          ...options.facts,
        },
        phase: options.phase ?? 'waiting',
        note: '',
        left: options.left ?? false,
        endpoints: [],
        overlayPort: 1,
        overlayKey: '',
        bootstrap: { mode: 'auto' },
        specHash: '00'.repeat(32),
        specKeys: {},
        plan: {
          clusterId: plan === undefined ? '' : clusterId,
          generation: plan?.generation ?? -1,
          hash: '',
        },
        etcd: [],
      },
    }
  }

  charter(
    promisers: readonly NodeId[] = this.view().members.map((member) => member.record.nodeId),
  ): CharterResult {
    return planCharter({
      self: node(1),
      networkId,
      crypto,
      view: this.view(),
      now: this.now,
      graceUntil: 0,
      spec: this.spec,
      operatorKey,
      prefix6,
      clusterId,
      promisers,
    })
  }

  next(change: Partial<Pick<NextInput, 'self' | 'view' | 'statements' | 'etcd'>> = {}): Planned {
    return planNext({
      self: node(1),
      networkId,
      crypto,
      view: this.view(),
      now: this.now,
      graceUntil: 0,
      parent: this.certified(),
      statements: this.statements,
      ...change,
    })
  }

  certified(): CertifiedPlan {
    if (this.plan === undefined) throw new Error('no plan yet')
    return {
      plan: this.plan,
      certificate: { ballot: { number: 0, proposer: node(1) }, terms: null, votes: [] },
    }
  }

  /** Certifies a plan after every voter has judged it. */
  certify(plan: ClusterPlan): void {
    const parentHash = this.plan === undefined ? '' : planHash(this.plan.header, crypto)
    const verdict = judge(this.plan, parentHash, plan, crypto)
    if (!verdict.ok) throw new Error(`refused: ${verdict.reason}: ${verdict.message}`)
    this.plan = plan
    this.history.push(plan)
    this.statements = this.statements.filter(({ statement }) => statement.kind !== 'members')
  }

  born(): this {
    const result = this.charter()
    if (result.kind === 'refused') throw new Error(result.message)
    this.certify(result.plan)
    return this
  }

  /** Plans and certifies until nothing is left to do; servers report what etcd would then list. */
  settle(limit = 40): string[] {
    const done: string[] = []
    for (let round = 0; round < limit; round++) {
      this.report()
      const planned = this.next()
      if (planned.kind === 'nothing') return done
      done.push(planned.why)
      this.certify(planned.plan)
    }
    throw new Error(`does not settle: ${done.slice(-4).join(' | ')}`)
  }

  /** What live servers sign once etcd has done what the plan says (dead servers included), and has taken in `leftovers` too. */
  report(leftovers: readonly NodeId[] = []): void {
    const { header, body } = this.certified().plan
    const servers = body.assignments.filter((one) => one.role === 'control-plane')
    const members = this.members([...servers.map((one) => one.nodeId), ...leftovers])
    const speakers = servers
      .map((one) => one.nodeId)
      .filter((id) => this.#machines.get(id)?.liveness !== 'dead')
    if (header.phase === 'granted' && header.grant !== null) {
      const { number, team } = header.grant
      if (team.some((id) => (this.#machines.get(id)?.liveness ?? 'alive') !== 'alive')) return
      for (const id of team) {
        this.say(id, { kind: 'ready', ...this.base(), grant: number, caHash: 'ca'.repeat(32), members })
      }
    }
    if (header.phase === 'active') {
      for (const id of speakers)
        this.say(id, { kind: 'members', ...this.base(), generation: header.generation, members })
    }
  }

  members(ids: readonly NodeId[]): EtcdMember[] {
    const { assignments } = this.certified().plan.body
    return ids
      .flatMap((id) => assignments.find((one) => one.nodeId === id) ?? [])
      .map((one) => ({
        id: `e${one.nodeId.slice(-4)}`,
        name: one.name,
        address: one.address4,
        learner: false,
      }))
  }

  stall(): void {
    const { grant, voters } = this.chain()
    for (const voter of voters) {
      if ((this.#machines.get(voter)?.liveness ?? 'alive') !== 'alive') continue
      this.say(voter, { kind: 'stalled', ...this.base(), grant: grant?.number ?? -1 })
    }
  }

  order(spec: ClusterSpec, signer: string = operatorKey): void {
    this.#operatorSerial += 1
    this.say(signer, { kind: 'spec', ...this.base(), serial: this.#operatorSerial, spec })
  }

  servers(): NodeId[] {
    return this.certified()
      .plan.body.assignments.filter((one) => one.role === 'control-plane')
      .map((one) => one.nodeId)
  }
}
