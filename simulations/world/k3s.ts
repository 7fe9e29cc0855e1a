import { accessKeyOf, configPath, fingerprintOf, tokenPath } from '../../src/core/k3s/files.ts'
import type { K3sObservation, K3sStep, K3sStepResult } from '../../src/core/k3s/types.ts'
import type { EtcdMember } from '../../src/core/model/statement.ts'
import type { Etcd, K3sSurroundings, Member, Place } from './k3s-parts.ts'
import { taggedDigest } from './tagged-crypto.ts'

// A small model of k3s and etcd, after the rules that simulations/k3s-contract cites from their sources:
//  * a database on disk decides: `cluster-init` and `server` are read only where there is none;
//  * a full token pins the CA: a joiner refuses a server with another one;
//  * a server joins as a learner; etcd has one learner at a time, refuses a node name that it lists, and a change that
//    its own voters could not carry (strict reconfiguration, etcd 3.6);
//  * the leader promotes a learner that has caught up, and k3s evicts one without progress for five minutes;
//  * a removed member writes a tombstone and stops; the unit does not start while there is one.

/** k3s gives a start that failed another try after this (Restart=always, RestartSec=5s). */
const restartMs = 5_000
/** A learner without progress is evicted after this (k3s, etcd.go). */
const learnerEvictMs = 300_000
/** A learner has caught up so long after it started. */
const catchUpMs = 2_000

/** k3s and etcd of the whole site. */
export class K3sSite {
  readonly #around: K3sSurroundings
  readonly #places: Place[] = []
  readonly etcds = new Map<string, Etcd>()
  #serial = 0
  #ticking = false

  constructor(around: K3sSurroundings) {
    this.#around = around
  }

  /** CA on a machine's disk; empty: none. */
  authorityOf(machine: number): string {
    return this.#place(machine).authority
  }

  /** What lies on a machine, for the checkers. */
  placeOf(machine: number): Readonly<Place> {
    return this.#place(machine)
  }

  /** Whether a server's API answers on this machine, whoever may reach it. */
  serves(machine: number): boolean {
    const place = this.#place(machine)
    return place.unit === 'running' && place.role !== 'agent' && this.#isReady(machine, place)
  }

  /** Power off: what runs stops, rules of the packet filter are gone. */
  powerOff(machine: number): void {
    const place = this.#place(machine)
    place.run += 1
    place.access = undefined
    if (place.unit === 'running' || place.unit === 'starting') place.unit = 'stopped'
    this.#memberStops(place)
  }

  /** An empty disk. */
  wipe(machine: number): void {
    const { run } = this.#place(machine)
    this.#places[machine] = { ...freshPlace(), run: run + 1 }
  }

