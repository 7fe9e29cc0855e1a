import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { callAgent } from '../../src/agent/api/client.ts'
import type { PlanResource } from '../../src/agent/api/resources.ts'
import { agentPid } from '../../src/lab/hosts.ts'
import type { Lab } from '../../src/lab/lab.ts'
import { createLab } from '../../src/lab/lab.ts'
import { observeHosts } from '../../src/lab/observe.ts'
import type { HostObservation } from '../../src/lab/observe.ts'
import { readEtcd } from '../../test/lab/support/etcd.ts'
import { lastStart, uptime } from './clock.ts'
import type { Figure } from './figures.ts'
import { controlBytes, countControl } from './traffic.ts'

/** Hosts of each lab, all of which found the cluster. */
const hosts = 5

/** How often the agents are asked: the resolution of all times here. */
const lookIntervalMs = 100

/** Nothing here takes longer, however busy the machine. */
const giveUpMs = 300_000

/** Quiet time before the leader is killed or traffic counted: what activation leaves to do is done. */
const settleMs = 15_000

/** What is measured on one lab after it is active. */
export type ClusterPart = 'idle' | 'leader'

/** All values that labs of five real agents gave, run after run. */
export class ClusterFigures {
  readonly #chartered: number[] = []
  readonly #active: number[] = []
  readonly #successors: number[] = []
  #traffic: readonly number[] = []
  #memory: readonly number[] = []

  /** Forms one cluster of agents of this program, measures the parts, and ends it, whatever happened. */
  async measure(
    name: string,
    program: string,
    parts: readonly ClusterPart[],
    idleSeconds: number,
  ): Promise<void> {
    const lab = await createLab({ name, nodes: hosts, expect: hosts, program: [process.execPath, program] })
    try {
      await this.#formation(lab)
      if (parts.length > 0) await sleep(settleMs)
      if (parts.includes('idle')) await this.#idle(lab, idleSeconds)
      if (parts.includes('leader')) this.#successors.push(await timeOfSuccession(lab))
    } catch (error) {
      for (const host of lab.hosts) process.stderr.write(`--- ${host.name}\n${lab.log(host.name, 10)}\n`)
      throw error
    } finally {
      await lab.down()
    }
  }

  /** What was measured; a part that was not asked for is left out. */
  figures(idleSeconds: number): Figure[] {
    const all: Figure[] = [
      {
        what: 'charter certified and held by all 5, from the last start',
        unit: 's',
        goal: { of: 'p50', most: 3 },
        values: this.#chartered,
      },
      {
        what: 'active on all 5 with 3 started etcd voters, from the last start',
        unit: 's',
        goal: { of: 'p50', most: 60 },
        values: this.#active,
      },
      {
        what: 'next plan certified and held by all 4, from the death of the leader',
        unit: 's',
        goal: { of: 'p50', most: 10 },
        values: this.#successors,
      },
      {
        what: `control traffic sent by each host in ${idleSeconds} idle s`,
        unit: 'kbit/s',
        goal: { of: 'max', most: 8 },
        values: this.#traffic,
      },
      {
        what: 'resident memory of each agent after that',
        unit: 'MB',
        goal: { of: 'max', most: 110 },
        values: this.#memory,
      },
    ]
    return all.filter(({ values }) => values.length > 0)
  }

  async #formation(lab: Lab): Promise<void> {
    const start = lastStart(lab)
    await until(lab, 'charter', (all) => all.every(({ status }) => (status?.plan ?? null) !== null))
    this.#chartered.push(uptime() - start)
    const active = await until(lab, 'activation', (all) =>
      all.every(({ status }) => status?.plan?.phase === 'active'),
    )
    const server = active.find(({ status }) => status?.assignment?.role === 'control-plane')?.name ?? ''
    const end = performance.now() + giveUpMs
    while ((await readEtcd(lab, server))?.voters.length !== 3) {
      if (performance.now() > end) throw new Error('etcd has no three started voters')
      await sleep(lookIntervalMs)
    }
    this.#active.push(uptime() - start)
  }

  async #idle(lab: Lab, seconds: number): Promise<void> {
    await countControl(lab)
    const begin = performance.now()
    const before = await controlBytes(lab)
    await sleep(seconds * 1_000)
    const after = await controlBytes(lab)
    const elapsed = (performance.now() - begin) / 1_000
    this.#traffic = after.map((bytes, index) => ((bytes - before[index]!) * 8) / elapsed / 1_000)
    this.#memory = lab.hosts.map((host) => residentMegabytes(agentPid(lab.state, host)))
  }
}

/** Kills the agent of the leader for good, orders a change of the spec, and waits until the others have the plan. */
async function timeOfSuccession(lab: Lab): Promise<number> {
  const before = await lab.status()
  const plan = await callAgent<PlanResource>(lab.socket(before[0]?.name ?? ''), 'GET', '/v1/plan')
  const leader = before.find(({ status }) => status?.nodeId === plan.certificate.proposer)?.name
  const other = before.find(({ name }) => name !== leader)?.name
  if (leader === undefined || other === undefined) throw new Error(`no host is ${plan.certificate.proposer}`)
  const key = join(lab.state.directory, 'operator.key')
  await lab.kill(leader)
  const death = performance.now()
  const order = ['muster', 'spec', 'set', 'k3s.disable=[traefik]', '--key', key]
  const { code, stderr } = await lab.exec(other, order)
  if (code !== 0) throw new Error(`the order was refused: ${stderr}`)
  await until(lab, 'the plan after the death of the leader', (all) =>
    all.every(
      ({ name, status }) => name === leader || (status?.plan?.generation ?? 0) > plan.summary.generation,
    ),
  )
  return (performance.now() - death) / 1_000
}

/** Asks all agents until it holds; throws with what they wait for if it never does. */
async function until(
  lab: Lab,
  what: string,
  holds: (all: readonly HostObservation[]) => boolean,
): Promise<readonly HostObservation[]> {
  const end = performance.now() + giveUpMs
  for (;;) {
    const all = await observeHosts(lab.state)
    if (holds(all)) return all
    if (performance.now() > end) {
      const words = all.map(({ name, status }) => `${name}: ${status?.waiting[0]?.message ?? status?.phase}`)
      throw new Error(`${what}: not after ${giveUpMs / 1_000} s\n${words.join('\n')}`)
    }
    await sleep(lookIntervalMs)
  }
}

/** `VmRSS`, in units of 10^6 bytes. */
function residentMegabytes(pid: number | undefined): number {
  const found = /^VmRSS:\s+(\d+) kB$/m.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))
  return (Number(found?.[1]) * 1_024) / 1_000_000
}
