import { closeSync, openSync } from 'node:fs'
import koffi from 'koffi'
import { MusterError } from '../../errors.ts'

// linux/if_tun.h and linux/if.h; the numbers are the same on all architectures that Node runs on.
const tunSetIff = 0x4004_54ca
const tunSetPersist = 0x4004_54cb
const iffTun = 0x0001
/** Packets without the four bytes of protocol information in front. */
const iffNoPacketInformation = 0x1000
const nameBytesMax = 15
const flagsOffset = 16
/** `struct ifreq` is 40 bytes; V8 may move buffers of 64 bytes or less while native code holds them. */
const requestBytes = 256

/** Packets handed over in one turn of the event loop, so that a flood does not starve the agent. */
const packetsPerTurnMax = 64
const packetBytesMax = 65_536

/** libuv's poll on one descriptor. */
type PollHandle = ReturnType<typeof koffi.node.poll>

interface Libc {
  readonly ioctl: (fd: number, request: number, argument: Uint8Array) => number
  readonly setPersistent: (fd: number, request: number, on: number) => number
  readonly read: (fd: number, buffer: Uint8Array, size: number) => number
  readonly write: (fd: number, buffer: Uint8Array, size: number) => number
}

let loaded: Libc | undefined

/** Loaded at first use: a machine without an overlay needs no native code. */
function libc(): Libc {
  if (loaded === undefined) {
    const library = koffi.load(null)
    loaded = {
      ioctl: library.func('int ioctl(int fd, unsigned long request, _Inout_ uint8_t *argument)'),
      setPersistent: library.func('ioctl', 'int', ['int', 'unsigned long', 'long']),
      read: library.func('intptr_t read(int fd, _Out_ uint8_t *buffer, size_t size)'),
      write: library.func('intptr_t write(int fd, const uint8_t *buffer, size_t size)'),
    }
  }
  return loaded
}

/** What a TUN file tells its user. */
export interface TunEvents {
  /** One IP packet. The bytes are valid during the call only. */
  readonly onPacket: (packet: Uint8Array) => void
  /** The device is gone or broken; the file is closed already. */
  readonly onLost: (detail: string) => void
}

/**
 * The process's end of a TUN device, read on the event loop without a thread: libuv polls the descriptor
 * (`net.Socket` refuses TUN descriptors, and a blocking read would hold a thread that cannot be stopped).
 */
export class TunFile {
  readonly device: string
  readonly #events: TunEvents
  readonly #libc = libc()
  readonly #buffer = Buffer.allocUnsafeSlow(packetBytesMax)
  #fd: number
  #poll: PollHandle | undefined

  /** Attaches to the persistent device and makes it if it is missing. Throws ERR_OVERLAY_DEVICE. */
  constructor(device: string, events: TunEvents) {
    this.device = device
    this.#events = events
    if (!/^[A-Za-z0-9_.-]+$/.test(device) || device.length > nameBytesMax)
      throw deviceError(device, 'the name is not one of a network device')
    try {
      this.#fd = openSync('/dev/net/tun', 'r+')
    } catch (cause) {
      throw deviceError(device, cause instanceof Error ? cause.message : String(cause), cause)
    }
    try {
      this.#attach()
      this.#poll = koffi.node.poll(this.#fd, { readable: true, disconnect: true }, () => this.#drain())
    } catch (error) {
      closeSync(this.#fd)
      throw error
    }
  }

  /** Hands a packet to the kernel. False where it did not take it (link down, malformed). */
  write(packet: Uint8Array): boolean {
    if (this.#poll === undefined) return false
    return this.#libc.write(this.#fd, packet, packet.length) === packet.length
  }

  /** Lets go of the device, which stays with its addresses. */
  close(): void {
    if (this.#poll === undefined) return
    this.#poll.close()
    this.#poll = undefined
    closeSync(this.#fd)
    this.#fd = -1
  }

  #attach(): void {
    const request = Buffer.alloc(requestBytes)
    request.write(this.device, 'latin1')
    request.writeUInt16LE(iffTun | iffNoPacketInformation, flagsOffset)
    if (this.#libc.ioctl(this.#fd, tunSetIff, request) < 0)
      throw deviceError(this.device, attachFailure(koffi.errno()))
    // The addresses that k3s has bound to must survive a restart of the agent.
    if (this.#libc.setPersistent(this.#fd, tunSetPersist, 1) < 0)
      throw deviceError(this.device, `it cannot be made persistent (${errnoName(koffi.errno())})`)
  }

  #drain(): void {
    for (let count = 0; count < packetsPerTurnMax && this.#poll !== undefined; count++) {
      const size = this.#libc.read(this.#fd, this.#buffer, packetBytesMax)
      if (size > 0) {
        this.#events.onPacket(this.#buffer.subarray(0, size))
        continue
      }
      const errno = koffi.errno()
      if (size < 0 && (errno === koffi.os.errno['EAGAIN'] || errno === koffi.os.errno['EINTR'])) return
      this.close()
      this.#events.onLost(size === 0 ? 'end of file' : errnoName(errno))
    }
  }
}

function deviceError(device: string, detail: string, cause?: unknown): MusterError {
  return new MusterError('ERR_OVERLAY_DEVICE', { device, detail }, cause === undefined ? {} : { cause })
}

function attachFailure(errno: number): string {
  const name = errnoName(errno)
  if (name === 'EPERM') return 'permission denied (EPERM)'
  if (name === 'EBUSY') return 'another program has it open (EBUSY)'
  if (name === 'EINVAL') return 'a device of this name and another kind exists (EINVAL)'
  return name
}

function errnoName(errno: number): string {
  return Object.entries(koffi.os.errno).find(([, value]) => value === errno)?.[0] ?? `errno ${errno}`
}