  /** Another machine's disk, k3s data included. */
  copy(from: number, to: number): void {
    const { run } = this.#place(to)
    const source = this.#place(from)
    this.#places[to] = {
      ...source,
      made: new Map(source.made),
      run: run + 1,
      access: undefined,
      unit: source.unit === 'absent' ? 'absent' : 'stopped',
      registered: false,
    }
  }

  /** Carries out one step. Throws nothing. */
  run(machine: number, step: K3sStep): K3sStepResult {
    const place = this.#place(machine)
    switch (step.kind) {
      case 'make-authority': {
        const authority = place.made.get(step.grant) ?? this.#name(`ca/${machine}/${step.grant}`)
        place.made.set(step.grant, authority)
        place.authority = authority
        const secrets = { caHash: authority, serverPassword: 's', agentPassword: 'a' }
        return { kind: 'authority', grant: step.grant, secrets }
      }
      case 'configure':
        place.access = step.allow
        place.files = fingerprintOf(step.files)
        this.#readFiles(place, step.files)
        break
      case 'start':
        return this.#startStep(machine, place, step)
      case 'stop':
        this.#stop(machine, place)
        break
      case 'clear':
        this.#stop(machine, place)
        this.#around.tell({ machine, what: 'cleared', detail: step.reason, etcd: this.#etcdOf(place) })
        place.etcd = undefined
        place.tombstone = false
        place.authority = ''
        // Its certificates and its list of servers went as well.
        place.registered = false
        place.made.clear()
        place.files = ''
        place.unit = 'absent'
        break
      case 'remove-member':
        return this.#remove(machine, place, step.memberId)
    }
    return { kind: 'done', step: step.kind }
  }

  observe(machine: number): K3sObservation {
    const place = this.#place(machine)
    const server = place.unit === 'running' && place.role !== 'agent'
    const ready = place.unit === 'running' && this.#isReady(machine, place)
    const etcd = this.#etcdOf(place)
    const quorum = server && etcd !== undefined && this.#hasQuorum(etcd, machine)
    return {
      installed: true,
      version: 'v1',
      unit: place.unit,
      detail: place.detail,
      apiAnswers: server ? ready : place.registered,
      ready: server ? ready && quorum : ready && place.registered,
      hasEtcdData: place.etcd !== undefined,
      tombstone: place.tombstone,
      caHash: place.authority,
      configured: place.files,
      access: place.access === undefined ? '' : accessKeyOf(place.access),
      members: quorum && ready ? listed(etcd) : undefined,
    }
  }

  /** Whether this machine could read or change etcd now. */
  hasQuorum(etcd: Etcd, machine: number): boolean {
    return this.#hasQuorum(etcd, machine)
  }

  #startStep(machine: number, place: Place, step: Extract<K3sStep, { kind: 'start' }>): K3sStepResult {
    place.access = step.allow
    const files = fingerprintOf(step.files)
    const changed = files !== place.files
    const sameUnit = place.role !== undefined && (place.role === 'agent') === (step.role === 'agent')
    place.files = files
    this.#readFiles(place, step.files)
    const runs = place.unit === 'running' || place.unit === 'starting'
    place.role = step.role
    if (runs && sameUnit && !changed && !step.restart) return { kind: 'done', step: 'start' }
    this.#stop(machine, place)
    place.unit = 'starting'
    this.#start(machine, place)
    return { kind: 'done', step: 'start' }
  }

  #readFiles(place: Place, files: readonly { readonly path: string; readonly content: string }[]): void {
    const config = files.find((file) => file.path === configPath)?.content ?? ''
    place.server = /^server: "https:\/\/\[?([^"\]]*?)\]?:\d+"$/m.exec(config)?.[1] ?? ''
    place.token = /initial-cluster-token=([^"]*)/.exec(config)?.[1] ?? ''
    place.pin = /^K10(.*?)::/.exec(files.find((file) => file.path === tokenPath)?.content ?? '')?.[1] ?? ''
  }

  /** The unit starts, and starts again whenever it fails, until somebody stops it. */
  #start(machine: number, place: Place): void {
    const run = ++place.run
    const { timeline, random, startMs } = this.#around
    if (place.tombstone) {
      place.unit = 'stopped'
      place.detail = 'a tombstone forbids the start'
      return
    }
    const again = (ms: number, job: () => void): void =>
      timeline.after(ms, () => {
        if (place.run === run && this.#places[machine] === place && this.#around.powered(machine)) job()
      })
    const attempt = (): void => {
      if (this.#around.hangs(machine)) return again(restartMs, attempt)
      const trouble = place.role === 'agent' ? this.#register(machine, place) : this.#enter(machine, place)
      place.detail = trouble ?? ''
      if (place.tombstone) {
        place.unit = 'stopped'
        return
      }
      if (trouble !== undefined) return again(restartMs, attempt)
      place.unit = 'running'
      place.readyAt = timeline.now + random.between(...startMs)
      this.#around.tell({ machine, what: 'running', detail: place.role ?? '', etcd: this.#etcdOf(place) })
    }
    again(random.between(50, 300), attempt)
  }

  /** A server: resumes its database, makes a new one, or joins one. Why not, if it cannot. */
  #enter(machine: number, place: Place): string | undefined {
    const { timeline } = this.#around
    const address = this.#around.addressOf(machine)
    if (place.etcd !== undefined) {
      const etcd = this.etcds.get(place.etcd.key) as Etcd
      if (etcd.removed.has(place.etcd.memberId)) {
        if (!this.#anyVoterReachable(etcd, machine)) return 'etcd does not answer'
        place.tombstone = true
        this.#around.tell({ machine, what: 'tombstone', detail: place.etcd.memberId, etcd })
        return 'this member was removed'
      }
      const member = etcd.members.find((one) => one.id === place.etcd?.memberId)
      if (member === undefined) return 'etcd does not know this member'
      member.name = `m${member.machine}`
      member.since = timeline.now
      member.progressAt = timeline.now
      return undefined
    }
    if (place.role === 'server-init' || place.server === '') {
      const authority = place.authority === '' ? this.#name(`ca/${machine}`) : place.authority
      place.authority = authority
      const key = this.#name(`etcd/${machine}`)
      const member = this.#newMember(machine, address, false)
      member.since = timeline.now
      const etcd = {
        key,
        authority,
        token: place.token,
        madeBy: machine,
        members: [member],
        removed: new Set<string>(),
      }
      this.etcds.set(key, etcd)
      place.etcd = { key, memberId: member.id }
      this.#around.tell({ machine, what: 'cluster made', detail: key.slice(0, 8), etcd })
      this.#keepTicking()
      return undefined
    }
    const trouble = this.#join(machine, place, address)
    if (trouble !== undefined) {
      this.#around.tell({ machine, what: 'join refused', detail: trouble, etcd: undefined })
    }
    return trouble
  }

  #join(machine: number, place: Place, address: string): string | undefined {
    const server = this.#serverAt(machine, place.server)
    if (typeof server === 'string') return server
    const { etcd } = server
    if (place.pin !== etcd.authority) return 'token CA hash does not match the cluster'
    if (place.authority !== '' && place.authority !== etcd.authority) return 'other CA files are on this disk'
    if (!this.#hasQuorum(etcd, server.machine)) return 'etcd has no leader'
    if (etcd.members.some((member) => member.address === address)) return 'duplicate node name found'
    if (etcd.members.some((member) => member.learner)) return 'too many learner members in cluster'
    const voters = etcd.members.filter((member) => !member.learner)
    const connected = this.#connected(etcd, server.machine)
    const need = voters.length === 1 ? 1 : quorum(voters.length + 1)
    if (connected < need) return 'unhealthy cluster'
    const member = this.#newMember(machine, address, true)
    member.since = this.#around.timeline.now
    etcd.members = [...etcd.members, member]
    place.authority = etcd.authority
    place.etcd = { key: etcd.key, memberId: member.id }
    this.#around.tell({ machine, what: 'joined', detail: member.id, etcd })
    this.#keepTicking()
    return undefined
  }

  /** An agent: registers with the server that it is told, or with any that it once knew. */
  #register(machine: number, place: Place): string | undefined {
    const server = this.#serverAt(machine, place.server)
    if (typeof server === 'string' && !place.registered) return server
    if (typeof server !== 'string' && place.pin !== server.etcd.authority) {
      return 'token CA hash does not match the cluster'
    }
    if (typeof server !== 'string') place.authority = server.etcd.authority
    place.registered = true
    return undefined
  }

  #serverAt(machine: number, address: string): { machine: number; etcd: Etcd } | string {
    for (const [index, place] of this.#places.entries()) {
      if (place === undefined || index === machine || !this.#around.powered(index)) continue
      if (this.#around.addressOf(index) !== address || !this.serves(index)) continue
      if (!this.#around.reaches(machine, index)) return 'the server does not answer'
      const { access } = place
      if (access !== undefined && access !== 'all' && !access.includes(this.#around.addressOf(machine))) {
        return 'the server does not answer'
      }
      const etcd = this.#etcdOf(place)
      if (etcd !== undefined) return { machine: index, etcd }
    }
    return 'the server does not answer'
  }

  #remove(machine: number, place: Place, memberId: string): K3sStepResult {
    const etcd = this.#etcdOf(place)
    const failed = (detail: string): K3sStepResult => {
      this.#around.tell({ machine, what: 'removal refused', detail, etcd })
      return { kind: 'failed', step: 'remove-member', detail }
    }
    if (etcd === undefined || !this.serves(machine)) return failed('etcd does not answer')
    if (!this.#hasQuorum(etcd, machine)) return failed('etcd has no leader')
    const member = etcd.members.find((one) => one.id === memberId)
    if (member === undefined) return { kind: 'done', step: 'remove-member' }
    if (!member.learner) {
      const left = etcd.members.filter((one) => !one.learner && one !== member)
      const started = left.filter(
        (one) => this.#runs(one) && this.#around.reaches(machine, one.machine),
      ).length
      if (started < quorum(left.length))
        return failed('re-configuration failed due to not enough started members')
    }
    this.#drop(etcd, member)
    this.#around.tell({ machine, what: 'removed', detail: memberId, etcd })
    return { kind: 'done', step: 'remove-member' }
  }

  #drop(etcd: Etcd, member: Member): void {
    etcd.members = etcd.members.filter((one) => one !== member)
    etcd.removed.add(member.id)
    this.#bury(etcd, member)
  }

  /** A removed member that runs learns it from the first voter that it reaches, writes its tombstone and stops. */
  #bury(etcd: Etcd, member: Member): void {
    const place = this.#place(member.machine)
    if (place.etcd?.memberId !== member.id || place.unit !== 'running') return
    if (!this.#anyVoterReachable(etcd, member.machine))
      return this.#around.timeline.after(restartMs, () => this.#bury(etcd, member))
    place.tombstone = true
    this.#around.tell({ machine: member.machine, what: 'tombstone', detail: member.id, etcd })
    this.#stop(member.machine, place)
  }

  /** etcd's leader promotes learners that have caught up and evicts those that do not move. */
  #keepTicking(): void {
    if (this.#ticking) return
    this.#ticking = true
    const tick = (): void => {
      this.#ticking = false
      for (const etcd of this.etcds.values()) this.#tick(etcd)
      if ([...this.etcds.values()].some((etcd) => etcd.members.some((member) => member.learner))) {
        this.#keepTicking()
      }
    }
    this.#around.timeline.after(this.#around.promoteMs, tick)
  }

  #tick(etcd: Etcd): void {
    const { now } = this.#around.timeline
    const learner = etcd.members.find((member) => member.learner)
    if (learner === undefined) return
    const leader = etcd.members.find(
      (member) => !member.learner && this.#runs(member) && this.#hasQuorum(etcd, member.machine),
    )
    if (leader === undefined) return
    const runs = this.#runs(learner) && this.#around.reaches(leader.machine, learner.machine)
    if (runs && learner.since !== undefined && now >= learner.since + catchUpMs) {
      learner.learner = false
      learner.name = `m${learner.machine}`
      this.#around.tell({ machine: learner.machine, what: 'promoted', detail: learner.id, etcd })
    } else if (runs) {
      learner.progressAt = now
    } else if (now >= learner.progressAt + learnerEvictMs) {
      this.#drop(etcd, learner)
      this.#around.tell({ machine: learner.machine, what: 'evicted', detail: learner.id, etcd })
    }
  }

  #stop(machine: number, place: Place): void {
    place.run += 1
    this.#memberStops(place)
    if (place.unit === 'running') {
      this.#around.tell({ machine, what: 'stopped', detail: place.role ?? '', etcd: this.#etcdOf(place) })
    }
    if (place.unit !== 'absent') place.unit = 'stopped'
  }

  #memberStops(place: Place): void {
    const member = this.#etcdOf(place)?.members.find((one) => one.id === place.etcd?.memberId)
    if (member !== undefined) member.since = undefined
  }

  #isReady(machine: number, place: Place): boolean {
    return this.#around.timeline.now >= place.readyAt && this.#around.powered(machine)
  }

  #runs(member: Member): boolean {
    return member.since !== undefined && this.#around.powered(member.machine)
  }

  #connected(etcd: Etcd, from: number): number {
    return etcd.members.filter(
      (member) =>
        !member.learner &&
        this.#runs(member) &&
        (member.machine === from || this.#around.reaches(from, member.machine)),
    ).length
  }

  #hasQuorum(etcd: Etcd, from: number): boolean {
    const voters = etcd.members.filter((member) => !member.learner).length
    return this.#connected(etcd, from) >= quorum(voters)
  }

  #anyVoterReachable(etcd: Etcd, from: number): boolean {
    return etcd.members.some(
      (member) => !member.learner && this.#runs(member) && this.#around.reaches(from, member.machine),
    )
  }

  #newMember(machine: number, address: string, learner: boolean): Member {
    const id = this.#name(`member/${machine}`).slice(0, 16)
    const { now } = this.#around.timeline
    return { id, machine, address, name: `m${machine}`, learner, since: undefined, progressAt: now }
  }

  #etcdOf(place: Place): Etcd | undefined {
    return place.etcd === undefined ? undefined : this.etcds.get(place.etcd.key)
  }

  #name(what: string): string {
    return taggedDigest('k3s', { what, serial: this.#serial++ })
  }

  #place(machine: number): Place {
    return (this.#places[machine] ??= freshPlace())
  }
}

function freshPlace(): Place {
  return {
    authority: '',
    made: new Map(),
    etcd: undefined,
    tombstone: false,
    files: '',
    role: undefined,
    server: '',
    pin: '',
    token: '',
    access: undefined,
    unit: 'absent',
    readyAt: 0,
    detail: '',
    run: 0,
    registered: false,
  }
}

function quorum(voters: number): number {
  return Math.floor(voters / 2) + 1
}

function listed(etcd: Etcd): readonly EtcdMember[] {
  return etcd.members
    .map(({ id, name, address, learner }) => ({ id, name, address, learner }))
    .toSorted((a, b) => (a.id < b.id ? -1 : 1))
}
