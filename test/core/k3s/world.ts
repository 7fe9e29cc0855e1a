import { decideK3s } from '../../../src/core/k3s/decide.ts'
import { accessKeyOf, fingerprintOf } from '../../../src/core/k3s/files.ts'
import type { K3sRecord } from '../../../src/core/k3s/record.ts'
import type { K3sObservation, K3sRole, K3sSecrets, K3sStep } from '../../../src/core/k3s/types.ts'
import type { NodeId } from '../../../src/core/model/ids.ts'
import { invariant } from '../../../src/core/model/invariant.ts'
import type { ClusterPlan, Grant } from '../../../src/core/model/plan.ts'
import type { EtcdMember, InitialisedStatement } from '../../../src/core/model/statement.ts'
import { addressOf, nodes, planOf, statementOf } from './support.ts'

interface Disk {
  /** Grant of the CA; undefined: none. */
  ca: number | undefined
  /** Id of the etcd member whose data lie here. */
  memberId: string
  /** Grant that the etcd data are of. */
  dataGrant: number | undefined
  files: string
}

interface Machine {
  record: K3sRecord | undefined
  disk: Disk
  unit: K3sRole | undefined
  access: string
  secrets: { grant: number; secrets: K3sSecrets } | undefined
}

/** What may happen next. */
export type Event =
  | { readonly kind: 'turn'; readonly node: NodeId; readonly crash: boolean }
  | { readonly kind: 'crash' | 'wipe'; readonly node: NodeId }
  | { readonly kind: 'revoke'; readonly by: number }
  | { readonly kind: 'demote' }

const caOf = (grant: number): string => grant.toString(16).padStart(64, 'c')

/** Five machines, one plan, one etcd for each grant. Throws where an invariant of protocol 3 is broken. */
export class World {
  plan: ClusterPlan = planOf({ grant: { number: 1, team: ['n1', 'n2', 'n3'] } })
  readonly machines = new Map<NodeId, Machine>(
    nodes.map((node) => [
      node,
      {
        record: undefined,
        disk: { ca: undefined, memberId: '', dataGrant: undefined, files: '' },
        unit: undefined,
        access: '',
        secrets: undefined,
      },
    ]),
  )
  readonly statements = new Map<number, InitialisedStatement>()
  /** etcd of each grant, as its members agreed on it. */
  readonly etcd = new Map<number, EtcdMember[]>()
  readonly activeGrants: number[] = []
  cleared = 0
  #nextMember = 1

  get grant(): Grant {
    return this.plan.header.grant ?? { number: 0, team: [] }
  }

  observe(node: NodeId): K3sObservation {
    const { disk, unit, access } = this.machine(node)
    const members = disk.dataGrant === undefined ? undefined : this.etcd.get(disk.dataGrant)
    const listed = members?.some((member) => member.id === disk.memberId) === true
    const serves = unit !== undefined && unit !== 'agent' && listed
    return {
      installed: true,
      version: 'v1',
      unit: unit === undefined ? 'stopped' : 'running',
      detail: '',
      apiAnswers: serves,
      ready: unit === 'agent' || serves,
      hasEtcdData: disk.dataGrant !== undefined,
      tombstone: disk.dataGrant !== undefined && !listed,
      caHash: disk.ca === undefined ? '' : caOf(disk.ca),
      configured: disk.files,
      access,
      members: serves ? members : undefined,
    }
  }

  /** One look and one step of a machine; with `crash` it dies after persisting and before acting. */
  turn(node: NodeId, crash: boolean): void {
    const machine = this.machine(node)
    const decision = decideK3s({
      self: node,
      plan: this.plan,
      activeGrants: this.activeGrants,
      record: machine.record,
      observation: this.observe(node),
      initialised: this.statements.get(this.grant.number),
      secrets: machine.secrets,
      lists: nodes.flatMap((from) => {
        const { members } = this.observe(from)
        return members === undefined ? [] : [{ from, generation: this.plan.header.generation, members }]
      }),
      overlayUp: true,
      aliveNodes: nodes,
      haltedServers: [],
      peers: [],
      busy: false,
      now: 0,
    })
    invariant(decision.steps.length <= 1, 'one step at a time')
    machine.record = decision.record
    if (crash) {
      machine.unit = undefined
      machine.secrets = undefined
      return
    }
    const stated = decision.say.initialised
    if (stated !== undefined) this.statements.set(stated.grant, statementOf(stated.grant, stated.caHash))
    if (decision.say.ready !== undefined) this.activate()
    const [asked] = decision.needSecretsFrom
    if (asked !== undefined) machine.secrets = this.secretsOf(asked)
    const [step] = decision.steps
    if (step !== undefined) this.carryOut(node, machine, step)
  }

  carryOut(node: NodeId, machine: Machine, step: K3sStep): void {
    const { disk } = machine
    switch (step.kind) {
      case 'make-authority': {
        invariant(this.grant.team[0] === node, 'S3: only the initialiser makes the CA')
        disk.ca = step.grant
        const secrets = { caHash: caOf(step.grant), serverPassword: 's', agentPassword: 'w' }
        machine.secrets = { grant: step.grant, secrets }
        return
      }
      case 'start':
        this.mayStart(node, machine, step.role)
        disk.files = fingerprintOf(step.files)
        machine.access = accessKeyOf(step.allow)
        machine.unit = step.role
        invariant(this.plan.header.phase === 'active' || step.allow !== 'all', 'S14: open before active')
        this.run(node, machine, step.role)
        return
      case 'configure':
        disk.files = fingerprintOf(step.files)
        machine.access = accessKeyOf(step.allow)
        return
      case 'stop':
        machine.unit = undefined
        return
      case 'clear':
        this.mayClear(disk)
        this.cleared += 1
        machine.unit = undefined
        machine.disk = { ca: undefined, memberId: '', dataGrant: undefined, files: '' }
        return
      case 'remove-member':
        this.remove(step.memberId)
    }
  }

