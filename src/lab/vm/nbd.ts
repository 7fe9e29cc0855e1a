import { rmSync } from 'node:fs'
import { createServer, type Server, type Socket } from 'node:net'
import { type NbdCommand, nbdErrors, nbdGreeting, nbdReply, NbdSession } from './nbd-protocol.ts'
import type { VolatileDisk } from './volatile-disk.ts'

/** Serves a disk over NBD on a unix socket, so that QEMU can use it: `nbd+unix:///?socket=PATH`. */
export class NbdServer {
  readonly path: string
  readonly #disk: VolatileDisk
  readonly #server: Server
  readonly #sockets = new Set<Socket>()

  constructor(path: string, disk: VolatileDisk) {
    this.path = path
    this.#disk = disk
    this.#server = createServer((socket) => this.#connected(socket))
  }

  /** How QEMU names this disk. */
  get url(): string {
    return `nbd+unix:///?socket=${this.path}`
  }

  async listen(): Promise<void> {
    rmSync(this.path, { force: true })
    await new Promise<void>((resolve, reject) => {
      this.#server.once('error', reject)
      this.#server.listen(this.path, resolve)
    })
  }

  /** Ends the server; the disk stays open. */
  async close(): Promise<void> {
    for (const socket of this.#sockets) socket.destroy()
    await new Promise((resolve) => this.#server.close(resolve))
    rmSync(this.path, { force: true })
  }

  #connected(socket: Socket): void {
    this.#sockets.add(socket)
    socket.on('close', () => this.#sockets.delete(socket))
    socket.on('error', () => undefined)
    const session = new NbdSession(this.#disk.bytes)
    socket.write(nbdGreeting())
    socket.on('data', (part: Buffer) => {
      try {
        const { replies, commands } = session.push(part)
        for (const reply of replies) socket.write(reply)
        for (const command of commands) {
          if (command.type === 'disconnect') socket.end()
          else socket.write(this.#obey(command))
        }
      } catch {
        // Out of step with this client for good.
        socket.destroy()
      }
    })
  }

  #obey(command: Exclude<NbdCommand, { type: 'disconnect' }>): Buffer {
    const { handle } = command
    try {
      switch (command.type) {
        case 'read':
          if (!this.#disk.holds(command.offset, command.length)) return nbdReply(handle, nbdErrors.invalid)
          return nbdReply(handle, 0, this.#disk.read(command.offset, command.length))
        case 'write':
          if (!this.#disk.holds(command.offset, command.data.length)) {
            return nbdReply(handle, nbdErrors.invalid)
          }
          // A copy: what is remembered of a write must not keep the part of the stream that it came in.
          this.#disk.write(command.offset, Buffer.from(command.data), command.isForced)
          return nbdReply(handle, 0)
        case 'flush':
          this.#disk.flush()
          return nbdReply(handle, 0)
        case 'trim':
        case 'zero':
          if (!this.#disk.holds(command.offset, command.length)) return nbdReply(handle, nbdErrors.invalid)
          this.#disk.zero(command.offset, command.length, command.isForced)
          return nbdReply(handle, 0)
        case 'unknown':
          return nbdReply(handle, nbdErrors.invalid)
      }
    } catch {
      return nbdReply(handle, nbdErrors.io)
    }
  }
}
