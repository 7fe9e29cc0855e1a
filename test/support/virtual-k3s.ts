import { createHash } from 'node:crypto'
import { accessKeyOf, fingerprintOf } from '../../src/core/k3s/files.ts'
import type { K3sObservation, K3sRole, K3sStep, K3sStepResult } from '../../src/core/k3s/types.ts'
import type { EtcdMember } from '../../src/core/model/statement.ts'

/** A server is ready so long after its start. */
const startMs = 3_000

interface Disk {
  role: K3sRole | undefined
  startedAt: number
  authority: string
  configured: string
  access: string
}

interface Member {
  readonly host: number
  readonly listed: EtcdMember
}

/** What a step needs to know of the host that runs it. */
export interface K3sPlace {
  readonly host: number
  readonly address: string
  /** The CA that the newest plan or the initialiser's machine holds. */
  readonly authority: string
  readonly now: number
}

/**
 * k3s and etcd of a virtual site, as far as the core looks at them: one etcd for each CA, a quorum of running
 * machines, data that outlive a power cut. Members never catch up and never lose data.
 */
export class VirtualK3s {
  readonly #disks = new Map<number, Disk>()
  readonly #etcds = new Map<string, Member[]>()
  readonly #powered: (host: number) => boolean

  constructor(powered: (host: number) => boolean) {
    this.#powered = powered
  }

  /** CA on a host's disk; empty: none. */
  authorityOf(host: number): string {
    return this.#disk(host).authority
  }

  /** Every CA under which an etcd was ever begun. */
  get authorities(): readonly string[] {
    return [...this.#etcds.keys()]
  }

  /** The machine has power again: its unit starts what was there. */
  boot(host: number, now: number): void {
    this.#disk(host).startedAt = now
  }

  run(step: K3sStep, place: K3sPlace): K3sStepResult {
    const disk = this.#disk(place.host)
    switch (step.kind) {
      case 'make-authority':
        disk.authority = digest(`ca ${place.host} ${step.grant}`)
        return {
          kind: 'authority',
          grant: step.grant,
          secrets: { caHash: disk.authority, serverPassword: 's', agentPassword: 'a' },
        }
      case 'configure':
      case 'start':
        disk.configured = fingerprintOf(step.files)
        disk.access = accessKeyOf(step.allow)
        if (step.kind === 'start') this.#start(disk, step.role, place)
        break
      case 'stop':
        disk.role = undefined
        break
      case 'clear':
        this.#disks.delete(place.host)
        break
      case 'remove-member': {
        const members = this.#etcds.get(disk.authority) ?? []
        const left = members.filter(({ listed }) => listed.id !== step.memberId)
        this.#etcds.set(disk.authority, left)
        break
      }
    }
    return { kind: 'done', step: step.kind }
  }

  observe(host: number, now: number): K3sObservation {
    const disk = this.#disk(host)
    const running = disk.role !== undefined
    const server = running && disk.role !== 'agent'
    const members = this.#etcds.get(disk.authority) ?? []
    const alive = members.filter((member) => this.#powered(member.host) && this.#isServing(member.host))
    const ready = running && now >= disk.startedAt + startMs
    const quorum = server && ready && alive.length * 2 > members.length
    return {
      installed: true,
      version: 'v1',
      unit: running ? 'running' : 'absent',
      detail: '',
      apiAnswers: quorum,
      ready: server ? quorum : ready,
      hasEtcdData: server,
      tombstone: false,
      caHash: disk.authority,
      members: quorum ? members.map(({ listed }) => listed) : undefined,
      configured: disk.configured,
      access: disk.access,
    }
  }

  #start(disk: Disk, role: K3sRole, place: K3sPlace): void {
    if (role !== 'server-init') disk.authority = place.authority
    disk.role = role
    disk.startedAt = place.now
    if (role === 'agent') return
    const members = this.#etcds.get(disk.authority) ?? []
    this.#etcds.set(disk.authority, members)
    if (members.some(({ listed }) => listed.address === place.address)) return
    const id = digest(`member ${place.host} ${place.now}`).slice(0, 16)
    const { address, host } = place
    members.push({ host, listed: { id, name: `host${host}-0`, address, learner: false } })
    members.sort((a, b) => (a.listed.id < b.listed.id ? -1 : 1))
  }

  #isServing(host: number): boolean {
    const { role } = this.#disk(host)
    return role !== undefined && role !== 'agent'
  }

  #disk(host: number): Disk {
    const held = this.#disks.get(host)
    if (held !== undefined) return held
    const fresh: Disk = { role: undefined, startedAt: 0, authority: '', configured: '', access: '' }
    this.#disks.set(host, fresh)
    return fresh
  }
}

function digest(text: string): string {
  return createHash('sha256').update(text).digest('hex')
}
