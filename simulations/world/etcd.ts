import type { EtcdMember } from '../../src/core/model/statement.ts'

// etcd as far as k3s and muster meet it. Rules and their source (k3s v1.3x, etcd 3.6) are in
// simulations/k3s-contract; here they are told again in virtual time, without processes.

/** A learner is promoted at the earliest after this (k3s looks every 15 s). */
const promoteMs = 15_000

/** A learner that makes no progress is removed after this. */
const evictMs = 300_000

interface Member {
  readonly id: string
  readonly name: string
  readonly address: string
  readonly machine: number
  learner: boolean
  readonly addedAt: number
  lastAliveAt: number
}

/** Answer of etcd to a change of its members. */
export type MemberChange = { readonly ok: true; readonly id: string } | { readonly ok: false; why: string }

/** One etcd cluster, from its first member to its end. */
export class Etcd {
  readonly name: string
  readonly authority: string
  #members: Member[] = []
  #count = 0

  constructor(name: string, authority: string) {
    this.name = name
    this.authority = authority
  }

  get voters(): number {
    return this.#members.filter((member) => !member.learner).length
  }

  get learners(): number {
    return this.#members.filter((member) => member.learner).length
  }

  /** Linearizable list, sorted by id. */
  list(): readonly EtcdMember[] {
    return this.#members
      .map(({ id, name, address, learner }) => ({ id, name, address, learner }))
      .sort((a, b) => (a.id < b.id ? -1 : 1))
  }

  has(id: string): boolean {
    return this.#members.some((member) => member.id === id)
  }

  machines(): readonly number[] {
    return this.#members.map((member) => member.machine)
  }

  /** Whether a majority of the voters runs and can be reached. */
  hasQuorum(alive: (machine: number) => boolean): boolean {
    const voters = this.#members.filter((member) => !member.learner)
    return voters.filter((member) => alive(member.machine)).length * 2 > voters.length
  }

  /** Adds the first member as a voter, every other one as a learner; one learner at a time. */
  add(
    member: { readonly machine: number; readonly name: string; readonly address: string },
    now: number,
    alive: (machine: number) => boolean,
  ): MemberChange {
    if (this.#members.length > 0) {
      if (!this.hasQuorum(alive)) return { ok: false, why: 'etcd has no quorum' }
      if (this.learners > 0) return { ok: false, why: 'too many learners' }
      if (this.#members.some(({ name }) => name === member.name)) return { ok: false, why: 'duplicate name' }
      if (this.#members.some(({ address }) => address === member.address)) {
        return { ok: false, why: 'Peer URLs already exists' }
      }
    }
    const id = `${this.name}${(++this.#count).toString(16).padStart(4, '0')}`
    this.#members.push({ ...member, id, learner: this.#members.length > 0, addedAt: now, lastAliveAt: now })
    return { ok: true, id }
  }

  /** Removes a member for good, unless what is left would have no quorum of running members. */
  remove(id: string, alive: (machine: number) => boolean): MemberChange {
    const gone = this.#members.find((member) => member.id === id)
    if (gone === undefined) return { ok: true, id }
    if (!this.hasQuorum(alive)) return { ok: false, why: 'etcd has no quorum' }
    const left = this.#members.filter((member) => member !== gone && !member.learner)
    const running = left.filter((member) => alive(member.machine)).length
    if (!gone.learner && running * 2 <= left.length) return { ok: false, why: 'unhealthy cluster' }
    this.#members = this.#members.filter((member) => member !== gone)
    return { ok: true, id }
  }

  /** Time passes: learners that have caught up are promoted, learners that stand still are removed. */
  pass(now: number, alive: (machine: number) => boolean): void {
    if (this.learners === 0 || !this.hasQuorum(alive)) return
    for (const member of this.#members) if (alive(member.machine)) member.lastAliveAt = now
    this.#members = this.#members.filter((member) => !member.learner || now - member.lastAliveAt < evictMs)
    const learner = this.#members.find((member) => member.learner && now - member.addedAt >= promoteMs)
    if (learner !== undefined && alive(learner.machine)) learner.learner = false
  }
}
