import { randomBytes } from 'node:crypto'
import { existsSync } from 'node:fs'
import { join } from 'node:path'
import { createClock } from './adapters/clock.ts'
import type { Clock } from './adapters/clock.ts'
import { createCrypto } from './adapters/crypto.ts'
import { generateSeed, identityFromSeed } from './adapters/crypto/identity.ts'
import { runProgram } from './adapters/exec.ts'
import { readFacts } from './adapters/facts.ts'
import { createK3s } from './adapters/k3s/k3s.ts'
import { nodePasswordOf } from './adapters/k3s/node-password.ts'
import { createNetwork } from './adapters/libp2p/index.ts'
import { createLinks } from './adapters/netlink/links.ts'
import { smallestUnderlayMtu } from './adapters/netlink/underlay.ts'
import { processServices } from './adapters/service/processes.ts'
import { systemdServices } from './adapters/service/systemd.ts'
import { openState } from './adapters/store/open-state.ts'
import { createServiceNotifier } from './adapters/systemd/notify.ts'
import type { ServiceNotifier } from './adapters/systemd/notify.ts'
import { createOverlayDevice } from './adapters/tun/overlay-device.ts'
import type { Logger } from './adapters/log.ts'
import type { AgentConfig } from './config/index.ts'
import { birthDigest } from './core/identity/birth.ts'
import { bootCodec, nextBoot } from './core/identity/boot.ts'
import type { BootRecord } from './core/identity/boot.ts'
import type { Crypto } from './core/model/crypto.ts'
import { decodeTree, list, struct, text } from './core/model/codec.ts'
import type { Hash, NodeId } from './core/model/ids.ts'
import { shortId } from './core/model/ids.ts'
import type { NodeFacts } from './core/model/member.ts'
import type { Distribution, Network, OverlayDevice, PeerAddress, Store, StoredState } from './core/ports.ts'
import type { NetworkKeys } from './core/token/key-schedule.ts'
import { protocolVersion, version } from './version.ts'

/** What the composition starts from. */
export interface ComponentsInit {
  readonly config: AgentConfig
  readonly keys: NetworkKeys
  /** Prefix of all paths; empty on a machine, a directory for a host of the lab. */
  readonly root: string
  /** Who runs k3s. */
  readonly services: 'systemd' | 'process'
  /** Path of the k3s binary. */
  readonly k3sPath: string
  readonly hostname: string | undefined
  /** Peers named by the token, beside those of the configuration. */
  readonly tokenPeers: readonly string[]
  readonly logger: Logger
}

/** Everything the agent runs with: one plain object of ports, and what was found at the start. */
export interface Components {
  readonly clock: Clock
  readonly crypto: Crypto
  readonly store: Store
  /** The end of a quarantine: the identity is kept, or put aside. */
  readonly identity: { keep(): Promise<void>; abandon(): Promise<void> }
  readonly network: Network
  readonly overlay: OverlayDevice
  readonly distribution: Distribution
  readonly notifier: ServiceNotifier
  readonly self: NodeId
  readonly facts: NodeFacts
  readonly birth: Hash
  readonly boot: BootRecord
  readonly stored: StoredState
  readonly entropy: Uint8Array
  /** Smallest MTU of the machine's own links; undefined where it is not known. */
  readonly underlayMtu: number | undefined
  readonly overlayPort: number
  readonly overlayKey: string
  /** Why the identity is in doubt; undefined when it is not. */
  readonly quarantine: string | undefined
  /** Lets go of the state directory and of what watches processes. */
  close(): Promise<void>
}

export { tokenPrimitives } from './adapters/crypto.ts'
export { isStreamFault } from './adapters/libp2p/index.ts'
export { createLogger } from './adapters/log.ts'
export type { LogFormat, Logger } from './adapters/log.ts'

const rememberedCodec = struct({
  peers: list(struct({ id: text(64), endpoints: list(text(256), 16) }), 64),
})

