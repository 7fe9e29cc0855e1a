// Proves on real agents what may and what may not found a cluster: partitions, surplus machines, a dead initialiser,
// agents that are killed again and again, and `auto`.
import { describe, expect, it } from 'vitest'
import { newNetwork } from '../../src/agent/api/operator.ts'
import { namespaceObstacle } from '../../src/lab/namespaces.ts'
import { parsePartition } from '../../src/lab/network-faults.ts'
import { clustersOf, silentPairs, statuses, timeFactor, until, withLab } from '../support/site.ts'

const obstacle = await namespaceObstacle(process.getuid?.() !== 0)

function config(bootstrap: string, timers = ''): string {
  const { token } = newNetwork({ name: 'lab' })
  return `#cloud-config\nmuster:\n  token: ${token}\n  bootstrap: ${bootstrap}\n  control_plane: 3\n${timers}`
}

const all = (
  said: ReadonlyMap<string, { readonly plan: { readonly phase: string } | null }>,
  count: number,
  phase?: string,
): boolean =>
  said.size === count &&
  [...said.values()].every((one) => one.plan !== null && (phase === undefined || one.plan.phase === phase))

describe.skipIf(obstacle !== undefined)(
  `births${obstacle === undefined ? '' : ` (skipped: ${obstacle})`}`,
  () => {
    it('neither side of a birth partition founds a cluster; both say why; healed, one does', async () => {
      await withLab({ name: 'birth', nodes: 5, k3s: '', startAgents: false }, async (lab) => {
        await lab.partition(parsePartition(['h1,h2 / h3,h4,h5']))
        for (const { name } of lab.hosts) await lab.start(name)
        await until(lab, 'agents speak', 30, (said) => said.size === 5)
        await new Promise((resolve) => setTimeout(resolve, 12_000 * timeFactor))
        const split = await statuses(lab)
        expect(clustersOf(split).size).toBe(0)
        expect(split.get('h1')!.waiting[0]).toMatchObject({ have: 2, need: 5 })
        expect(split.get('h3')!.waiting[0]).toMatchObject({ have: 3, need: 5 })
        await lab.heal()
        const healed = await until(lab, 'one cluster', 90, (said) => all(said, 5))
        expect(clustersOf(healed).size).toBe(1)
      })
    })

    it('ten machines that know each other refuse `expect: 3`, and say why', async () => {
      await withLab(
        {
          name: 'crowd',
          nodes: 10,
          k3s: '',
          config: config(`{expect: 3, delay: ${Math.round(25 * timeFactor)}s}`),
        },
        async (lab) => {
          await until(
            lab,
            'all know all',
            60,
            (said) => said.size === 10 && [...said.values()].every((one) => one.members.known === 10),
          )
          await new Promise((resolve) => setTimeout(resolve, 30_000 * timeFactor))
          const said = await statuses(lab)
          expect(clustersOf(said).size).toBe(0)
          const reasons = [...said.values()].flatMap((one) =>
            one.conditions.map((condition) => condition.reason),
          )
          expect(reasons).toContain('TooManyIdentities')
        },
      )
    })

    it('another team takes over when the initialiser dies, and the first rejoins', async () => {
      const timers = '  timers: {init_timeout: 15s, boot_grace: 10s}\n'
      await withLab({ name: 'revoked', nodes: 5, config: config('{expect: 5}', timers) }, async (lab) => {
        const granted = await until(lab, 'granted', 60, (said) =>
          [...said.values()].some((one) => one.plan?.phase === 'granted'),
        )
        const first = [
          ...(
            await until(lab, 'initialiser named', 30, (said) =>
              [...said.values()].some((one) => one.waiting.some((wait) => wait.for === 'initialiser')),
            )
          ).values(),
        ].flatMap((one) =>
          one.waiting.filter((wait) => wait.for === 'initialiser').flatMap((wait) => wait.missing),
        )[0]!
        expect(granted.has(first)).toBe(true)
        await lab.cutPower(first)
        const others = await until(lab, 'active without the first', 240, (said) =>
          [...said].filter(([host]) => host !== first).every(([, one]) => one.plan?.phase === 'active'),
        )
        expect(clustersOf(others).size).toBe(1)
        await lab.start(first)
        const whole = await until(
          lab,
          'the first is back',
          120,
          (said) => said.get(first)?.plan?.phase === 'active',
        )
        expect(clustersOf(whole)).toEqual(clustersOf(others))
      })
    })

    it('forms once although agents are killed twenty times while it does', async () => {
      await withLab({ name: 'kills', nodes: 5 }, async (lab) => {
        for (let kill = 0; kill < 20; kill++) {
          const victim = lab.hosts[(kill * 3) % 5]!.name
          await new Promise((resolve) => setTimeout(resolve, 100 + ((kill * 379) % 1_500)))
          await lab.kill(victim)
          await lab.start(victim)
        }
        const said = await until(lab, 'active after the kills', 300, (now) => all(now, 5, 'active'))
        expect(clustersOf(said).size).toBe(1)
      })
    })

    it('`auto` founds one cluster of five, and says what it does not promise', async () => {
      await withLab(
        { name: 'auto', nodes: 5, k3s: '', config: config('{auto: true}', '  timers: {settle: 8s}\n') },
        async (lab) => {
          await until(lab, 'agents speak', 30, (said) => said.size === 5)
          const { stdout } = await lab.exec('h1', ['muster', 'why'])
          expect(stdout).toContain('a bet on time')
          const said = await until(lab, 'chartered', 120, (now) => all(now, 5))
          expect(clustersOf(said).size).toBe(1)
        },
      )
    })

    it.each(['no-route', 'ipv6-only'] as const)(
      'finds, agrees and talks on a link with %s',
      async (network) => {
        await withLab({ name: network, nodes: 3, k3s: '', network }, async (lab) => {
          const said = await until(lab, 'chartered', 90, (now) => all(now, 3))
          await until(lab, 'overlay is up', 30, (now) =>
            [...now.values()].every((one) =>
              one.conditions.some(({ type, status }) => type === 'OverlayReady' && status === 'true'),
            ),
          )
          expect(await silentPairs(lab, said)).toEqual([])
        })
      },
    )

    it('finds everybody through one static peer and the DHT, without multicast', async () => {
      await withLab({ name: 'static', nodes: 5, k3s: '', mdns: false }, async (lab) => {
        const said = await until(lab, 'chartered', 120, (now) => all(now, 5))
        expect(clustersOf(said).size).toBe(1)
      })
    })
  },
)
