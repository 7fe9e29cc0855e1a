import { identify } from '@libp2p/identify'
import type { Libp2p } from '@libp2p/interface'
import { ping } from '@libp2p/ping'
import { yamux } from '@libp2p/yamux'
import type { Multiaddr } from '@multiformats/multiaddr'
import { createLibp2p } from 'libp2p'
import { createServer } from 'node:net'
import type { AddressInfo } from 'node:net'
import { MusterError } from '../../errors.ts'
import { hostKey } from './host-key.ts'
import { linkLocalTcp } from './link-local-tcp.ts'
import { libp2pLogger } from './settings.ts'
import type { NetworkInit, NetworkLimits, NetworkLogger } from './settings.ts'
import { watchedNoise } from './watched-noise.ts'
import type { HandshakeFailure } from './watched-noise.ts'

/** Silence is the link's own business (it asks for signs of life), so the layers below must not hang up first. */
const inactivityMs = 3_600_000

/** What the composition asks back while it runs. */
export interface HostHooks {
  readonly onHandshakeFailure: HandshakeFailure
  /** True for addresses of the machine's own underlay. */
  readonly announced: (address: Multiaddr) => boolean
  /** False for addresses inside the overlay. */
  readonly usable: (address: Multiaddr) => boolean
}

/** The libp2p host and what it listens on. */
export interface Host {
  readonly libp2p: Libp2p
  readonly port: number
}

/**
 * Composes and starts libp2p: TCP (link-local too), Noise with the token's prologue, Yamux, identify and,
 * where some address is known to begin with, the private DHT. Throws ERR_PORT_IN_USE.
 */
export async function startHost(
  init: NetworkInit,
  listenPort: number,
  limits: NetworkLimits,
  hooks: HostHooks,
  logger: NetworkLogger,
): Promise<Host> {
  const port = listenPort === 0 ? await freePort() : listenPort
  await assertFree(port)
  const announceFilter = (addresses: Multiaddr[]): Multiaddr[] => addresses.filter(hooks.announced)
  const libp2p = await createLibp2p({
    start: false,
    logger: libp2pLogger(logger),
    privateKey: hostKey(init.identitySeed),
    // A stranger that got so far learns the agent's version from its own identify; nothing else is said.
    nodeInfo: { name: 'muster', version: String(init.protocolVersion), userAgent: 'muster' },
    addresses: { listen: [`/ip4/0.0.0.0/tcp/${port}`, `/ip6/::/tcp/${port}`], announceFilter },
    transports: [
      linkLocalTcp(limits.connectTimeoutMs, {
        inboundSocketInactivityTimeout: inactivityMs,
        outboundSocketInactivityTimeout: inactivityMs,
      }),
    ],
    connectionEncrypters: [watchedNoise(init.keys.noisePrologue, hooks.onHandshakeFailure)],
    streamMuxers: [
      yamux({
        enableKeepAlive: false,
        maxInboundStreams: 128,
        streamOptions: { inactivityTimeout: inactivityMs },
      }),
    ],
    connectionManager: {
      maxConnections: limits.connectionsMax,
      inboundConnectionThreshold: limits.inboundPerSecondMax,
      maxIncomingPendingConnections: limits.inboundPendingMax,
      maxParallelDials: limits.dialsParallelMax,
      dialTimeout: limits.dialTimeoutMs,
      addressDialTimeout: limits.dialTimeoutMs / 2,
      inboundUpgradeTimeout: limits.handshakeTimeoutMs,
      inboundStreamProtocolNegotiationTimeout: limits.handshakeTimeoutMs,
      outboundStreamProtocolNegotiationTimeout: limits.handshakeTimeoutMs,
      reconnectRetries: 0,
    },
    // Pings every connection every 10 s, each on a new stream: 64 kbit/s with a hundred peers.
    connectionMonitor: { enabled: false },
    connectionGater: {
      denyDialMultiaddr: (address) => !hooks.usable(address),
      denyInboundConnection: (connection) => !hooks.usable(connection.remoteAddr),
    },
    services: {
      identify: identify({ runOnConnectionOpen: true, timeout: limits.handshakeTimeoutMs }),
      ping: ping(),
      ...(await dhtService(init)),
    },
  })
  try {
    await libp2p.start()
  } catch (error) {
    await libp2p.stop()
    throw startFailure(error, port)
  }
  return { libp2p, port }
}

/** Protocol id of this network's own DHT. */
export function dhtProtocol(init: NetworkInit): string {
  return `/muster/${init.keys.discoveryTag}/kad/1`
}

/** True if there is anybody to ask: a DHT finds nobody without one address, and costs memory and traffic. */
export function wantsDht(init: NetworkInit): boolean {
  return init.discovery.dht && (init.staticPeers.length > 0 || init.remembered.length > 0)
}

async function dhtService(init: NetworkInit): Promise<object> {
  if (!wantsDht(init)) return {}
  const { kadDHT, passthroughMapper } = await import('@libp2p/kad-dht')
  return {
    dht: kadDHT({
      protocol: dhtProtocol(init),
      clientMode: false,
      // Its default drops private addresses: here they are the ones that matter.
      peerInfoMapper: passthroughMapper,
      allowQueryWithZeroPeers: true,
      querySelfInterval: 600_000,
      reprovide: { interval: 3_600_000 },
      // Tables of hundreds, not millions: less to refresh, less traffic when idle.
      kBucketSize: 20,
      alpha: 3,
      logPrefix: 'dht',
    }),
  }
}

async function freePort(): Promise<number> {
  const server = createServer()
  await listen(server, 0)
  const { port } = server.address() as AddressInfo
  await new Promise((resolve) => server.close(resolve))
  return port
}

/** libp2p passes over an IPv6 port that is taken when IPv4 works; a second agent would then be half there. */
async function assertFree(port: number): Promise<void> {
  const server = createServer()
  try {
    await listen(server, port)
    await new Promise((resolve) => server.close(resolve))
  } catch (error) {
    throw startFailure(error, port)
  }
}

function listen(server: ReturnType<typeof createServer>, port: number): Promise<void> {
  return new Promise((resolve, reject) => {
    server.once('error', reject)
    server.listen(port, resolve)
  })
}

function startFailure(error: unknown, port: number): unknown {
  if (!String(error).includes('EADDRINUSE')) return error
  return new MusterError('ERR_PORT_IN_USE', { address: `TCP port ${port}` }, { cause: error })
}
