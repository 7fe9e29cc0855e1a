// Proves that a simulated disk keeps what the production store promises, and loses what power cuts, rot and snapshots lose.
import { beforeEach, describe, expect, it } from 'vitest'
import type { Write } from '../../src/core/ports.ts'
import { generatePlan } from '../plan/generate.ts'
import { Disk } from './disk.ts'
import { hardwareOf } from './hardware.ts'
import { makeIdentity } from './identity.ts'

const plan = generatePlan({ seed: 1, nodes: 3, faults: 'clean' })
const identity = makeIdentity(plan, 0, 0)
const put = (generation: number): readonly Write[] => [
  { op: 'put', key: 'peers', value: { generation } },
  { op: 'append', log: 'chain', value: { generation } },
]

let disk: Disk
beforeEach(() => {
  disk = new Disk(false, true)
  disk.create(identity, hardwareOf(0))
})

/** What the next start finds: the newest put, and how long the chain is. */
function found(): readonly [put: unknown, links: number] | 'nothing' | 'lost' {
  const { document, lost } = disk.open()
  if (document === undefined) return lost ? 'lost' : 'nothing'
  return [(document.values.peers as { generation: number } | undefined)?.generation, document.chain.length]
}

describe('a disk', () => {
  it('holds what was persisted, all of it', () => {
    disk.persist(put(1), 10)
    disk.persist(put(2), 20)
    expect(found()).toEqual([2, 2])
    disk.wipe()
    expect(found()).toBe('nothing')
  })

  it.each([
    [true, [2, 2]],
    [false, [1, 1]],
  ] as const)(
    'keeps the old or the new state when a persist is torn (keeps %s), and mends the other copy',
    (keeps, state) => {
      disk.persist(put(1), 10)
      disk.tear(put(2), keeps)
      expect(found()).toEqual(state)
      // The start has written both copies: the loss of one more harms nothing.
      disk.rot(1)
      expect(found()).toEqual(state)
    },
  )

  it('loses the identity when both copies rot, and says that there was one', () => {
    disk.persist(put(1), 10)
    disk.rot(2)
    expect(found()).toBe('lost')
    expect(found()).toBe('nothing')
  })

  it('is put back to what it held, and says whether that was something else', () => {
    disk.persist(put(1), 10)
    expect(disk.rollBack(20)).toBe(false)
    disk.persist(put(2), 30)
    disk.persist(put(3), 40)
    expect(disk.rollBack(35)).toBe(true)
    expect(disk.wasPutBack).toBe(true)
    expect(found()).toEqual([2, 2])
    // A new identity has never lived on.
    disk.wipe()
    disk.create(makeIdentity(plan, 0, 1), hardwareOf(0))
    expect(disk.wasPutBack).toBe(false)
    expect(disk.rollBack(35)).toBe(false)
  })

  it('is copied with the identity, and both go their own ways', () => {
    disk.persist(put(1), 10)
    const copy = new Disk(false, false)
    copy.copyFrom(disk)
    disk.persist(put(2), 20)
    expect(copy.open().document?.identity).toBe(identity)
    expect(copy.open().document?.chain).toHaveLength(1)
    expect(found()).toEqual([2, 2])
  })

  it('gives values through real bytes back as they were', () => {
    const real = new Disk(true, false)
    real.create(identity, hardwareOf(0))
    real.persist(put(1), 10)
    expect(real.open().document).toMatchObject({
      values: { peers: { generation: 1 } },
      chain: [{ generation: 1 }],
    })
  })
})
