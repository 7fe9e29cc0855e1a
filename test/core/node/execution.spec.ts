// Proves that a server says of etcd's members only what it saw under the plan that it holds.
import { expect, it } from 'vitest'
import type { Chain } from '../../../src/core/consensus/chain.ts'
import type { MemberRecord } from '../../../src/core/model/member.ts'
import type { EtcdMember } from '../../../src/core/model/statement.ts'
import { Execution } from '../../../src/core/node/execution.ts'
import { after, member, planOf, recordOf, secrets } from '../k3s/support.ts'

const members: readonly EtcdMember[] = ['n1', 'n2', 'n3'].map((node) => member(node))

function atGeneration(generation: number): Parameters<Execution['decide']>[0] {
  const plan = planOf({ phase: 'active', generation })
  return {
    self: 'n1',
    chain: { newest: { plan }, headers: [{ header: plan.header }] } as unknown as Chain,
    view: { self: 'n1', members: [] },
    own: {} as MemberRecord,
    overlayUp: true,
    initialised: undefined,
    connected: [],
  }
}

it('says a list under the plan under which the look began, and no longer when a newer one is there', () => {
  const record = recordOf(planOf({ phase: 'active', generation: 2 }), {
    secrets,
    role: 'server',
    ready: true,
  })
  const execution = new Execution(record)
  const seen = after(undefined, { unit: 'running', hasEtcdData: true, caHash: secrets.caHash, members })
  /** A look, after the step before it has ended, that began under this generation. */
  const look = (generation: number): boolean => {
    execution.result({ kind: 'done', step: 'configure' }, 0)
    return execution.observed(seen, generation)
  }
  look(2)
  expect(execution.decide(atGeneration(2), 0).decision?.say.members).toEqual({ generation: 2, members })
  expect(execution.members(2)).toEqual(members)

  look(2)
  expect(execution.decide(atGeneration(3), 1).decision?.say.members).toBeUndefined()
  expect(execution.members(3)).toBeUndefined()

  look(3)
  expect(execution.decide(atGeneration(3), 2).decision?.say.members).toEqual({ generation: 3, members })
  expect(execution.observed(seen, 3)).toBe(false)
  expect(execution.observed(seen, 4)).toBe(true)
})