/** The composition root: the only place that knows every adapter. */
export async function createComponents(init: ComponentsInit): Promise<Components> {
  const { config, keys, root, logger } = init
  const stateDirectory = join(root, config.stateDirectory)
  const clock = createClock()
  const machine = readFacts({
    ...(root === '' ? {} : { root }),
    ...(init.hostname === undefined ? {} : { hostname: init.hostname }),
    excludedLinks: [config.overlay.device],
    statePath: root === '' ? '/var' : root,
  })
  const opened = await openState({
    directory: stateDirectory,
    birth: machine.birth,
    createSeed: generateSeed,
  })
  if (opened.loss !== undefined) logger.error({ reason: 'IdentityLost' }, opened.loss.reason)
  for (const repair of opened.repairs) logger.warn({ reason: 'StateRepaired' }, repair)
  try {
    return await compose()
  } catch (error) {
    await opened.store.close()
    throw error
  }

  async function compose(): Promise<Components> {
    const stored = await opened.store.load()
    const identity = identityFromSeed(opened.seed)
    const self = identity.nodeId
    const crypto = createCrypto({ identity })
    const previous = stored.values.boot === undefined ? undefined : decodeTree(bootCodec, stored.values.boot)
    const boot = nextBoot(previous, randomBytes(16).toString('hex'))
    const remembered: readonly PeerAddress[] =
      stored.values.peers === undefined ? [] : decodeTree(rememberedCodec, stored.values.peers).peers
    logger.info(
      { reason: 'Identity', nodeId: self, boot: boot.counter },
      `${opened.created ? 'a new identity' : 'the identity of before'}: ${shortId(self)}`,
    )
    const network = await createNetwork(
      { logger },
      {
        identitySeed: opened.seed,
        keys: {
          discoveryTag: keys.discoveryTag,
          noisePrologue: keys.prologue,
          rendezvous: Buffer.from(keys.rendezvous).toString('hex'),
          admissionKey: keys.admissionKey,
        },
        listenPort: config.listen.port,
        staticPeers: [...config.discovery.staticPeers, ...init.tokenPeers],
        remembered,
        discovery: config.discovery,
        protocolVersion,
        excludeDevices: [config.overlay.device],
      },
    )
    const links = createLinks({ run: runProgram })
    const overlay = createOverlayDevice(
      { links, clock },
      {
        psk: keys.overlayKey,
        self,
        port: config.listen.overlayPort,
        device: config.overlay.device,
        onEvent: ({ level, reason, message }) => logger[level]({ reason }, message),
      },
    )
    const [{ port: overlayPort, publicKey: overlayKey }, underlayMtu] = await Promise.all([
      overlay.start(),
      smallestUnderlayMtu(runProgram, [config.overlay.device]),
    ])
    const host = machine.facts.hostname
    const services =
      init.services === 'process'
        ? processServices({ directory: join(root, 'var/lib/muster-services'), host })
        : { ...systemdServices({ exec: runProgram }), close: () => undefined }
    const distribution = createK3s(
      { services, exec: runProgram, wallClock: () => new Date() },
      {
        binary: init.k3sPath,
        root,
        nodePassword: nodePasswordOf(opened.seed),
        environment: { MUSTER_HOST: host },
        serverEnvironment: config.k3s.serverEnvironment,
        agentEnvironment: config.k3s.agentEnvironment,
      },
    )
    const facts: NodeFacts = {
      ...machine.facts,
      zone: config.zone,
      roles: config.roles,
      durable: !existsSync(join(root, 'run/muster/live')),
      version,
      k3sVersion: config.k3s.enabled ? ((await distribution.version()) ?? '') : '',
    }
    return {
      clock,
      crypto,
      store: opened.store,
      identity: {
        keep: () => opened.store.adoptBirth(machine.birth),
        abandon: () => opened.store.abandon(),
      },
      network,
      overlay,
      distribution,
      notifier: createServiceNotifier(),
      self,
      facts,
      birth: birthDigest(machine.birth, crypto),
      boot,
      stored,
      entropy: randomBytes(32),
      underlayMtu,
      overlayPort,
      overlayKey,
      quarantine: opened.decision.kind === 'quarantine' ? opened.decision.reason : undefined,
      close: async () => {
        services.close()
        await opened.store.close()
      },
    }
  }
}
