import { closeSync, openSync, rmSync, writeSync } from 'node:fs'
import { createServer, type Server, type Socket } from 'node:net'
import { leaseOf, type VmNetworkMode } from './addresses.ts'
import { answerDhcp } from './dhcp.ts'
import { AddressTable } from './forwarding.ts'
import { FrameReader, frameBytesMin, frameHeaderBytes, withLength } from './frames.ts'
import { pcapHeader, pcapRecord } from './pcap.ts'

/** What befalls frames from one port to another. Ports are given by their machines' index. */
export interface LinkFault {
  readonly from: number
  readonly to: number
  /** Share that is lost, 0 to 100. */
  readonly lossPercent: number
  /** How much later frames arrive. */
  readonly delayMs?: number
}

/** What one port has seen. Frames. */
export interface PortCounts {
  readonly received: number
  readonly sent: number
  /** Lost by a fault. */
  readonly lost: number
  /** Not sent since the machine does not take them up. */
  readonly overrun: number
  readonly isConnected: boolean
}

export interface SwitchOptions {
  readonly network: VmNetworkMode
  /** Draws from 0 to 1, for faults that lose a share. */
  readonly random?: () => number
  /** Milliseconds since 1970, for captures. */
  readonly now?: () => number
}

/** Bytes that wait for a machine that does not read, before frames for it are lost. A real port holds less. */
const backlogBytesMax = 4 * 1_024 * 1_024

interface Port {
  readonly name: string
  readonly index: number
  readonly path: string
  readonly server: Server
  socket: Socket | undefined
  capture: number | undefined
  received: number
  sent: number
  lost: number
  overrun: number
}

/**
 * An Ethernet switch whose ports are unix sockets: QEMU connects with `-netdev stream`. It lives in one process and
 * no frame leaves it. A machine that does not read loses frames of its own and holds nobody else up.
 */
export class VmSwitch {
  readonly #ports = new Map<string, Port>()
  readonly #table = new AddressTable()
  readonly #options: Required<SwitchOptions>
  #faults: readonly LinkFault[] = []

  constructor(options: SwitchOptions) {
    this.#options = { random: Math.random, now: Date.now, ...options }
  }

  /** Opens a port for one machine at a socket path. A port of that name that is there already stays. */
  async addPort(name: string, index: number, path: string): Promise<void> {
    if (this.#ports.has(name)) return
    const server = createServer((socket) => this.#connected(port, socket))
    const port: Port = {
      name,
      index,
      path,
      server,
      socket: undefined,
      capture: undefined,
      received: 0,
      sent: 0,
      lost: 0,
      overrun: 0,
    }
    rmSync(path, { force: true })
    await new Promise<void>((resolve, reject) => {
      server.once('error', reject)
      server.listen(path, resolve)
    })
    this.#ports.set(name, port)
  }

  /** Replaces all faults. */
  setFaults(faults: readonly LinkFault[]): void {
    this.#faults = faults
  }

  /** Writes what a port receives and sends into a file from now on; undefined ends it. Throws for an unknown port. */
  capture(name: string, path: string | undefined): void {
    const port = this.#portOf(name)
    if (port.capture !== undefined) closeSync(port.capture)
    port.capture = undefined
    if (path === undefined) return
    const file = openSync(path, 'w', 0o600)
    writeSync(file, pcapHeader())
    port.capture = file
  }

  counts(): Record<string, PortCounts> {
    return Object.fromEntries(
      [...this.#ports.values()].map(({ name, received, sent, lost, overrun, socket }) => [
        name,
        { received, sent, lost, overrun, isConnected: socket !== undefined },
      ]),
    )
  }

  async close(): Promise<void> {
    await Promise.all(
      [...this.#ports.values()].map(async (port) => {
        this.capture(port.name, undefined)
        port.socket?.destroy()
        await new Promise((resolve) => port.server.close(resolve))
        rmSync(port.path, { force: true })
      }),
    )
    this.#ports.clear()
  }

  #connected(port: Port, socket: Socket): void {
    // The machine was started anew: its old connection is dead, even if nobody has said so yet.
    port.socket?.destroy()
    port.socket = socket
    const reader = new FrameReader()
    socket.on('data', (part: Buffer) => {
      try {
        for (const framed of reader.push(part)) this.#received(port, framed)
      } catch {
        // Out of step with this stream for good.
        socket.destroy()
      }
    })
    // Killing a machine is what this lab is for; the close that follows is all that matters.
    socket.on('error', () => undefined)
    socket.on('close', () => {
      if (port.socket !== socket) return
      port.socket = undefined
      this.#table.forget(port.name)
    })
  }

  #received(port: Port, framed: Buffer): void {
    const frame = framed.subarray(frameHeaderBytes)
    if (frame.length < frameBytesMin) return
    port.received += 1
    this.#record(port, frame)
    const answer = this.#options.network === 'dhcp' ? answerDhcp(frame, leaseOf(port.index)) : undefined
    if (answer !== undefined) {
      this.#send(port, withLength(answer))
      return
    }
    for (const name of this.#table.route(frame, port.name, this.#ports.keys())) {
      const to = this.#ports.get(name)
      if (to !== undefined) this.#pass(port, to, framed)
    }
  }

  #pass(from: Port, to: Port, framed: Buffer): void {
    const fault = this.#faults.find((each) => each.from === from.index && each.to === to.index)
    if (fault !== undefined && this.#options.random() * 100 < fault.lossPercent) {
      to.lost += 1
      return
    }
    const delayMs = fault?.delayMs ?? 0
    if (delayMs === 0) this.#send(to, framed)
    // Timers of one length keep their order, and so do the frames of a link.
    else setTimeout(() => this.#send(to, framed), delayMs)
  }

  #send(port: Port, framed: Buffer): void {
    const { socket } = port
    if (socket === undefined || socket.destroyed) return
    if (socket.writableLength > backlogBytesMax) {
      port.overrun += 1
      return
    }
    socket.write(framed)
    port.sent += 1
    this.#record(port, framed.subarray(frameHeaderBytes))
  }

  #record(port: Port, frame: Buffer): void {
    if (port.capture !== undefined) writeSync(port.capture, pcapRecord(frame, this.#options.now()))
  }

  #portOf(name: string): Port {
    const port = this.#ports.get(name)
    if (port === undefined) throw new Error(`there is no port ${name}`)
    return port
  }
}
