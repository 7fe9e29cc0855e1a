// Proves that a node which draws its conclusions anew only when something has changed does exactly what one does that
// draws them all on every input: random histories of whole sites, compared effect by effect.
import { afterEach, describe, expect, it, vi } from 'vitest'
import { Conclusion } from '../../../src/core/model/conclusion.ts'
import { Facet } from '../../../src/core/model/facet.ts'
import { Random } from '../../../src/core/model/random.ts'
import type { BootstrapSetting } from '../../../src/core/model/spec.ts'
import { defaultSpec } from '../../../src/core/model/spec.ts'
import { Rest } from '../../../src/core/node/rest.ts'
import { VirtualCluster } from '../../support/virtual-cluster.ts'

/** Short waits, so that deaths, promotions and revocations happen within a virtual minute. */
const timers = {
  ...defaultSpec.timers,
  deadAfterMs: 15_000,
  promoteAfterMs: 5_000,
  settleMs: 3_000,
  initTimeoutMs: 12_000,
  bootGraceMs: 8_000,
  antiEntropyIntervalMs: 5_000,
}

afterEach(() => vi.restoreAllMocks())

describe('a conclusion', () => {
  it('is drawn again when a value is another, when its time has come, and not otherwise', () => {
    const conclusion = new Conclusion<number>()
    let drawn = 0
    const at = (now: number, ...from: unknown[]): number =>
      conclusion.of(
        now,
        from,
        () => ++drawn,
        () => 100,
      )
    const view = {}
    expect([at(0, view, 1), at(99, view, 1)]).toEqual([1, 1])
    expect(at(99, view, 2)).toBe(2)
    expect(at(99, {}, 2)).toBe(3)
    expect(at(100, view, 2)).toBe(4)
  })

  it('is drawn again after it changed what it is drawn from', () => {
    const conclusion = new Conclusion<void>()
    let value = 0
    const look = (): void => conclusion.of(0, [value], () => void (value = Math.min(value + 1, 2)))
    for (let times = 0; times < 5; times++) look()
    expect(value).toBe(2)
  })
})

describe('a site', () => {
  it.each(Array.from({ length: 10 }, (_, seed) => seed))('history %i is the same either way', (seed) => {
    const sparing = play(seed)
    let drawn = 0
    vi.spyOn(Conclusion.prototype, 'of').mockImplementation((_now, _from, draw) => {
      drawn += 1
      return draw()
    })
    vi.spyOn(Facet.prototype, 'of').mockImplementation((view) => view)
    vi.spyOn(Rest.prototype, 'holds').mockReturnValue(false)
    const thorough = play(seed)
    expect(drawn).toBeGreaterThan(1_000)
    expect(thorough.length).toBeGreaterThan(200)
    expect(sparing).toEqual(thorough)
  })
})

/** A minute and more of power cuts, partitions, losses and goodbyes; every effect of every node in order. */
function play(seed: number): readonly string[] {
  const entropy = new Uint8Array(16)
  new DataView(entropy.buffer).setUint32(0, seed)
  const random = new Random(entropy)
  const count = 2 + random.below(5)
  const settings: readonly BootstrapSetting[] = [{ mode: 'expect', expect: count }, { mode: 'auto' }]
  const cluster = new VirtualCluster({
    count,
    seed,
    bootstrap: settings[seed % 4 === 3 ? 1 : 0] as BootstrapSetting,
    spec: { timers },
    loss: [0, 0.1][random.below(2)] as number,
    startAt: (index) => index * random.below(700),
  })
  if (random.below(4) === 0) cluster.hosts[0]!.quarantine = 'the hardware is another'
  for (let step = 0; step < 9; step++) {
    cluster.run(500 + random.below(12_000))
    disturb(cluster, random, step)
  }
  cluster.cut(() => false)
  for (const host of cluster.hosts) if (host.node === undefined) cluster.start(host.index)
  cluster.run(30_000)
  return cluster.trace
}

function disturb(cluster: VirtualCluster, random: Random, step: number): void {
  const index = random.below(cluster.hosts.length)
  const powered = cluster.hosts[index]?.node !== undefined
  switch (random.below(7)) {
    case 0:
    case 1:
      if (powered) cluster.kill(index)
      else cluster.start(index)
      break
    case 2:
      cluster.cut((a, b) => a <= index !== b <= index)
      break
    case 3:
      cluster.cut(() => false)
      break
    case 4:
      if (cluster.hosts.length < 8) cluster.addHost()
      break
    case 5:
      if (!powered) break
      cluster.tell(index, { kind: 'request', requestId: step, request: { kind: 'leave', cancel: false } })
      break
    default:
      if (!powered) break
      cluster.tell(index, { kind: 'k3s-result', result: { kind: 'failed', step: 'start', detail: 'no' } })
  }
}
