// Proves on real agents that a formation survives a kill -9 before and after every kind of write to disk, and that it
// is one formation: one cluster, the same identities, one etcd.
import { mkdirSync, readdirSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { expect, it } from 'vitest'
import { agentState } from '../../src/lab/hosts.ts'
import type { Lab } from '../../src/lab/lab.ts'
import { thisProgram } from '../../src/lab/up.ts'
import { statuses, timeFactor, withLab } from '../support/site.ts'
import { oneEtcd } from './support/etcd.ts'
import { isSkipped, skipNote } from './support/obstacle.ts'
import { Witness } from './support/witness.ts'
import { formationWrites } from './support/write-kinds.ts'

const mortal = fileURLToPath(new URL('fixtures/mortal.ts', import.meta.url))

it.skipIf(isSkipped)(
  `forms once although agents are killed before and after every kind of write${skipNote}`,
  async () => {
    const [node = '', ...main] = thisProgram()
    const program = [node, '--import', mortal, ...main]
    await withLab({ name: 'crash-points', nodes: 5, program, startAgents: false }, async (lab) => {
      const deaths = join(lab.state.directory, 'deaths')
      mkdirSync(deaths)
      const witness = new Witness(lab)
      await Promise.all(lab.hosts.map(({ name }) => lab.start(name)))
      const end = performance.now() + 420_000 * timeFactor
      for (;;) {
        await raiseTheDead(lab)
        const said = await witness.look()
        const formed = said.size === 5 && [...said.values()].every((one) => one.plan?.phase === 'active')
        if (formed && missing(deaths).length === 0) break
        if (performance.now() > end) {
          const lacking = (await lab.await('active', { timeoutMs: 0 })).lacking
          throw new Error(`not formed: ${lacking.join('; ')}\nnot died at: ${missing(deaths).join('; ')}`)
        }
      }
      await oneEtcd(lab, await statuses(lab))
      await witness.look()
      expect(witness.clusters).toHaveLength(1)
      const points = readdirSync(deaths).toSorted()
      process.stdout.write(`${points.length} deaths: ${points.join(', ')}\n`)
    })
  },
)

async function raiseTheDead(lab: Lab): Promise<void> {
  const { state } = lab
  const dead = state.hosts.filter((host) => agentState(state, host) === 'stopped')
  await Promise.all(dead.map(({ name }) => lab.start(name)))
}

/** Points of the formation at which nobody has died yet. */
function missing(deaths: string): readonly string[] {
  const died = new Set(readdirSync(deaths).map((name) => name.replace(/@.*$/, '')))
  return ['before', 'after']
    .flatMap((side) => formationWrites.map((kind) => `${side} ${kind}`))
    .filter((point) => !died.has(point))
}
