// Proves that checkers find what no seeded bug of the core shows: each is given a core whose words or writes are changed as they
// leave it.
import { describe, expect, it } from 'vitest'
import type { Effect } from '../../src/core/effect.ts'
import type { CertifiedPlan } from '../../src/core/model/plan.ts'
import { ClusterNode } from '../../src/core/node.ts'
import type { NodeView } from '../../src/core/node.ts'
import type { Write } from '../../src/core/ports.ts'
import { generatePlan } from '../plan/generate.ts'
import { simulate } from '../run/simulate.ts'
import type { CoreFactory } from '../world/core.ts'

/** The production core, with what leaves it changed. */
function changed(
  effects: (effect: Effect) => readonly Effect[],
  view: (view: NodeView) => NodeView = (same) => same,
): CoreFactory {
  return (init) => {
    const node = new ClusterNode(init)
    return {
      handle: (input, now) => node.handle(input, now),
      drain: () => node.drain().flatMap(effects),
      nextDeadline: () => node.nextDeadline(),
      get generation() {
        return node.generation
      },
      view: () => view(node.view()),
      glance: () => node.glance(),
    }
  }
}

/** Changes the plans that a core writes to its disk. */
function writing(change: (plan: CertifiedPlan) => CertifiedPlan): CoreFactory {
  const one = (write: Write): Write =>
    write.op === 'put' && write.key === 'plan'
      ? { ...write, value: change(write.value as CertifiedPlan) }
      : write
  return changed((effect) =>
    effect.kind === 'persist' ? [{ ...effect, writes: effect.writes.map(one) }] : [effect],
  )
}

function broken(core: CoreFactory): readonly string[] {
  const plan = generatePlan({ seed: 1, nodes: 5, faults: 'clean' })
  return simulate(plan, { core }).result.violations.map(({ invariant, text }) => `${invariant} ${text}`)
}

describe('a checker', () => {
  it('finds nothing where nothing is changed', () => {
    expect(broken(changed((effect) => [effect]))).toEqual([])
    expect(broken(writing((plan) => plan))).toEqual([])
  })

  it('S9 finds evidence that nobody signed', () => {
    const forged = writing(({ plan, ...rest }) => ({
      ...rest,
      plan: {
        ...plan,
        body: {
          ...plan.body,
          evidence: plan.body.evidence.map((one) => ({ ...one, signer: plan.header.voters[0] ?? '' })),
        },
      },
    }))
    expect(broken(forged).join('\n')).toMatch(/^S9 .* that its signer never signed$/m)
  })

  it('L2 does not believe a machine that says that k3s is ready', () => {
    const boasting = changed(
      (effect) => {
        const isAgent = effect.kind === 'k3s' && effect.step.kind === 'start' && effect.step.role === 'agent'
        return isAgent ? [] : [effect]
      },
      (view) => ({ ...view, ...(view.k3s && { k3s: { ...view.k3s, phase: 'k3s-ready' } }) }),
    )
    expect(broken(boasting)).toEqual(['L2 says that k3s is ready, and it is absent'])
  })
})
