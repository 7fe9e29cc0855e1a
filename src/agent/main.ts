import { existsSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import type { Components, LogFormat, Logger } from '../components.ts'
import { createComponents, createLogger, isStreamFault, tokenPrimitives } from '../components.ts'
import type { AgentConfig } from '../config/index.ts'
import { formatDiagnostic, readConfig, renderTemplate } from '../config/index.ts'
import { systemPaths } from '../core/install/layout.ts'
import { defaultSpec } from '../core/model/spec.ts'
import type { BootstrapSetting, ClusterSpec } from '../core/model/spec.ts'
import { overlayMtu, underlayMtuDefault } from '../core/overlay/mtu.ts'
import { ClusterNode } from '../core/node.ts'
import { deriveKeys } from '../core/token/key-schedule.ts'
import { parseToken } from '../core/token/text.ts'
import type { NetworkToken } from '../core/token/token.ts'
import { errorText, MusterError } from '../errors.ts'
import { Agent } from './agent.ts'
import { readConfigFiles } from './config-files.ts'
import { ApiServer } from './api/server.ts'

/** How `muster agent` was called. */
export interface AgentOptions {
  /** Cloud-config files; empty: every `*.yaml` and `*.yml` below `/etc/muster`, in alphabetical order. */
  readonly configFiles: readonly string[]
  /** Prefix of all paths; empty on a machine. */
  readonly root: string
  /** Path of the k3s binary; undefined: what the configuration says. */
  readonly k3sPath: string | undefined
  /** Who runs k3s. */
  readonly services: 'systemd' | 'process'
  readonly logFormat: LogFormat
}

/** Runs the agent until the signal aborts; then it goes down in an orderly way. */
export async function runAgent(options: AgentOptions, signal: AbortSignal): Promise<void> {
  const config = loadConfig(options)
  const logger = createLogger(config.logLevel, options.logFormat)
  const token = loadToken(config, options.root)
  const keys = deriveKeys(token.secret, tokenPrimitives)
  const components = await createComponents({
    config,
    keys,
    root: options.root,
    services: options.services,
    k3sPath: options.k3sPath ?? config.k3s.path,
    hostname: hostnameOf(config, options.root),
    tokenPeers: token.bootstrapPeers,
    logger,
  })
  const node = new ClusterNode({
    self: components.self,
    crypto: components.crypto,
    networkId: keys.networkId,
    prefix6: keys.prefix6,
    operatorKey: token.operatorKey,
    bootstrap: bootstrapOf(config, token),
    bootstrapDelayMs: config.bootstrapDelayMs,
    spec: specOf(config, token),
    facts: components.facts,
    birth: components.birth,
    boot: components.boot,
    entropy: components.entropy,
    stored: components.stored,
    overlay: {
      device: config.overlay.device,
      mtu: config.overlay.mtu ?? overlayMtu(components.underlayMtu ?? underlayMtuDefault),
      port: components.overlayPort,
      publicKey: components.overlayKey,
    },
    now: components.clock.now(),
    quarantine: components.quarantine,
  })
  const agent = new Agent({ ...components, node, logger })
  const api = new ApiServer(
    { agent, network: components.network, distribution: components.distribution, logger },
    {
      socketPath: join(options.root, config.socket),
      networkName: token.name,
      operatorKey: token.operatorKey,
    },
  )
  await serve(agent, api, components, logger, signal)
}

async function serve(
  agent: Agent,
  api: ApiServer,
  components: Components,
  logger: Logger,
  signal: AbortSignal,
): Promise<void> {
  const { notifier } = components
  // libp2p may throw from a microtask when a stream ends at a bad moment; anything else ends the process, and
  // the supervisor starts it again from its disk.
  process.on('uncaughtException', (error) => {
    if (isStreamFault(error)) return logger.debug({ reason: 'StreamFault' }, errorText(error))
    logger.error({ reason: 'Uncaught' }, error.stack ?? error.message)
    process.exit(1)
  })
  try {
    await api.start()
    await agent.start()
    logger.info({ reason: 'Started' }, 'the agent is up')
    notifier.notify({ ready: true, status: 'looking for other machines' })
    const beat = keepWatchdog(agent, api, components)
    const failure = await Promise.race([aborted(signal), agent.failure])
    clearInterval(beat)
    if (failure !== undefined) {
      logger.error({ reason: 'Failed' }, errorText(failure))
      notifier.notify({ stopping: true })
      await agent.stop()
      throw failure
    }
    logger.info({ reason: 'Stopping' }, 'the agent is going down; k3s and the overlay device stay')
    notifier.notify({ stopping: true })
    await agent.stop()
  } finally {
    await api.stop()
    await components.close()
  }
}

/** Tells the supervisor what is awaited, and that the loop lives: a loop that hangs is restarted. */
function keepWatchdog(agent: Agent, api: ApiServer, { notifier }: Components): NodeJS.Timeout | undefined {
  if (!notifier.isActive) return undefined
  let lastTurn = -1
  return setInterval(() => {
    const { phase, waiting } = api.status()
    const status = waiting[0] === undefined ? phase : `${phase}: ${waiting[0].message}`
    if (agent.turns !== lastTurn) notifier.notify({ watchdog: true, status })
    lastTurn = agent.turns
  }, notifier.watchdogIntervalMs ?? 10_000)
}

function aborted(signal: AbortSignal): Promise<void> {
  if (signal.aborted) return Promise.resolve()
  return new Promise((resolve) => {
    signal.addEventListener('abort', () => resolve(), { once: true })
  })
}

function loadConfig(options: AgentOptions): AgentConfig {
  const sources = readConfigFiles(options.configFiles, options.root)
  const isMachine = existsSync(join(options.root, systemPaths.boot))
  const { config, diagnostics } = readConfig(sources, isMachine ? 'machine' : 'agent')
  for (const diagnostic of diagnostics)
    process.stderr.write(`${formatDiagnostic(diagnostic, { colour: false })}\n`)
  if (config === undefined) {
    const count = diagnostics.filter(({ severity }) => severity === 'error').length
    throw new MusterError('ERR_CONFIG_INVALID', { count })
  }
  return config
}

function loadToken(config: AgentConfig, root: string): NetworkToken {
  const written = config.token ?? readTokenFile(config.tokenFile, root)
  if (written === undefined) throw new MusterError('ERR_TOKEN_MISSING')
  const parsed = parseToken(written, tokenPrimitives)
  if (!parsed.ok) throw new MusterError(parsed.code, { detail: parsed.detail })
  return parsed.token
}

function readTokenFile(path: string | undefined, root: string): string | undefined {
  if (path === undefined) return undefined
  try {
    return readFileSync(join(root, path), 'utf8').trim()
  } catch (error) {
    throw new MusterError('ERR_CONFIG_UNREADABLE', { path }, { cause: error })
  }
}

/** The token's word counts first: it cannot differ between machines. */
function bootstrapOf(config: AgentConfig, token: NetworkToken): BootstrapSetting {
  return token.bootstrap ?? config.bootstrap ?? { mode: 'auto' }
}

/** Where the configuration keeps to a default, the token's word fills in. */
function specOf(config: AgentConfig, token: NetworkToken): ClusterSpec {
  const { spec } = config
  const ipv4 = spec.addresses.ipv4 === defaultSpec.addresses.ipv4 ? token.addresses4 : spec.addresses.ipv4
  const controlPlane =
    spec.controlPlane === defaultSpec.controlPlane
      ? (token.controlPlane ?? spec.controlPlane)
      : spec.controlPlane
  return { ...spec, controlPlane, addresses: { ipv4 } }
}

/** The configured host name with its template filled in; undefined: the machine's own. */
function hostnameOf(config: AgentConfig, root: string): string | undefined {
  if (config.hostname === undefined) return undefined
  const machineId = join(root, '/etc/machine-id')
  const MachineID = existsSync(machineId) ? readFileSync(machineId, 'utf8').trim() : ''
  const rendered = renderTemplate(config.hostname, { MachineID })
  if (rendered.kind === 'error')
    throw new MusterError('ERR_USAGE', { detail: `hostname: ${rendered.message}` })
  return rendered.text
}
