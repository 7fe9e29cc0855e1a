import type { Effect } from '../../src/core/effect.ts'
import type { Input } from '../../src/core/input.ts'
import { configPath, serverUrl, tokenPath } from '../../src/core/k3s/files.ts'
import type { K3sObservation, K3sRole, K3sStep } from '../../src/core/k3s/types.ts'
import type { Instant, NodeId } from '../../src/core/model/ids.ts'
import { Random } from '../../src/core/model/random.ts'
import type { NodeInit } from '../../src/core/node.ts'
import type { Core, CoreFactory } from '../world/core.ts'
import type { Ledger } from './ledger.ts'
import { ledgerIn, ledgerMessage, merge, seenWithin, write } from './ledger.ts'
import { leaderStep, scheduleRoles } from './rules.ts'

/** A round every ten seconds. */
const roundMs = 10_000
/** A node counts as there for so long after it was last heard of. */
const windowMs = 15 * 60_000
/** A founder waits so long for k3s to write its token, within its round. */
const founderSleepMs = 30_000
/** Every node sends the whole ledger about so often, whether it changed or not; half more or less. */
const syncMs = 10_000
/** A node says that it lives: seldom in the end. */
const heartbeatMs = { first: 5_000, last: 120_000 }

/** Settings of provider-kairos. */
export interface KairosOptions {
  /** `p2p.minimum_nodes`; 2 where nothing is said. */
  readonly minimumNodes: number
  /** `p2p.auto.ha.master_nodes`: servers beside the founder. */
  readonly serversBeside: number
}

/** A machine under provider-kairos' rule, for the simulated world. */
export function kairosCore(options: KairosOptions): CoreFactory {
  return (init) => new KairosNode(init, options)
}

type Start = Extract<K3sStep, { kind: 'start' }>

/** What outlives the power: the unit that systemd starts, and the sentinel, which says `deployed` but not as what. */
interface Kept {
  readonly unit?: Start
  readonly deployed?: boolean
}

/**
 * The election and scheduling rule of provider-kairos over edgevpn's ledger, written anew from its description:
 * rounds of ten seconds, a leader by hash among those seen within fifteen minutes, roles drawn by it and written into
 * a ledger in memory where the last writer wins, and k3s started by what each node reads there.
 *
 * Where the model is kinder than the original: overlay addresses are there from the start and never twice (edgevpn
 * gives them one after the other, 10 to 20 s each, and both sides of a partition give the same ones); wall clocks
 * agree but for what the plan says; the network key never rotates; identities survive a restart; every write is
 * forwarded by all who hear it; calls of the local API never fail. Left out: `dynamic_roles` (without effect),
 * external databases, kube-vip, the periodic scrub of heartbeats, tombstones.
 */
export class KairosNode implements Core {
  readonly #self: NodeId
  /** Stands for the overlay's address. */
  readonly #address: string
  /** It knows no plans. */
  readonly generation = -1
  readonly #options: KairosOptions
  readonly #random: Random
  readonly #peers = new Set<NodeId>()
  #effects: Effect[] = []
  #ledger: Ledger = new Map()
  #kept: Kept
  #observation: K3sObservation | undefined
  #now: Instant
  #rounds = 0
  #roundAt: Instant
  #syncAt: Instant
  #heartbeatAt: Instant
  #heartbeatEveryMs = heartbeatMs.first
  /** When a founder goes on within its round. */
  #founderAt = Number.POSITIVE_INFINITY
  /** How the unit's last start went; `asked`: no answer yet. */
  #unit: 'none' | 'asked' | 'up' | 'failed' = 'none'

