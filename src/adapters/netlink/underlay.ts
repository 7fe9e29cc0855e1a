import type { RunProgram } from '../../core/ports.ts'

/** What `ip -json link` prints, as far as we read it. */
interface IpLink {
  readonly ifname?: string
  readonly flags?: readonly string[]
  readonly mtu?: number
}

/** Links that containers and the cluster make: no packet of the overlay goes over them to another machine. */
const madeHere = /^(cni\d|flannel|veth|docker|br-|virbr|cali|cilium|lxc|kube-|nodelocaldns|tunl\d|dummy)/

/**
 * The smallest MTU, in bytes, of the links that are up and lead to other machines; undefined where none is, or
 * where iproute2 is missing. Which link a packet takes is the routing table's matter, so the smallest counts.
 */
export async function smallestUnderlayMtu(
  run: RunProgram,
  excluded: readonly string[],
): Promise<number | undefined> {
  try {
    const { exitCode, stdout } = await run(['ip', '-json', 'link', 'show', 'up'], { timeoutMs: 5_000 })
    if (exitCode !== 0 || stdout.trim() === '') return undefined
    const mtus = (JSON.parse(stdout) as readonly IpLink[]).flatMap(({ ifname = '', flags = [], mtu }) => {
      const leadsOut = !flags.includes('LOOPBACK') && !excluded.includes(ifname) && !madeHere.test(ifname)
      return leadsOut && mtu !== undefined && ifname !== '' ? [mtu] : []
    })
    return mtus.length === 0 ? undefined : Math.min(...mtus)
  } catch {
    // Without `ip` the overlay cannot come up either, and says so itself.
    return undefined
  }
}
