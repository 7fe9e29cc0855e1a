import { tcp } from '@libp2p/tcp'
import type { TCPComponents, TCPOptions } from '@libp2p/tcp'
import { TimeoutError, transportSymbol } from '@libp2p/interface'
import type {
  Connection,
  CreateListenerOptions,
  DialTransportOptions,
  Listener,
  Transport,
  Upgrader,
} from '@libp2p/interface'
import type { Multiaddr } from '@multiformats/multiaddr'
import type { Server, Socket } from 'node:net'

/**
 * TCP that can use IPv6 link-local addresses. `@libp2p/tcp` 11 drops the zone of `/ip6zone/eth0/ip6/fe80::1`
 * when it dials (the kernel then answers EINVAL), and refuses inbound sockets whose remote address has one.
 * A link without router or DHCP has no other addresses, so both are mended here; all else is its own work.
 *
 * An address where nobody answers is given up after `connectTimeoutMs`. It is the kernel that answers, however busy its
 * machine is, so this can be short where the handshake that follows needs long.
 */
export function linkLocalTcp(
  connectTimeoutMs: number,
  options: TCPOptions = {},
): (components: TCPComponents) => Transport {
  return (components) => new LinkLocalTcp(tcp(options)(components), connectTimeoutMs)
}

/** Dial options with the host that Node's `net.connect` is to use instead of the multiaddr's. */
type ZonedDialOptions = DialTransportOptions & { readonly host?: string }

class LinkLocalTcp implements Transport {
  readonly [transportSymbol] = true as const
  readonly [Symbol.toStringTag] = 'muster-tcp'
  readonly #inner: Transport
  readonly #connectTimeoutMs: number

  constructor(inner: Transport, connectTimeoutMs: number) {
    this.#inner = inner
    this.#connectTimeoutMs = connectTimeoutMs
  }

  async dial(address: Multiaddr, options: DialTransportOptions): Promise<Connection> {
    const host = zonedHost(address)
    const connecting = new AbortController()
    const timer = setTimeout(
      () => connecting.abort(new TimeoutError(`no connection within ${this.#connectTimeoutMs} ms`)),
      this.#connectTimeoutMs,
    )
    const bounded: ZonedDialOptions = {
      ...options,
      ...(host === undefined ? {} : { host }),
      signal: AbortSignal.any([options.signal, connecting.signal]),
      upgrader: toldOfConnections(options.upgrader, () => clearTimeout(timer)),
    }
    try {
      return await this.#inner.dial(address, bounded)
    } finally {
      clearTimeout(timer)
    }
  }

  createListener(options: CreateListenerOptions): Listener {
    const listener = this.#inner.createListener(options)
    const server = (listener as unknown as { readonly server?: Server }).server
    server?.prependListener('connection', hideZone)
    return listener
  }

  listenFilter(addresses: Multiaddr[]): Multiaddr[] {
    return this.#inner.listenFilter(addresses)
  }

  dialFilter(addresses: Multiaddr[]): Multiaddr[] {
    return this.#inner.dialFilter(addresses)
  }
}

/** An upgrader that calls back when the transport hands it a connection. */
function toldOfConnections(upgrader: Upgrader, connected: () => void): Upgrader {
  const upgradeOutbound: Upgrader['upgradeOutbound'] = (connection, options) => {
    connected()
    return upgrader.upgradeOutbound(connection, options)
  }
  return Object.create(upgrader, { upgradeOutbound: { value: upgradeOutbound } }) as Upgrader
}

function zonedHost(address: Multiaddr): string | undefined {
  const [first, second] = address.getComponents()
  return first?.name === 'ip6zone' && second?.name === 'ip6' ? `${second.value}%${first.value}` : undefined
}

/** Lets libp2p make a multiaddr of `fe80::1%eth0`; the socket is connected, so the zone is not needed again. */
function hideZone(socket: Socket): void {
  const [address, zone] = socket.remoteAddress?.split('%') ?? []
  if (zone !== undefined) Object.defineProperty(socket, 'remoteAddress', { value: address })
}
