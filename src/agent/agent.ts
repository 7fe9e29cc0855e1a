import type { Effect, LocalAnswer } from '../core/effect.ts'
import type { Input, LocalRequest } from '../core/input.ts'
import type { ClusterNode, NodeView } from '../core/node.ts'
import type { Distribution, Network, NetworkEvent, OverlayDevice, Store } from '../core/ports.ts'
import { errorText, MusterError } from '../errors.ts'
import type { Logger } from '../components.ts'
import { lookRestFactor, overlayIntervalMs, persistRetryMs, Turns } from './turns.ts'

/** What the end of a quarantine asks for. */
export interface IdentityKeeper {
  /** Writes down that the identity belongs to the machine of now. */
  keep(): Promise<void>
  /** Puts key and state aside and closes the store: the next start is somebody new. */
  abandon(): Promise<void>
}

/** The narrow slice of the composition that the loop needs. */
export interface AgentComponents {
  readonly clock: { now(): number }
  readonly node: ClusterNode
  readonly store: Pick<Store, 'persist'>
  readonly identity: IdentityKeeper
  readonly network: Network
  readonly overlay: OverlayDevice
  readonly distribution: Distribution
  readonly logger: Logger
}

/**
 * The daemon's loop: takes inputs at its own pace, hands them to the core, and carries out the effects in
 * order. Nothing acts inside an event handler, and nothing is sent before what it rests on is on disk.
 *
 * ```
 *   network, overlay, k3s, API, time ─▶ queue ─▶ node.handle ─▶ drain ─▶ persist ─▶ send ─▶ apply ─┐
 *                                         ▲                                                        │
 *                                         └──────────────────── results ◀──────────────────────────┘
 * ```
 */
