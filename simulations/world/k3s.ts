import { accessKeyOf, fingerprintOf } from '../../src/core/k3s/files.ts'
import type { FileIntent, K3sObservation, K3sRole, K3sStep, K3sStepResult } from '../../src/core/k3s/types.ts'
import type { Random } from '../../src/core/model/random.ts'
import type { Plan } from '../plan/plan.ts'
import { Etcd } from './etcd.ts'

/** What k3s left on a disk, and what runs of it. */
interface K3sDisk {
  role: K3sRole | undefined
  /** Since when the unit runs; undefined: it does not. */
  startedAt: number | undefined
  readyAfterMs: number
  /** CA on the disk; empty: none. */
  authority: string
  /** etcd data: the cluster that they belong to and the member that they are. */
  data: { readonly etcd: Etcd; readonly memberId: string } | undefined
  files: readonly FileIntent[]
  access: string
  open: boolean
  tombstone: boolean
  detail: string
  hung: boolean
  /** The reply of a step is lost: it was done, and looks failed. */
  authorities: Map<number, string>
}

/** What k3s meets in the world around it. */
export interface K3sSurroundings {
  readonly now: () => number
  readonly random: Random
  readonly plan: Plan['k3s']
  /** Whether two machines have power and reach each other. */
  reaches(a: number, b: number): boolean
  /** Machine that holds an overlay address; undefined: none does now. */
  machineAt(address: string): number | undefined
  /** Own overlay address of a machine, as it was told. */
  addressOf(machine: number): string
  note(machine: number, what: string, text: string): void
}

/** k3s on every machine of a site: existing data win over flags, a CA is pinned, etcd has the last word. */
export class K3sWorld {
  readonly #around: K3sSurroundings
  #disks = new Map<number, K3sDisk>()
  readonly etcds: Etcd[] = []

  constructor(around: K3sSurroundings) {
    this.#around = around
  }

  disk(machine: number): K3sDisk {
    let held = this.#disks.get(machine)
    if (held === undefined) this.#disks.set(machine, (held = emptyDisk()))
    return held
  }

  /** The machine has power again: its unit starts what was there, unless etcd had removed the member. */
  boot(machine: number): void {
    const disk = this.disk(machine)
    if (disk.role !== undefined && !disk.tombstone) this.#startUnit(disk)
  }

  powerOff(machine: number): void {
    this.disk(machine).startedAt = undefined
  }

  wipe(machine: number): void {
    this.#disks.delete(machine)
  }

  run(machine: number, step: K3sStep): K3sStepResult {
    const { random, plan } = this.#around
    if (random.unit() < plan.failure) return { kind: 'failed', step: step.kind, detail: 'it did not work' }
    const result = this.#do(machine, step)
    const lost = random.unit() < plan.lostReply
    return lost ? { kind: 'failed', step: step.kind, detail: 'timed out' } : result
  }

  observe(machine: number): K3sObservation {
    this.#advance(machine)
    const disk = this.disk(machine)
    const { data } = disk
    const up = this.#isUp(machine)
    const server = up && disk.role !== 'agent'
    const quorum = server && data !== undefined && this.#hasQuorum(data.etcd, machine)
    const running = disk.startedAt !== undefined
    return {
      installed: true,
      version: 'v1',
      unit: running ? (up ? 'running' : 'starting') : disk.role === undefined ? 'absent' : 'stopped',
      detail: disk.detail,
      apiAnswers: quorum,
      ready: server ? quorum : up && this.#agentRegistered(machine, disk),
      hasEtcdData: data !== undefined,
      tombstone: disk.tombstone,
      caHash: disk.authority,
      members: quorum ? data.etcd.list() : undefined,
      configured: fingerprintOf(disk.files),
      access: disk.access,
    }
  }

  #do(machine: number, step: K3sStep): K3sStepResult {
    const disk = this.disk(machine)
    switch (step.kind) {
      case 'make-authority': {
        const { random } = this.#around
        const made = disk.authorities.get(step.grant) ?? hex(random)
        disk.authorities.set(step.grant, made)
        disk.authority = made
        const secrets = { caHash: made, serverPassword: `server ${made}`, agentPassword: `agent ${made}` }
        return { kind: 'authority', grant: step.grant, secrets }
      }
      case 'configure':
      case 'start': {
        const changed = fingerprintOf(disk.files) !== fingerprintOf(step.files)
        disk.files = step.files
        disk.access = accessKeyOf(step.allow)
        disk.open = step.allow === 'all'
        if (step.kind === 'configure') break
        if (disk.tombstone) return { kind: 'failed', step: 'start', detail: 'there is a tombstone' }
        const restart = changed || step.restart || disk.startedAt === undefined || disk.role !== step.role
        disk.role = step.role
        if (restart) this.#startUnit(disk)
        break
      }
      case 'stop':
        disk.startedAt = undefined
        break
      case 'clear':
        this.#disks.set(machine, emptyDisk())
        break
      case 'remove-member': {
        const { data } = disk
        if (data === undefined || !this.#isUp(machine)) {
          return { kind: 'failed', step: step.kind, detail: 'etcd does not run here' }
        }
        const answer = data.etcd.remove(step.memberId, (other) => this.#serves(other, data.etcd, machine))
        if (!answer.ok) {
          this.#around.note(machine, 'etcd refused', answer.why)
          return { kind: 'failed', step: step.kind, detail: answer.why }
        }
        this.#around.note(machine, 'etcd removed a member', step.memberId)
      }
    }
    return { kind: 'done', step: step.kind }
  }

