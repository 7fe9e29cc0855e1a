import { noise } from '@chainsafe/libp2p-noise'
import type {
  ConnectionEncrypter,
  MessageStream,
  SecureConnectionOptions,
  SecuredConnection,
} from '@libp2p/interface'
import { noiseCrypto } from './noise-crypto.ts'

/** Told of a handshake that failed although the peer spoke Noise: with a prologue, that is a foreign token. */
export type HandshakeFailure = (address: string, direction: 'inbound' | 'outbound', error: Error) => void

/** Noise with the token's prologue, whose failures are seen: libp2p itself only logs inbound ones. */
export function watchedNoise(
  prologueBytes: Uint8Array,
  onFailure: HandshakeFailure,
): ReturnType<typeof noise> {
  return (components) =>
    new WatchedNoise(noise({ prologueBytes, crypto: noiseCrypto })(components), onFailure)
}

class WatchedNoise<Extension> implements ConnectionEncrypter<Extension> {
  readonly [Symbol.toStringTag] = 'muster-noise'
  readonly protocol: string
  readonly #inner: ConnectionEncrypter<Extension>
  readonly #onFailure: HandshakeFailure
  constructor(inner: ConnectionEncrypter<Extension>, onFailure: HandshakeFailure) {
    this.#inner = inner
    this.protocol = inner.protocol
    this.#onFailure = onFailure
  }

  secureInbound<S extends MessageStream>(
    connection: S,
    options?: SecureConnectionOptions,
  ): Promise<SecuredConnection<Extension>> {
    return this.#watch('inbound', connection, options, this.#inner.secureInbound(connection, options))
  }

  secureOutbound<S extends MessageStream>(
    connection: S,
    options?: SecureConnectionOptions,
  ): Promise<SecuredConnection<Extension>> {
    return this.#watch('outbound', connection, options, this.#inner.secureOutbound(connection, options))
  }

  async #watch(
    direction: 'inbound' | 'outbound',
    connection: MessageStream,
    options: SecureConnectionOptions | undefined,
    handshake: Promise<SecuredConnection<Extension>>,
  ): Promise<SecuredConnection<Extension>> {
    try {
      return await handshake
    } catch (error) {
      // Our own time-out or stop says nothing of the peer.
      if (options?.signal?.aborted !== true && error instanceof Error) {
        const address = (connection as { readonly remoteAddr?: unknown }).remoteAddr
        this.#onFailure(String(address ?? ''), direction, error)
      }
      throw error
    }
  }
}
