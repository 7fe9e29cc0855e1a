import type { OverlayIntent, OverlayState } from '../core/overlay/intent.ts'
import type { OverlayDevice } from '../core/ports.ts'

/** An overlay without packets: remembers what it was told, for tests of what is above the port. */
export class FakeOverlayDevice implements OverlayDevice {
  /** Every intent in the order in which it was applied. */
  readonly applied: OverlayIntent[] = []
  readonly #port: number
  #starts = 0
  #started = false
  #detail = 'not started'

  constructor(init: { readonly port: number } = { port: 7_947 }) {
    this.#port = init.port
  }

  async start(): Promise<{ readonly port: number; readonly publicKey: string }> {
    if (this.#started) throw new Error('the overlay is started already')
    this.#started = true
    this.#detail = 'waiting for an address'
    this.#starts++
    return { port: this.#port, publicKey: this.#starts.toString(16).padStart(64, '0') }
  }

  async apply(intent: OverlayIntent): Promise<void> {
    if (!this.#started) throw new Error('the overlay is not started')
    this.applied.push(intent)
    this.#detail = ''
  }

  state(): OverlayState {
    const intent = this.#detail === '' ? this.applied.at(-1) : undefined
    return {
      up: intent !== undefined,
      device: intent?.device ?? 'muster0',
      address4: intent?.address4 ?? '',
      address6: intent?.address6 ?? '',
      mtu: intent?.mtu ?? 0,
      detail: this.#detail,
      peers: (intent?.peers ?? []).map(({ id }) => ({
        id,
        sentPackets: 0,
        receivedPackets: 0,
        droppedPackets: 0,
      })),
    }
  }

  async stop(): Promise<void> {
    this.#started = false
    this.#detail = 'stopped'
  }
}
