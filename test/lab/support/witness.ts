import { existsSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { readRecords } from '../../../src/adapters/store/chain-log.ts'
import { decodeCopy } from '../../../src/adapters/store/document.ts'
import { decodeStrict } from '../../../src/core/model/codec.ts'
import type { PlanHeader } from '../../../src/core/model/plan.ts'
import { certifiedHeaderCodec } from '../../../src/core/model/wire.ts'
import type { Lab } from '../../../src/lab/lab.ts'
import { type Said, statuses } from '../../support/site.ts'

/** Every certified header that a host ever wrote: its log only grows. Empty before its first state. */
export function headersOnDisk(root: string): readonly PlanHeader[] {
  const directory = join(root, 'var/lib/muster')
  const path = join(directory, 'a.state')
  if (!existsSync(path)) return []
  const copy = decodeCopy(readFileSync(path))
  if (copy.kind !== 'valid') throw new Error(`${path} is ${copy.kind}`)
  const { chain } = copy.document
  if (chain.records === 0) return []
  const records = readRecords(readFileSync(join(directory, 'chain.log')), chain)
  if (typeof records === 'string') throw new Error(`${directory}: ${records}`)
  return records.map((record) => decodeStrict(certifiedHeaderCodec, record).header)
}

/**
 * Watches a lab for what must never be: two clusters, two plans of one generation, a host with another identity,
 * name or address than before, or (from the grant on, unless `rolesMayChange`) with another role. It remembers all
 * that any host ever said or wrote, so that what was true for a moment only is found as well.
 */
export class Witness {
  readonly #lab: Lab
  readonly #rolesMayChange: boolean
  readonly #clusters = new Set<string>()
  readonly #plans = new Map<string, string>()
  readonly #fixed = new Map<string, string>()
  /** How often `look` was asked, so that a test can say that it was. */
  looks = 0

  constructor(lab: Lab, options: { readonly rolesMayChange?: boolean } = {}) {
    this.#lab = lab
    this.#rolesMayChange = options.rolesMayChange ?? false
  }

  /** All clusters that any host ever had a plan of. */
  get clusters(): readonly string[] {
    return [...this.#clusters]
  }

  /** Asks every agent, reads every disk, and throws at the first thing that must not be. */
  async look(): Promise<Said> {
    this.looks += 1
    const said = await statuses(this.#lab)
    for (const [host, status] of said) {
      this.#keep(`${host}: node id`, status.nodeId)
      const { plan, assignment } = status
      if (plan !== null) {
        this.#clusters.add(plan.clusterId)
        this.#one(this.#plans, `hash of generation ${plan.epoch}/${plan.generation}`, plan.hash)
      }
      if (assignment === null) continue
      this.#keep(`${host}: place`, `${assignment.name} ${assignment.address4} ${assignment.address6}`)
      if (plan?.phase !== 'chartered' && !this.#rolesMayChange) this.#keep(`${host}: role`, assignment.role)
    }
    for (const { root } of this.#lab.hosts) {
      for (const header of headersOnDisk(root)) {
        this.#clusters.add(header.clusterId)
        const key = `header of generation ${header.epoch}/${header.generation}`
        this.#one(this.#plans, key, JSON.stringify(header))
      }
    }
    if (this.#clusters.size > 1) throw new Error(`more than one cluster: ${this.clusters.join(', ')}`)
    return said
  }

  #keep(what: string, value: string): void {
    this.#one(this.#fixed, what, value)
  }

  #one(known: Map<string, string>, what: string, value: string): void {
    const before = known.get(what)
    if (before !== undefined && before !== value) throw new Error(`${what} was ${before} and is ${value}`)
    known.set(what, value)
  }
}
