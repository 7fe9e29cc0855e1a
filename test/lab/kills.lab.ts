// Proves on real agents that twenty kills at random times, all over the formation, cost neither the one cluster nor
// anybody's identity (`MUSTER_TEST_SEED=N` plays a schedule again), and that a power cut of all in the middle of it
// redraws nothing.
import { setTimeout as sleep } from 'node:timers/promises'
import { expect, it } from 'vitest'
import { Random } from '../../src/core/model/random.ts'
import { agentState } from '../../src/lab/hosts.ts'
import type { Lab } from '../../src/lab/lab.ts'
import { hostOf } from '../../src/lab/state.ts'
import { rolesOf, timeFactor, until, withLab } from '../support/site.ts'
import { oneEtcd } from './support/etcd.ts'
import { isSkipped, skipNote } from './support/obstacle.ts'
import { Witness } from './support/witness.ts'

const kills = 20
/** A formation takes about so long when nobody dies. */
const formationMs = 60_000 * timeFactor
const downMsMax = 3_000

interface Kill {
  readonly atMs: number
  readonly host: string
  /** The agent alone, as a crash; or the whole host with its k3s, as a power cut. */
  readonly how: 'agent' | 'power'
  readonly downMs: number
}

it.skipIf(isSkipped)(`forms once although hosts are killed at twenty random times${skipNote}`, async () => {
  const seed = Number(process.env['MUSTER_TEST_SEED'] ?? Date.now() % 1_000_000)
  process.stdout.write(`kills: MUSTER_TEST_SEED=${seed}\n`)
  await withLab({ name: 'kills', nodes: 5 }, async (lab) => {
    const startedAt = performance.now()
    const witness = new Witness(lab)
    const schedule = scheduleOf(seed, lab)
    let carriedOut = 0
    // One task for each host: a host dies again only after it came back, so that every kill hits somebody alive.
    await Promise.all(
      lab.hosts.map(async ({ name }) => {
        for (const kill of schedule.filter(({ host }) => host === name)) {
          await sleep(Math.max(0, kill.atMs - (performance.now() - startedAt)))
          const { state } = lab
          expect(agentState(state, hostOf(state, name))).toBe('running')
          if (kill.how === 'agent') await lab.kill(name)
          else await lab.cutPower(name)
          carriedOut += 1
          await witness.look()
          await sleep(kill.downMs)
          await lab.start(name)
        }
      }),
    )
    expect(carriedOut).toBe(kills)
    await until(
      lab,
      `active after the kills of MUSTER_TEST_SEED=${seed}`,
      150,
      (said) => said.size === 5 && [...said.values()].every((one) => one.plan?.phase === 'active'),
    )
    await oneEtcd(lab, await witness.look())
    expect(witness.clusters).toHaveLength(1)
    expect(witness.looks).toBeGreaterThan(kills)
  })
})

it.skipIf(isSkipped)(
  `goes on as before when the power of all fails during the formation${skipNote}`,
  async () => {
    await withLab({ name: 'blackout', nodes: 5 }, async (lab) => {
      const witness = new Witness(lab)
      await until(
        lab,
        'the first server runs',
        60,
        (said) =>
          said.size === 5 &&
          [...said.values()].every(({ plan }) => plan?.phase === 'granted') &&
          [...said.values()].some(({ note }) => /etcd has \d of 3 voters/.test(note)),
      )
      const before = await witness.look()
      await Promise.all(lab.hosts.map(({ name }) => lab.cutPower(name)))
      await Promise.all(lab.hosts.map(({ name }) => lab.start(name)))
      const after = await until(
        lab,
        'active after the power cut',
        180,
        (said) => said.size === 5 && [...said.values()].every(({ plan }) => plan?.phase === 'active'),
      )
      expect(rolesOf(after)).toEqual(rolesOf(before))
      await oneEtcd(lab, await witness.look())
      // Chartered, granted, active: no plan was made twice.
      expect([...after.values()].map(({ plan }) => plan!.generation)).toEqual([2, 2, 2, 2, 2])
    })
  },
)

/** The same kills for the same seed, in the order of their times. */
function scheduleOf(seed: number, lab: Lab): readonly Kill[] {
  const random = new Random(Buffer.from(seed.toString().padStart(16, '0')))
  return Array.from({ length: kills }, (): Kill => ({
    atMs: random.below(formationMs),
    host: lab.hosts[random.below(lab.hosts.length)]!.name,
    how: random.below(4) === 0 ? 'power' : 'agent',
    downMs: random.below(downMsMax),
  })).toSorted((a, b) => a.atMs - b.atMs)
}
