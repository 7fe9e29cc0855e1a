import { fileURLToPath } from 'node:url'
import type { Lab } from '../../../src/lab/lab.ts'
import { isAlive } from '../../../src/lab/processes.ts'
import type { Finished } from '../../../src/lab/run.ts'
import { type Said, timeFactor } from '../../support/site.ts'

/** The program that asks: runs on the host. */
export const etcdProbe: string = fileURLToPath(new URL('../fixtures/etcd-probe.ts', import.meta.url))

/** What one etcd says of itself and of its cluster. */
export interface EtcdAnswer {
  readonly clusterId: string
  /** `id name address`, ` learner` and ` not started` where it is so; sorted. */
  readonly members: readonly string[]
  /** Overlay addresses of the started voters, sorted. */
  readonly voters: readonly string[]
}

/** Where etcd runs: hosts that commands can be run on, and how each one's etcd is asked. */
export interface EtcdSite {
  readonly switchedOn: () => readonly string[]
  readonly exec: (host: string, command: readonly string[]) => Promise<Finished>
  /** Runs the probe on a host. */
  readonly probe: (host: string) => Promise<Finished>
}

/** A lab of namespaces as a place where etcd runs. */
function siteOf(lab: Lab): EtcdSite {
  const rootOf = (host: string): string => lab.hosts.find((one) => one.name === host)?.root ?? ''
  return {
    switchedOn: () => lab.hosts.filter(({ init }) => isAlive(init)).map(({ name }) => name),
    exec: (host, command) => lab.exec(host, command),
    probe: (host) => lab.exec(host, [process.execPath, etcdProbe, rootOf(host)]),
  }
}

/** Asks the etcd of a host, after a linearizable read. Undefined: none there, or no quorum. */
export async function readEtcd(lab: Lab, host: string): Promise<EtcdAnswer | undefined> {
  return askEtcd(siteOf(lab), host)
}

async function askEtcd(site: EtcdSite, host: string): Promise<EtcdAnswer | undefined> {
  const { code, stdout } = await site.probe(host)
  if (code !== 0) return undefined
  const { header, members } = JSON.parse(stdout) as {
    readonly header: { readonly cluster_id: string }
    readonly members: readonly {
      readonly ID: string
      readonly name?: string
      readonly peerURLs: readonly string[]
      readonly isLearner?: boolean
    }[]
  }
  const seen = members.map((member) => ({
    ...member,
    address: new URL(member.peerURLs[0] ?? 'https://none').hostname,
    learner: member.isLearner === true,
    started: (member.name ?? '') !== '',
  }))
  return {
    clusterId: header.cluster_id,
    members: seen
      .map(
        ({ ID, name, address, learner, started }) =>
          `${ID} ${name ?? ''} ${address}${learner ? ' learner' : ''}${started ? '' : ' not started'}`,
      )
      .toSorted(),
    voters: seen
      .filter(({ learner, started }) => started && !learner)
      .map(({ address }) => address)
      .toSorted(),
  }
}

/** Hosts on which a process of etcd runs, whatever the agents say; sorted. */
async function runningEtcds(site: EtcdSite): Promise<readonly string[]> {
  const switchedOn = site.switchedOn()
  const running = await Promise.all(
    switchedOn.map(async (host) => {
      const listed = await site.exec(host, ['sh', '-c', 'cat /proc/[0-9]*/comm 2>/dev/null'])
      return listed.stdout.split('\n').includes('etcd')
    }),
  )
  return switchedOn.filter((_, index) => running[index]).toSorted()
}

/**
 * Waits until etcd is one cluster of exactly these servers: it runs on each of them and on no other host, each of
 * them answers with a quorum behind it, all name one cluster id and one member list, and the members are exactly
 * the servers' overlay addresses, all started, none a learner. Returns that one cluster id. Throws at once where
 * two etcd clusters answer, and with what is lacking where the time is over.
 */
export async function oneEtcd(lab: Lab, said: Said, seconds = 90): Promise<string> {
  return oneEtcdAt(siteOf(lab), said, seconds)
}

/** The same, wherever etcd runs. */
export async function oneEtcdAt(site: EtcdSite, said: Said, seconds: number): Promise<string> {
  const servers = [...said].filter(([, status]) => status.assignment?.role === 'control-plane')
  const addresses = servers.map(([, status]) => status.assignment!.address4).toSorted()
  const names = servers.map(([host]) => host).toSorted()
  const end = performance.now() + seconds * 1_000 * timeFactor
  for (;;) {
    const running = await runningEtcds(site)
    const answers = new Map<string, EtcdAnswer | undefined>()
    for (const host of running) answers.set(host, await askEtcd(site, host))
    const clusters = new Set([...answers.values()].flatMap((answer) => answer?.clusterId ?? []))
    const [clusterId] = clusters
    if (clusters.size > 1) throw new Error(`two etcd clusters: ${JSON.stringify([...answers])}`)
    const whole =
      `${running}` === `${names}` &&
      [...answers.values()].every(
        (answer) =>
          answer !== undefined &&
          `${answer.voters}` === `${addresses}` &&
          answer.members.length === addresses.length &&
          `${answer.members}` === `${[...answers.values()][0]?.members}`,
      )
    if (whole && clusterId !== undefined) return clusterId
    if (performance.now() > end) {
      const seen = [...answers].map(([host, answer]) => `${host}: ${JSON.stringify(answer)}`).join('\n')
      throw new Error(`etcd is not one cluster of ${names} at ${addresses}: runs on ${running}\n${seen}`)
    }
    await new Promise((resolve) => setTimeout(resolve, 1_000))
  }
}
