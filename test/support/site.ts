import type { StatusResource } from '../../src/agent/api/resources.ts'
import type { Lab } from '../../src/lab/lab.ts'
import { createLab } from '../../src/lab/lab.ts'
import type { Finished } from '../../src/lab/run.ts'
import type { LabOptions } from '../../src/lab/up.ts'

/** What each host says of itself, by name. */
export type Said = ReadonlyMap<string, StatusResource>

/** One factor scales every time-out: machines differ 3 to 5 times in speed. */
export const timeFactor: number = Number(process.env['MUSTER_TEST_TIME_FACTOR'] ?? '1')

/** Runs a test on a lab of its own, which is gone afterwards, whatever happened. */
export async function withLab(options: LabOptions, test: (lab: Lab) => Promise<void>): Promise<void> {
  const lab = await createLab(options)
  try {
    await test(lab)
  } finally {
    await lab.down()
  }
}

/** What each host says of itself, by name. A silent agent is left out. */
export async function statuses(lab: Lab): Promise<Said> {
  const hosts = await lab.status()
  return new Map(
    hosts.flatMap((host) => (host.status === undefined ? [] : [[host.name, host.status] as const])),
  )
}

/** Waits until `done` holds for what the hosts say; throws with their last words if it never does. */
export async function until(
  lab: Lab,
  what: string,
  seconds: number,
  done: (said: Said) => boolean,
): Promise<Said> {
  const end = performance.now() + seconds * 1_000 * timeFactor
  for (;;) {
    const said = await statuses(lab)
    if (done(said)) return said
    if (performance.now() > end) {
      const words = [...said].map(
        ([name, status]) =>
          `${name}: ${status.phase} ${status.plan?.phase ?? 'no plan'} ${status.note} ${status.waiting[0]?.message ?? ''}`,
      )
      const logs = lab.hosts.map(({ name }) => `-- the last of ${name}'s log\n${lab.log(name, 8)}`)
      throw new Error(`${what}: not after ${seconds} s\n${[...words, ...logs].join('\n')}`)
    }
    await new Promise((resolve) => setTimeout(resolve, 250))
  }
}

/** Clusters that any host has a plan of. One lab must never have two. */
export function clustersOf(said: Said): ReadonlySet<string> {
  return new Set(
    [...said.values()].flatMap((status) => (status.plan === null ? [] : [status.plan.clusterId])),
  )
}

/** Role, name and addresses of every host, for comparing before and after. */
export function rolesOf(said: Said): ReadonlyMap<string, string> {
  return new Map(
    [...said].map(([name, { nodeId, assignment }]) => [
      name,
      `${nodeId} ${assignment?.role} ${assignment?.name} ${assignment?.address4} ${assignment?.address6}`,
    ]),
  )
}

/** Where commands can be run on hosts: a lab of namespaces, or of emulated machines. */
export interface Reachable {
  exec(host: string, command: readonly string[]): Promise<Finished>
}

/** Whether `from` reaches an overlay address. */
export async function pings(lab: Reachable, from: string, address: string): Promise<boolean> {
  for (let attempt = 0; attempt < 5; attempt++) {
    const { code } = await lab.exec(from, ['ping', '-c', '1', '-W', '2', address])
    if (code === 0) return true
  }
  return false
}

/** Addresses of all ordered pairs of hosts that do not reach each other over the overlay. */
export async function silentPairs(lab: Reachable, said: Said): Promise<readonly string[]> {
  const silent: string[] = []
  for (const from of said.keys()) {
    for (const [to, { assignment }] of said) {
      for (const address of [assignment?.address4, assignment?.address6]) {
        if (from === to || address === undefined) continue
        if (!(await pings(lab, from, address))) silent.push(`${from} to ${to} at ${address}`)
      }
    }
  }
  return silent
}