export class Agent {
  readonly #components: AgentComponents
  readonly #turns: Turns
  readonly #answers = new Map<number, (answer: LocalAnswer) => void>()
  readonly #watchers = new Set<() => void>()
  readonly #background = new Set<Promise<void>>()
  #nextRequestId = 1
  #wake: (() => void) | undefined
  #stopping = false
  #loop: Promise<void> | undefined
  #fail: (error: unknown) => void = () => undefined
  readonly #failure = new Promise<unknown>((resolve) => {
    this.#fail = resolve
  })
  #overlayTimer: NodeJS.Timeout | undefined
  #observeTimer: NodeJS.Timeout | undefined
  #storeFailure: string | undefined

  constructor(components: AgentComponents) {
    this.#components = components
    this.#turns = new Turns(components.node)
  }

  /** Starts the loop and everything that feeds it. */
  async start(): Promise<void> {
    // A loop that ends by an error acts no more: only a new start, from the disk, knows what is true.
    this.#loop = this.#run().catch((error: unknown) => {
      this.#stopping = true
      this.#fail(error)
    })
    await this.#components.network.start((event) => this.#push(event))
    this.#overlayTimer = setInterval(() => this.#observeOverlay(), overlayIntervalMs)
    this.#observeK3s()
  }

  /** Says goodbye, finishes what is under way, and leaves the overlay device and k3s running. */
  async stop(): Promise<void> {
    this.#push({ kind: 'leaving' })
    this.#stopping = true
    clearInterval(this.#overlayTimer)
    clearTimeout(this.#observeTimer)
    this.#wake?.()
    await this.#loop
    await this.#components.network.stop()
    await this.#components.overlay.stop()
  }

  view(): NodeView {
    return this.#components.node.view()
  }

  /** Why nothing can be written to the state directory at present; undefined while it can. */
  get storeFailure(): string | undefined {
    return this.#storeFailure
  }

  /** Resolves with the error after which this process must not go on; never otherwise. */
  get failure(): Promise<unknown> {
    return this.#failure
  }

  /** Grows with every turn of the loop: a watchdog sees that the loop lives. */
  get turns(): number {
    return this.#turns.count
  }

  /** Hands a request to the core; resolves with its answer. */
  request(request: LocalRequest): Promise<LocalAnswer> {
    const requestId = this.#nextRequestId++
    return new Promise((resolve) => {
      this.#answers.set(requestId, resolve)
      this.#push({ kind: 'request', requestId, request })
    })
  }

  /** Calls back after each turn of the loop; the returned function ends it. */
  watch(onTurn: () => void): () => void {
    this.#watchers.add(onTurn)
    return () => this.#watchers.delete(onTurn)
  }

  async #run(): Promise<void> {
    await this.#carryOutAll(this.#turns.begin())
    for (;;) {
      await this.#untilSomethingToDo()
      await this.#carryOutAll(this.#turns.take(this.#components.clock.now()))
      for (const watcher of this.#watchers) watcher()
      if (this.#stopping && this.#turns.idle) return
    }
  }

  async #untilSomethingToDo(): Promise<void> {
    if (!this.#turns.idle || this.#stopping) return
    const waitMs = Math.max(0, this.#turns.nextDeadline() - this.#components.clock.now())
    await new Promise<void>((resolve) => {
      const timer = setTimeout(resolve, Math.min(waitMs, 1_000))
      this.#wake = () => {
        clearTimeout(timer)
        resolve()
      }
    })
    this.#wake = undefined
  }

  #push(input: Input | NetworkEvent): void {
    this.#turns.push(input)
    this.#wake?.()
  }

  async #carryOutAll(effects: readonly Effect[]): Promise<void> {
    for (const effect of effects) await this.#carryOut(effect)
  }

  async #carryOut(effect: Effect): Promise<void> {
    const { network, logger } = this.#components
    switch (effect.kind) {
      case 'persist':
        return this.#persist(effect)
      case 'send':
        return network.send(effect.to, effect.message)
      case 'keep-peers':
        return network.keepPeers(effect.peers)
      case 'cut-off':
        logger.warn({ reason: effect.code, peer: effect.peer }, effect.detail)
        return network.cutOff(effect.peer, effect.code, effect.detail)
      case 'pace':
        return network.setPace(effect.pace)
      case 'overlay':
        return this.#inBackground(async () => {
          await this.#components.overlay.apply(effect.intent)
          this.#observeOverlay()
        })
      case 'k3s':
        logger.info({ reason: 'K3sStep' }, describeStep(effect.step))
        return this.#inBackground(async () => {
          const result = await this.#components.distribution.run(effect.step).catch((error: unknown) => ({
            kind: 'failed' as const,
            step: effect.step.kind,
            detail: errorText(error),
          }))
          if (result.kind === 'failed')
            logger.warn({ reason: 'K3sStepFailed' }, `${result.step}: ${result.detail}`)
          this.#turns.stepDone()
          this.#push({ kind: 'k3s-result', result })
          await this.#look()
        })
      case 'identity':
        return this.#endQuarantine(effect)
      case 'answer':
        this.#answers.get(effect.requestId)?.(effect.answer)
        this.#answers.delete(effect.requestId)
        return
      case 'event':
        return logger[effect.level]({ reason: effect.reason }, effect.message)
    }
  }

  #persist({ writes }: Extract<Effect, { kind: 'persist' }>): Promise<void> {
    return this.#durably(() => this.#components.store.persist(writes))
  }

  async #endQuarantine({ verdict, reason }: Extract<Effect, { kind: 'identity' }>): Promise<void> {
    const { distribution, identity, logger } = this.#components
    if (verdict === 'keep') {
      await this.#durably(() => identity.keep())
      logger.info({ reason: 'IdentityKept' }, reason)
      return this.#push({ kind: 'identity-kept' })
    }
    // A second etcd member with the original's data may not run on under any identity.
    const stopped = await distribution.run({ kind: 'stop' })
    if (stopped.kind === 'failed') logger.error({ reason: 'K3sStepFailed' }, stopped.detail)
    await this.#durably(() => identity.abandon())
    throw new MusterError('ERR_IDENTITY_CLONED', { detail: reason })
  }

  /**
   * Waits until it is written, however long that takes: a voter that cannot write must not speak. Throws where
   * nobody knows what the disk holds now: to go on with either belief would be amnesia in one of the two cases.
   */
  async #durably(write: () => Promise<void>): Promise<void> {
    const { logger } = this.#components
    for (;;) {
      try {
        await write()
        this.#storeFailure = undefined
        return
      } catch (error) {
        if (error instanceof MusterError && error.code === 'ERR_STATE_UNSURE') throw error
        if (this.#storeFailure === undefined) logger.error({ reason: 'StateNotWritable' }, errorText(error))
        this.#storeFailure = errorText(error)
        if (this.#stopping) throw error
        await new Promise((resolve) => setTimeout(resolve, persistRetryMs))
      }
    }
  }

  #inBackground(work: () => Promise<void>): void {
    const running = work()
      .catch((error: unknown) => this.#components.logger.error({ reason: 'EffectFailed' }, errorText(error)))
      .finally(() => this.#background.delete(running))
    this.#background.add(running)
  }

  #observeOverlay(): void {
    this.#push({ kind: 'overlay-observed', state: this.#components.overlay.state() })
  }

  #observeK3s(): void {
    if (this.#stopping) return
    this.#inBackground(async () => {
      let againMs = this.#turns.lookAgainMs
      try {
        againMs = await this.#look()
      } finally {
        // A look that failed is logged, and looked again: who stops looking never does anything about k3s.
        if (!this.#stopping) this.#observeTimer = setTimeout(() => this.#observeK3s(), againMs)
      }
    })
  }

  /** Looks at k3s. When to look again, in milliseconds: a slow machine has better to do than to look all the time. */
  async #look(): Promise<number> {
    const seen = this.#turns.look()
    const startedAt = performance.now()
    const againMs = seen(await this.#components.distribution.observe())
    this.#wake?.()
    return Math.max(againMs, lookRestFactor * (performance.now() - startedAt))
  }
}

function describeStep(step: Extract<Effect, { kind: 'k3s' }>['step']): string {
  switch (step.kind) {
    case 'make-authority':
      return `making the certificate authority of grant ${step.grant}`
    case 'start':
      return `starting k3s as ${step.role}`
    case 'stop':
      return 'stopping k3s'
    case 'clear':
      return `putting the k3s data aside: ${step.reason}`
    case 'remove-member':
      return `removing etcd member ${step.memberId}`
    case 'configure':
      return `rewriting the configuration of k3s as ${step.role}`
  }
}
