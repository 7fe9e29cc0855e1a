// Proves that a chain moves only to descendants: chains cut into random pieces arrive, and forks, gaps and lies do not.
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'

import type { Chain, Extension } from '../../../src/core/consensus/chain.ts'
import { emptyChain, extendChain, generationOf, nextElectorate } from '../../../src/core/consensus/chain.ts'
import type { CertifiedHeader, CertifiedPlan } from '../../../src/core/model/plan.ts'
import { planHash } from '../../../src/core/model/plan-hash.ts'
import { networkId } from '../../support/virtual-cluster.ts'
import {
  certificateOf,
  certifiedAfter,
  certifiedCharter,
  digests,
  electorateAfter,
  id,
  ids,
  planFor,
} from './decisions.ts'

const generations = 5
const plans: readonly CertifiedPlan[] = Array.from({ length: generations - 1 }).reduce<CertifiedPlan[]>(
  (sofar) => [...sofar, certifiedAfter(sofar.at(-1) as CertifiedPlan)],
  [certifiedCharter()],
)
const headers: readonly CertifiedHeader[] = plans.map(linkOf)

function linkOf({ plan, certificate }: CertifiedPlan): CertifiedHeader {
  return { header: plan.header, certificate }
}

function at(generation: number): CertifiedPlan {
  return plans[generation] as CertifiedPlan
}

function offer(
  chain: Chain,
  offered: readonly CertifiedHeader[],
  newest: CertifiedPlan | null = null,
): Extension {
  return extendChain(chain, networkId, offered, newest, digests)
}

/** The good chain up to this generation. */
function upTo(generation: number): Chain {
  if (generation < 0) return emptyChain
  const extension = offer(emptyChain, headers.slice(0, generation + 1), at(generation))
  if (extension.kind !== 'extended') throw new Error(extension.kind)
  return extension.chain
}

describe('a chain', () => {
  it('reaches the newest plan from wherever it stands and however much it is told again', () => {
    const cut = fc.integer({ min: -1, max: generations - 1 })
    fc.assert(
      fc.property(cut, cut, cut, (held, told, target) => {
        const from = Math.max(0, Math.min(told, held + 1))
        const before = upTo(held)
        const extension = offer(before, headers.slice(from, target + 1), at(Math.max(0, target)))
        expect(before).toEqual(upTo(held))
        if (target <= held) {
          expect(extension).toEqual({ kind: 'known' })
          return
        }
        if (extension.kind !== 'extended') throw new Error(extension.kind)
        expect(extension.added).toEqual(headers.slice(held + 1, target + 1))
        expect(extension.chain).toEqual(upTo(target))
        expect(generationOf(extension.chain)).toBe(target)
      }),
    )
  })

  it('names who decides next', () => {
    expect(nextElectorate(emptyChain, networkId)).toMatchObject({ generation: 0, parentHash: '', voters: [] })
    expect(nextElectorate(upTo(2), networkId)).toEqual(electorateAfter(at(2)))
  })

  it('asks for headers in between that are missing', () => {
    expect(offer(upTo(1), headers.slice(3), at(4))).toEqual({ kind: 'gap', from: 2 })
    expect(offer(emptyChain, headers.slice(1), at(4))).toEqual({ kind: 'gap', from: 0 })
    expect(offer(upTo(0), [headers[1]!, headers[3]!], at(3))).toEqual({ kind: 'gap', from: 2 })
  })

  it('keeps good headers whose body has not come, and asks for the rest', () => {
    const added = headers.slice(1, 3)
    expect(offer(upTo(0), added)).toEqual({ kind: 'partial', added, from: 3 })
    expect(offer(upTo(0), added, at(4))).toEqual({ kind: 'partial', added, from: 3 })
    expect(offer(upTo(0), added, at(1))).toEqual({ kind: 'partial', added, from: 3 })
  })

  it('is not moved by nothing', () => {
    expect(offer(upTo(2), [])).toEqual({ kind: 'known' })
    expect(offer(emptyChain, [])).toEqual({ kind: 'known' })
  })

  it('stays where it is when a second history shows up, and names it', () => {
    const foreign = certifiedCharter(2)
    const fork = { clusterId: foreign.plan.header.clusterId, hash: planHash(foreign.plan.header, digests) }
    const longer = certifiedAfter(certifiedAfter(foreign))
    const whole = [linkOf(foreign), linkOf(certifiedAfter(foreign)), linkOf(longer)]
    expect(offer(upTo(0), whole, longer)).toEqual({ kind: 'fork', generation: 0, ...fork })
    expect(offer(upTo(4), whole, longer)).toEqual({ kind: 'fork', generation: 0, ...fork })
  })

  it('names a fork below the charter too', () => {
    const second = certifiedAfter(at(1), 7)
    expect(offer(upTo(3), [...headers.slice(0, 2), linkOf(second)], second)).toMatchObject({
      kind: 'fork',
      generation: 2,
      hash: planHash(second.plan.header, digests),
    })
  })

  it('asks for the whole history of a plan that hangs on a parent it does not know', () => {
    const foreign = certifiedAfter(certifiedCharter(2))
    expect(offer(upTo(0), [linkOf(foreign)], foreign)).toEqual({ kind: 'gap', from: 0 })
  })
})

describe('a chain takes no', () => {
  it('fork with a bad certificate for one: a liar cannot cry fork', () => {
    const foreign = certifiedCharter(2)
    const votes = foreign.certificate.votes.slice(1)
    const link = { header: foreign.plan.header, certificate: { ...foreign.certificate, votes } }
    expect(offer(upTo(1), [link])).toEqual({ kind: 'invalid', flaw: 'fewer votes than a quorum' })
  })

  it('header without a quorum, wherever it stands in the offer', () => {
    fc.assert(
      fc.property(fc.nat({ max: generations - 1 }), (bad) => {
        const bent = headers.map((link, index) =>
          index === bad ? { ...link, certificate: { ...link.certificate, votes: [] } } : link,
        )
        expect(offer(emptyChain, bent, at(4))).toEqual({ kind: 'invalid', flaw: 'fewer votes than a quorum' })
      }),
    )
  })

  it('body that the header does not name', () => {
    const body = { ...at(1).plan.body, prefix6: 'fd00::/64' }
    const swapped = { ...at(1), plan: { ...at(1).plan, body } }
    expect(offer(upTo(0), [headers[1]!], swapped)).toEqual({ kind: 'invalid', flaw: 'wrong body' })
  })

  it('other cluster id, although its voters signed it', () => {
    const electorate = electorateAfter(at(0))
    const plan = planFor(electorate)
    const renamed = { ...plan, header: { ...plan.header, clusterId: 'd2'.repeat(16) } }
    const ballot = { number: 0, proposer: id(0) }
    const certificate = certificateOf(ids.slice(0, 2), electorate, renamed, ballot, null)
    expect(offer(upTo(0), [{ header: renamed.header, certificate }], { plan: renamed, certificate })).toEqual(
      {
        kind: 'invalid',
        flaw: 'another cluster id',
      },
    )
  })

  it('plan of another network', () => {
    expect(extendChain(emptyChain, 'b'.repeat(64), headers, at(4), digests)).toEqual({
      kind: 'invalid',
      flaw: 'another network',
    })
  })
})
