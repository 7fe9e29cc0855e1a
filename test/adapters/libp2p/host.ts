// What the specs of this folder share: starting a real host in a namespace and waiting for its events.
import { fileURLToPath } from 'node:url'
import type { NetworkEvent, PeerStatus } from '../../../src/core/ports.ts'
import type { NetHost, NetProcess } from '../../support/netns.ts'
import type { ChildInit, Command } from './network-child.ts'

const program = fileURLToPath(new URL('network-child.ts', import.meta.url))

/** A real host under test. */
export interface TestHost {
  readonly id: string
  readonly process: NetProcess
  tell(command: Command): void
  /** The first event of a kind (after line `from`) that matches. */
  event<K extends NetworkEvent['kind']>(
    kind: K,
    match?: (event: Extract<NetworkEvent, { kind: K }>) => boolean,
    timeoutMs?: number,
    from?: number,
  ): Promise<Extract<NetworkEvent, { kind: K }> & { readonly atMs: number }>
  /** Asks for `peers()` until it is as it should be. */
  status(what: string, match: (peers: readonly PeerStatus[]) => boolean): Promise<readonly PeerStatus[]>
  /** All events of a kind so far. */
  seen<K extends NetworkEvent['kind']>(kind: K): readonly Extract<NetworkEvent, { kind: K }>[]
}

/** Starts a host; by default every means of discovery but the DHT is on. */
export async function startHost(
  net: NetHost,
  node: number,
  init: Partial<ChildInit> = {},
): Promise<TestHost> {
  const full: ChildInit = {
    node,
    token: 'one',
    listenPort: 4_710,
    staticPeers: [],
    remembered: [],
    discovery: { mdns: true, beacon: true, dht: false },
    protocolVersion: 1,
    excludeDevices: ['muster0'],
    ...init,
  }
  const child = net.node(program, JSON.stringify(full))
  const id = await child.until('a started host', (line) => (line as { ready?: string }).ready, 20_000)
  return {
    id,
    process: child,
    tell: (command) => child.tell(command),
    event: (kind, match, timeoutMs, from) =>
      child.until(
        `event ${kind}`,
        (line) => {
          const event = line as Extract<NetworkEvent, { kind: typeof kind }> & { readonly atMs: number }
          return event.kind === kind && (match?.(event) ?? true) ? event : undefined
        },
        timeoutMs,
        from,
      ),
    status: async (what, match) => {
      const ask = setInterval(() => child.tell({ do: 'peers' }), 200)
      try {
        return await child.until(what, (line) => {
          const peers = (line as { readonly peers?: readonly PeerStatus[] }).peers
          return peers !== undefined && match(peers) ? peers : undefined
        })
      } finally {
        clearInterval(ask)
      }
    },
    seen: (kind) => child.lines.filter((line) => (line as { kind?: string }).kind === kind) as never,
  }
}

/** Discovery with only one means on. */
export function only(means: 'mdns' | 'beacon' | 'dht' | 'none'): {
  mdns: boolean
  beacon: boolean
  dht: boolean
} {
  return { mdns: means === 'mdns', beacon: means === 'beacon', dht: means === 'dht' }
}
