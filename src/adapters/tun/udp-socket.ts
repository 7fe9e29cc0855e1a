import type { Socket } from 'node:dgram'
import { createSocket } from 'node:dgram'
import { once } from 'node:events'
import { isIPv4 } from 'node:net'
import type { UdpEndpoint } from '../../core/overlay/path.ts'
import { MusterError } from '../../errors.ts'

/** Asked of the kernel, which gives at most net.core.rmem_max: room for bursts while the loop is busy. */
const socketBufferBytes = 4 * 1_024 * 1_024
/** Datagrams given to libuv and not yet sent; beyond it they are dropped, as a full network queue does. */
const unsentMax = 512

/** A datagram socket of both IP families where the machine has both. */
export class UdpSocket {
  readonly port: number
  readonly #socket: Socket
  readonly #isDual: boolean
  #unsent = 0

  private constructor(socket: Socket, isDual: boolean) {
    this.#socket = socket
    this.#isDual = isDual
    this.port = socket.address().port
  }

  /**
   * Binds to all addresses; port 0 takes any free one. `onDatagram`'s host is written as IPv4 where it is
   * one, with a zone where it is link-local. Throws ERR_PORT_IN_USE.
   */
  static async bind(
    port: number,
    onDatagram: (datagram: Uint8Array, host: string, port: number) => void,
  ): Promise<UdpSocket> {
    const udp = await bindFamily('udp6', port).catch(async (error: unknown) => {
      if (isPortTaken(error)) throw portTaken(port, error)
      // No IPv6 on this machine.
      return bindFamily('udp4', port).catch((cause: unknown) => {
        throw isPortTaken(cause) ? portTaken(port, cause) : cause
      })
    })
    const { socket, isDual } = udp
    socket.on('message', (datagram, remote) => {
      onDatagram(datagram, plainHost(remote.address), remote.port)
    })
    // An ICMP error for an earlier datagram says nothing about the socket.
    socket.on('error', () => undefined)
    for (const grow of [
      () => socket.setRecvBufferSize(socketBufferBytes),
      () => socket.setSendBufferSize(socketBufferBytes),
    ]) {
      try {
        grow()
      } catch {
        // The default size will do.
      }
    }
    return new UdpSocket(socket, isDual)
  }

  /** Sends, or drops: false where the queue is full or the endpoint is of a family that the machine lacks. */
  send(datagram: Uint8Array, to: UdpEndpoint): boolean {
    if (this.#unsent >= unsentMax) return false
    const isVersion4 = isIPv4(to.host)
    if (!this.#isDual && !isVersion4) return false
    this.#unsent++
    const host = this.#isDual && isVersion4 ? `::ffff:${to.host}` : to.host
    this.#socket.send(datagram, to.port, host, () => {
      this.#unsent--
    })
    return true
  }

  async close(): Promise<void> {
    const closed = once(this.#socket, 'close')
    this.#socket.close()
    await closed
  }
}

async function bindFamily(
  type: 'udp4' | 'udp6',
  port: number,
): Promise<{ readonly socket: Socket; readonly isDual: boolean }> {
  const socket = createSocket({
    type,
    // Hosts are IP addresses already: no resolver, and no turn of the event loop, for each datagram.
    lookup: (host, _options, callback) => callback(null, host, type === 'udp6' ? 6 : 4),
  })
  try {
    const listening = once(socket, 'listening')
    socket.bind({ port, exclusive: true })
    await listening
  } catch (error) {
    socket.close()
    throw error
  }
  return { socket, isDual: type === 'udp6' }
}

function plainHost(host: string): string {
  return host.startsWith('::ffff:') && host.includes('.') ? host.slice('::ffff:'.length) : host
}

function isPortTaken(error: unknown): boolean {
  return error instanceof Error && 'code' in error && error.code === 'EADDRINUSE'
}

function portTaken(port: number, cause: unknown): MusterError {
  return new MusterError('ERR_PORT_IN_USE', { address: `UDP port ${port}` }, { cause })
}