  #startUnit(disk: K3sDisk): void {
    const { random, plan, now } = this.#around
    disk.startedAt = now()
    disk.readyAfterMs = Math.round(random.between(plan.startMs[0], plan.startMs[1]))
    disk.detail = ''
  }

  /** What happens between two looks: first start, joining, promotion, removal by others. */
  #advance(machine: number): void {
    const disk = this.disk(machine)
    if (!this.#isUp(machine)) return
    if (disk.role === 'agent') return
    if (disk.data === undefined) this.#found(machine, disk)
    const { data } = disk
    if (data === undefined) return
    data.etcd.pass(this.#around.now(), (other) => this.#serves(other, data.etcd, machine))
    if (data.etcd.has(data.memberId)) return
    // A removed member hears of it from any other, and never serves again from these data.
    const heard = data.etcd
      .machines()
      .some((other) => other !== machine && this.#serves(other, data.etcd, machine))
    if (!heard) return
    disk.tombstone = true
    disk.startedAt = undefined
    disk.detail = 'etcd removed this member'
    this.#around.note(machine, 'tombstone', data.memberId)
  }

  /** First start without data: `cluster-init` makes a new etcd, `server` joins the one it is pointed to. */
  #found(machine: number, disk: K3sDisk): void {
    const { now, addressOf, note } = this.#around
    const address = addressOf(machine)
    const config = disk.files.map((file) => file.content).join('\n')
    const name = /node-name: "([^"]+)"/.exec(config)?.[1] ?? `machine${machine}`
    if (disk.role === 'server-init') {
      const etcd = new Etcd(`e${this.etcds.length}`, disk.authority)
      this.etcds.push(etcd)
      const added = etcd.add({ machine, name, address }, now(), () => true)
      if (added.ok) disk.data = { etcd, memberId: added.id }
      note(machine, 'etcd began', etcd.name)
      return
    }
    const server = /server: "https:\/\/([0-9.]+):/.exec(config)?.[1] ?? ''
    const target = this.#around.machineAt(server)
    const there = target === undefined ? undefined : this.disk(target).data
    if (target === undefined || there === undefined || !this.#serves(target, there.etcd, machine)) {
      disk.detail = `no server answers at ${server}`
      return
    }
    const pinned = /K10([0-9a-f]{64})/.exec(config)?.[1]
    if (pinned !== undefined && pinned !== there.etcd.authority) {
      disk.detail = 'the CA of the server is not the one in the token'
      note(machine, 'CA refused', server)
      return
    }
    const added = there.etcd.add({ machine, name: `${name}-${machine}`, address }, now(), (other) =>
      this.#serves(other, there.etcd, target),
    )
    if (!added.ok) {
      disk.detail = added.why
      note(machine, 'join refused', added.why)
      return
    }
    disk.authority = there.etcd.authority
    disk.data = { etcd: there.etcd, memberId: added.id }
    note(machine, 'etcd member added', added.id)
  }

  #agentRegistered(machine: number, disk: K3sDisk): boolean {
    const config = disk.files.map((file) => file.content).join('\n')
    const server = /server: "https:\/\/([0-9.]+):/.exec(config)?.[1] ?? ''
    const target = this.#around.machineAt(server)
    return target !== undefined && this.#around.reaches(machine, target) && this.disk(target).open
  }

  #hasQuorum(etcd: Etcd, seenFrom: number): boolean {
    return etcd.hasQuorum((machine) => this.#serves(machine, etcd, seenFrom))
  }

  /** Whether this machine runs a member of that etcd and can be reached. */
  #serves(machine: number, etcd: Etcd, from: number): boolean {
    const disk = this.disk(machine)
    return disk.data?.etcd === etcd && this.#isUp(machine) && this.#around.reaches(from, machine)
  }

  #isUp(machine: number): boolean {
    const { startedAt, readyAfterMs, hung } = this.disk(machine)
    return startedAt !== undefined && !hung && this.#around.now() >= startedAt + readyAfterMs
  }
}

function emptyDisk(): K3sDisk {
  return {
    role: undefined,
    startedAt: undefined,
    readyAfterMs: 0,
    authority: '',
    data: undefined,
    files: [],
    access: '',
    open: false,
    tombstone: false,
    detail: '',
    hung: false,
    authorities: new Map(),
  }
}

function hex(random: Random): string {
  return Array.from({ length: 8 }, () => random.next().toString(16).padStart(8, '0')).join('')
}
