import { networkInterfaces } from 'node:os'
import type { LinkIntent, LinkReport, Links } from '../../core/overlay/links.ts'
import { sameIp } from '../../core/overlay/ip-bytes.ts'
import type { ProgramResult, RunProgram } from '../../core/ports.ts'
import { MusterError } from '../../errors.ts'
import type { LinkAddress, LinkState } from './link-plan.ts'
import { planLinkChanges } from './link-plan.ts'

/** What `ip -json` prints, as far as we read it. Everything may be missing in an older version. */
interface IpLink {
  readonly ifname?: string
  readonly flags?: readonly string[]
  readonly mtu?: number
  readonly addr_info?: readonly {
    readonly local?: string
    readonly prefixlen?: number
    readonly scope?: string
  }[]
}

interface IpRoute {
  readonly dst?: string
}

/** Links by iproute2's `ip`, in the network namespace of this process. */
export function createLinks(components: { readonly run: RunProgram }): Links {
  return new IpLinks(components.run)
}

class IpLinks implements Links {
  readonly #run: RunProgram

  constructor(run: RunProgram) {
    this.#run = run
  }

  async configure(intent: LinkIntent): Promise<LinkReport> {
    const changes: string[] = []
    const problems: string[] = []
    const state = await this.#inspect(intent.device)
    for (const change of planLinkChanges(state, intent)) {
      const result = await this.#run(['ip', ...change.arguments])
      if (result.exitCode === 0) changes.push(change.what)
      else if (change.arguments.some((argument) => argument.includes(':')) && isIpv6Off(result))
        problems.push(`IPv6 is switched off on ${intent.device}: no ${intent.address6}`)
      else throw failure(intent.device, result)
    }
    return { changes, problems }
  }

  isConfigured(intent: LinkIntent): boolean {
    const found = networkInterfaces()[intent.device] ?? []
    return [
      { address: intent.address4, prefixLength: intent.prefix4 },
      { address: intent.address6, prefixLength: intent.prefix6 },
    ].every((wish) =>
      found.some(
        ({ address, cidr }) => sameIp(address, wish.address) && cidr?.endsWith(`/${wish.prefixLength}`),
      ),
    )
  }

  async #inspect(device: string): Promise<LinkState> {
    const links = await this.#ask<IpLink>(device, ['address', 'show', 'dev', device])
    // Some versions print an empty object for what a filter left out.
    const link = links.find((entry) => entry.ifname === device)
    if (link === undefined) throw new MusterError('ERR_OVERLAY_DEVICE', { device, detail: 'it is not there' })
    const routes4 = await this.#ask<IpRoute>(device, ['-4', 'route', 'show', 'dev', device])
    const routes6 = await this.#ask<IpRoute>(device, ['-6', 'route', 'show', 'dev', device])
    return {
      device,
      up: link.flags?.includes('UP') ?? false,
      mtu: link.mtu ?? 0,
      addresses: (link.addr_info ?? []).flatMap((entry): LinkAddress[] =>
        entry.local === undefined || entry.prefixlen === undefined || entry.scope === 'link'
          ? []
          : [{ address: entry.local, prefixLength: entry.prefixlen }],
      ),
      routes: [...routes4, ...routes6].flatMap(({ dst }) => (dst === undefined ? [] : [dst])),
    }
  }

  async #ask<T>(device: string, command: readonly string[]): Promise<readonly T[]> {
    const result = await this.#run(['ip', '-json', ...command])
    if (result.exitCode !== 0) throw failure(device, result)
    const text = result.stdout.trim()
    return text === '' ? [] : (JSON.parse(text) as readonly T[])
  }
}

/** A kernel with IPv6 compiled out, or `disable_ipv6` set for the link. */
function isIpv6Off(result: ProgramResult): boolean {
  return /permission denied|not supported|ipv6 is disabled/i.test(result.stderr)
}

function failure(device: string, result: ProgramResult): MusterError {
  const detail = result.stderr.trim().split('\n').at(-1) ?? ''
  return new MusterError('ERR_OVERLAY_DEVICE', {
    device,
    detail: detail === '' ? `ip ended with exit code ${result.exitCode}` : detail,
  })
}