  mayStart(node: NodeId, { record, disk }: Machine, role: K3sRole): void {
    const { number, team } = this.grant
    if (role === 'server-init') {
      invariant(this.plan.header.phase === 'granted', 'S3: init outside of a grant')
      invariant(team[0] === node, 'S3: init by another')
      invariant(record?.grant === number, 'S3: init under an older grant')
      invariant(!this.statements.has(number), 'S3: init again under a stated grant')
    } else if (disk.dataGrant === undefined) {
      const caHash = this.statements.get(number)?.caHash
      invariant(caHash !== undefined && record?.secrets?.caHash === caHash, 'S5: joins another CA')
    }
    invariant(disk.dataGrant === undefined || disk.dataGrant === number, 'S4: data of another grant')
    invariant(disk.ca === undefined || disk.ca === number, 'S4: CA of another grant')
  }

  mayClear({ dataGrant, memberId }: Disk): void {
    if (dataGrant === undefined) return
    const revoked = dataGrant < this.grant.number && !this.activeGrants.includes(dataGrant)
    const absent = this.etcd.get(dataGrant)?.every((member) => member.id !== memberId) ?? true
    invariant(revoked || absent, 'S13: data put away without a reason')
  }

  /** What k3s and etcd do once they run: make a cluster, or join and be promoted. */
  run(node: NodeId, { disk, record }: Machine, role: K3sRole): void {
    if (role === 'agent' || disk.dataGrant !== undefined || record === undefined) return
    const id = (this.#nextMember++).toString(16)
    const member = { id, name: `node-${node}-${id}`, address: addressOf(node), learner: false }
    const members = role === 'server-init' ? [] : this.etcd.get(record.grant)
    if (members === undefined) return
    this.etcd.set(
      record.grant,
      [...members, member].toSorted((a, b) => (a.id < b.id ? -1 : 1)),
    )
    Object.assign(disk, { ca: record.grant, dataGrant: record.grant, memberId: id })
  }

  activate(): void {
    if (this.plan.header.phase === 'active') return
    const { number } = this.grant
    this.activeGrants.push(number)
    this.advance({ phase: 'active' }, [...this.grant.team], caOf(number))
  }

  revoke(by: number): void {
    if (this.plan.header.phase === 'active') return
    const team = [0, 1, 2].map((offset) => nodes[(by + offset) % nodes.length] ?? '')
    const number = this.plan.header.generation + 1
    this.advance({ grant: { number, team } }, team, '')
  }

  /** An active cluster takes the role of its last server away and opens the removal. */
  demote(): void {
    const { phase, openChange } = this.plan.header
    const servers = this.plan.body.assignments.filter((assignment) => assignment.role === 'control-plane')
    const last = servers.at(-1)
    if (phase !== 'active' || openChange !== null || servers.length < 3 || last === undefined) return
    const listed = this.etcd.get(this.grant.number)?.find((member) => member.address === last.address4)
    if (listed === undefined) return
    const rest = servers.slice(0, -1).map((server) => server.nodeId)
    const change = { kind: 'remove', node: last.nodeId, etcdMemberId: listed.id } as const
    this.advance({ phase, openChange: change }, rest, this.plan.body.caHash)
  }

  remove(memberId: string): void {
    const members = this.etcd.get(this.grant.number) ?? []
    this.etcd.set(
      this.grant.number,
      members.filter((member) => member.id !== memberId),
    )
  }

  advance(header: Partial<ClusterPlan['header']>, servers: readonly NodeId[], caHash: string): void {
    const { grant, generation } = this.plan.header
    this.plan = planOf({ grant, ...header, generation: generation + 1 }, servers, caHash)
  }

  secretsOf(node: NodeId): Machine['secrets'] {
    const { record } = this.machine(node)
    if (record === undefined || record.secrets === null) return undefined
    return { grant: record.grant, secrets: record.secrets }
  }

  machine(node: NodeId): Machine {
    const machine = this.machines.get(node)
    if (machine === undefined) throw new Error(`no machine ${node}`)
    return machine
  }

  apply(event: Event): void {
    switch (event.kind) {
      case 'turn':
        this.turn(event.node, event.crash)
        return
      case 'crash':
        this.machine(event.node).unit = undefined
        this.machine(event.node).secrets = undefined
        return
      case 'wipe':
        // The k3s data of a machine are lost; its record, on another filesystem, is not.
        this.machine(event.node).unit = undefined
        this.machine(event.node).disk = { ca: undefined, memberId: '', dataGrant: undefined, files: '' }
        return
      case 'revoke':
        this.revoke(event.by)
        return
      case 'demote':
        this.demote()
    }
  }

  settle(): void {
    for (let round = 0; round < 30; round++) for (const node of nodes) this.turn(node, false)
  }
}