  constructor(init: NodeInit, options: KairosOptions) {
    this.#self = init.self
    this.#address = init.facts.hostname
    this.#options = options
    this.#random = new Random(init.entropy)
    this.#now = init.now
    this.#kept = (init.stored.values.k3s as Kept | undefined) ?? {}
    this.#roundAt = init.now + roundMs
    this.#syncAt = init.now + this.#about(syncMs)
    this.#heartbeatAt = init.now + this.#about(heartbeatMs.first)
    if (this.#kept.unit !== undefined) this.#startUnit(this.#kept.unit)
  }

  handle(input: Input, now: Instant): void {
    this.#now = Math.max(this.#now, now)
    switch (input.kind) {
      case 'peer-up':
        this.#peers.add(input.peer)
        return
      case 'peer-down':
        this.#peers.delete(input.peer)
        return
      case 'message': {
        const other = ledgerIn(input.message)
        if (other !== undefined) this.#hear(input.from, other)
        return
      }
      case 'k3s-observed':
        this.#observation = input.observation
        return
      case 'k3s-result':
        return this.#unitStarted(input.result.kind !== 'failed')
      case 'deadline':
        return this.#runDue()
      default:
    }
  }

  drain(): readonly Effect[] {
    const effects = this.#effects
    this.#effects = []
    return effects
  }

  nextDeadline(): Instant {
    return Math.min(this.#roundAt, this.#founderAt, this.#syncAt, this.#heartbeatAt)
  }

  #runDue(): void {
    const now = this.#now
    if (now >= this.#heartbeatAt) {
      this.#write(`healthcheck/${this.#self}`, now)
      this.#heartbeatAt = now + this.#about(this.#heartbeatEveryMs)
      this.#heartbeatEveryMs = Math.min(this.#heartbeatEveryMs * 2, heartbeatMs.last)
    }
    if (now >= this.#syncAt) {
      this.#send([...this.#peers])
      this.#syncAt = now + this.#about(syncMs)
    }
    if (now >= this.#founderAt) {
      this.#founderAt = Number.POSITIVE_INFINITY
      this.#tellToken()
      if (this.#unit === 'up') this.#setDeployed()
      this.#roundAt = now + roundMs
    }
    if (now >= this.#roundAt) {
      this.#roundAt = now + roundMs
      this.#round()
    }
  }

  #round(): void {
    const now = this.#now
    this.#rounds += 1
    // What failed to start is tried again: by systemd, or by the role's next round.
    if (this.#unit === 'failed' && this.#kept.unit !== undefined) this.#startUnit(this.#kept.unit)
    if (this.#rounds % 2 === 0) this.#write(`seen/${this.#self}`, now)
    this.#lead(seenWithin(this.#ledger, 'seen/', windowMs, now))
    const active = seenWithin(this.#ledger, 'healthcheck/', windowMs, now)
    if (active.length < this.#options.minimumNodes) return
    const role = this.#text(`role/${this.#self}`)
    if (role === 'master/clusterinit') this.#beFounder()
    else if (role === 'master/ha') this.#join('server')
    else if (role === 'worker') this.#join('agent')
  }

  #lead(seen: readonly string[]): void {
    const { minimumNodes, serversBeside } = this.#options
    const recorded = this.#text('leader')
    const step = leaderStep({ self: this.#self, seen, recorded, minimumNodes })
    if (step === 'claim') this.#write('leader', this.#self)
    if (step !== 'schedule') return
    const roleOf = (node: string): string | undefined => this.#text(`role/${node}`)
    for (const { node, role } of scheduleRoles(seen, roleOf, serversBeside, this.#random)) {
      this.#write(`role/${node}`, role)
    }
  }

  /** Founds a cluster, unless the sentinel is there: then this node only tells what it finds on its disk. */
  #beFounder(): void {
    if (this.#kept.deployed !== true) this.#start('server-init', '', '')
    this.#founderAt = this.#now + founderSleepMs
    this.#roundAt = Number.POSITIVE_INFINITY
  }

  /** Joins what the ledger names, once it names something. */
  #join(role: 'server' | 'agent'): void {
    const [server, token] = [this.#text('master-ip'), this.#text('node-token')]
    if (this.#kept.deployed === true || server === undefined || token === undefined) return
    this.#start(role, server, token)
  }

  /** The founder's address and token. One that runs k3s as an agent has no token, and tells its address all the same. */
  #tellToken(): void {
    this.#write('master-ip', this.#address)
    const isServer = this.#kept.unit !== undefined && this.#kept.unit.role !== 'agent'
    const authority = this.#observation?.caHash ?? ''
    if (isServer && authority !== '') this.#write('node-token', authority)
  }

  #start(role: K3sRole, server: string, token: string): void {
    const files = [
      { path: configPath, mode: 0o600, content: server === '' ? '' : `server: "${serverUrl(server)}"\n` },
      ...(token === '' ? [] : [{ path: tokenPath, mode: 0o600, content: `K10${token}::server:s\n` }]),
    ]
    const unit: Start = {
      kind: 'start',
      role,
      nodeName: this.#address,
      files,
      allow: 'all',
      restart: false,
    }
    this.#keep({ ...this.#kept, unit })
    this.#startUnit(unit)
  }

  #startUnit(unit: Start): void {
    this.#unit = 'asked'
    this.#effects.push({ kind: 'k3s', step: unit })
  }

  #unitStarted(isUp: boolean): void {
    this.#unit = isUp ? 'up' : 'failed'
    // The sentinel is the last thing that is written; a founder writes it when it has told its token.
    if (isUp && this.#kept.unit?.role !== 'server-init') this.#setDeployed()
  }

  #setDeployed(): void {
    if (this.#kept.deployed !== true) this.#keep({ ...this.#kept, deployed: true })
  }

  #keep(kept: Kept): void {
    this.#kept = kept
    this.#effects.push({ kind: 'persist', writes: [{ op: 'put', key: 'k3s', value: kept }] })
  }

  #hear(from: NodeId, other: Ledger): void {
    const merged = merge(this.#ledger, other)
    if (merged === this.#ledger) return
    this.#ledger = merged
    this.#send([...this.#peers].filter((peer) => peer !== from))
  }

  #text(key: string): string | undefined {
    const value = this.#ledger.get(key)?.value
    return value === undefined ? undefined : String(value)
  }

  #write(key: string, value: string | number): void {
    this.#ledger = write(this.#ledger, key, value, this.#now + this.#random.unit())
    this.#send([...this.#peers])
  }

  #send(peers: readonly NodeId[]): void {
    const message = ledgerMessage(this.#ledger)
    for (const to of peers) this.#effects.push({ kind: 'send', to, message })
  }

  #about(ms: number): number {
    return this.#random.between(ms / 2, ms * 1.5)
  }
}
