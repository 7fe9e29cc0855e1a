import { isIPv4 } from 'node:net'
import { accessKeyOf, apiPort, overlayDeviceName } from '../../core/k3s/files.ts'
import type { ApiAccess } from '../../core/k3s/types.ts'
import type { RunProgram } from '../../core/ports.ts'
import { MusterError } from '../../errors.ts'

const chain = 'inet muster k3s_api'
/** The API, and etcd's client and peer ports: k3s binds the first one everywhere. */
const etcdPorts = '2379, 2380'

/**
 * The door of the API (S14): until `active` only this machine and the team's overlay addresses come in;
 * afterwards everybody reaches the API, and etcd is for the overlay alone. One nftables chain in the table
 * `muster`, replaced in one transaction. Throws ERR_API_GUARD.
 */
export async function setAccess(exec: RunProgram, access: ApiAccess): Promise<void> {
  const result = await runNft(exec, ['-f', '-'], rulesFor(access))
  if (result.exitCode !== 0) throw new MusterError('ERR_API_GUARD', { detail: result.stderr.trim() })
}

/** `accessKeyOf` the rule in place; empty where there is none or nothing that can be asked. */
export async function readAccess(exec: RunProgram): Promise<string> {
  try {
    const result = await runNft(exec, ['list', 'chain', ...chain.split(' ')], '')
    return result.exitCode === 0 ? (/comment "access ([\w-]+)"/.exec(result.stdout)?.[1] ?? '') : ''
  } catch (error) {
    if (error instanceof MusterError) return ''
    throw error
  }
}

/** What was read of the firewall is believed for so long. */
const accessLastsMs = 15_000

/** The door with a memory: it is asked at every look at k3s, and reading it starts a program. */
export class ApiDoor {
  readonly #exec: RunProgram
  #known: { readonly key: string; readonly untilMs: number } | undefined
  /** How often it was set: what was read before that is past. */
  #sets = 0

  constructor(exec: RunProgram) {
    this.#exec = exec
  }

  /** Throws ERR_API_GUARD. */
  async set(access: ApiAccess): Promise<void> {
    try {
      await setAccess(this.#exec, access)
    } finally {
      this.#sets += 1
      this.#known = undefined
    }
  }

  /** `accessKeyOf` the rule in place, read again now and then: somebody may have flushed the firewall. */
  async read(): Promise<string> {
    if (this.#known !== undefined && performance.now() < this.#known.untilMs) return this.#known.key
    const sets = this.#sets
    const key = await readAccess(this.#exec)
    if (sets === this.#sets) this.#known = { key, untilMs: performance.now() + accessLastsMs }
    return key
  }
}

async function runNft(exec: RunProgram, args: readonly string[], input: string): ReturnType<RunProgram> {
  try {
    return await exec(['nft', ...args], { input, timeoutMs: 10_000 })
  } catch (cause) {
    const detail = cause instanceof Error ? cause.message : String(cause)
    throw new MusterError('ERR_API_GUARD', { detail }, { cause })
  }
}

/** The nftables script of an access. */
export function rulesFor(access: ApiAccess): string {
  const guarded = access === 'all' ? etcdPorts : `${apiPort}, ${etcdPorts}`
  const accepted =
    access === 'all'
      ? [`iifname "${overlayDeviceName}" accept`]
      : [
          ...saddr('ip', access.filter(isIPv4)),
          ...saddr(
            'ip6',
            access.filter((address) => !isIPv4(address)),
          ),
        ]
  const rules = [
    'iifname "lo" accept',
    // `tcp dport` matches TCP alone: without this line everything else would run into the drop below.
    'meta l4proto != tcp accept',
    `tcp dport != { ${guarded} } accept`,
    ...accepted,
    `counter drop comment "access ${accessKeyOf(access)}"`,
  ]
  return [
    'add table inet muster',
    `add chain ${chain} { type filter hook input priority -5; policy accept; }`,
    `flush chain ${chain}`,
    ...rules.map((rule) => `add rule ${chain} ${rule}`),
    '',
  ].join('\n')
}

function saddr(family: 'ip' | 'ip6', addresses: readonly string[]): readonly string[] {
  return addresses.length === 0 ? [] : [`${family} saddr { ${addresses.join(', ')} } accept`]
}
