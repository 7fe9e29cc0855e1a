import { closeSync } from 'node:fs'
import koffi from 'koffi'

// sys/socket.h and sys/un.h of Linux.
const afUnix = 1
const sockDgram = 2
const sockCloexec = 0o2_000_000
const msgNosignal = 0x4000
const familyBytes = 2
/** `sun_path`; a longer name cannot be addressed. */
const pathBytesMax = 108

/** What may be told to systemd, as in sd_notify(3). */
export interface ServiceNotice {
  /** Start-up is finished. */
  readonly ready?: true
  /** The service is going down. */
  readonly stopping?: true
  /** The service is alive; sent at least every half of the watchdog's interval. */
  readonly watchdog?: true
  /** One line for `systemctl status`. */
  readonly status?: string
}

/** Talks to the supervisor that started this process. */
export interface ServiceNotifier {
  /** Whether there is a supervisor that listens. */
  readonly isActive: boolean
  /** Between two `watchdog` notices, half of what is allowed; undefined where no watchdog is set. */
  readonly watchdogIntervalMs: number | undefined
  /** Sends and forgets: a supervisor that does not listen must not stop the agent. */
  notify(notice: ServiceNotice): void
}

/** Environment variables that systemd sets for a service. */
export interface ServiceEnvironment {
  readonly NOTIFY_SOCKET?: string | undefined
  readonly WATCHDOG_USEC?: string | undefined
  readonly WATCHDOG_PID?: string | undefined
}

/** Notifier for the environment of this process; does nothing where NOTIFY_SOCKET is not set. */
export function createServiceNotifier(environment: ServiceEnvironment = process.env): ServiceNotifier {
  const socketName = environment.NOTIFY_SOCKET
  const address = socketName === undefined ? undefined : unixAddress(socketName)
  return {
    isActive: address !== undefined,
    watchdogIntervalMs: address === undefined ? undefined : watchdogInterval(environment, process.pid),
    notify: (notice) => {
      if (address !== undefined) sendDatagram(address, noticeText(notice))
    },
  }
}

/** The text of a notice: one assignment a line. */
export function noticeText(notice: ServiceNotice): string {
  const lines: string[] = []
  if (notice.ready === true) lines.push('READY=1')
  if (notice.stopping === true) lines.push('STOPPING=1')
  if (notice.watchdog === true) lines.push('WATCHDOG=1')
  // A line break would begin another assignment.
  if (notice.status !== undefined) lines.push(`STATUS=${notice.status.replaceAll(/[\r\n]+/g, ' ')}`)
  return lines.join('\n')
}

/** Half of WATCHDOG_USEC in milliseconds (sd_watchdog_enabled(3)), where it is meant for this process. */
export function watchdogInterval(environment: ServiceEnvironment, pid: number): number | undefined {
  const { WATCHDOG_USEC: microseconds, WATCHDOG_PID: forPid } = environment
  if (microseconds === undefined || !/^[1-9]\d*$/.test(microseconds)) return undefined
  if (forPid !== undefined && forPid !== String(pid)) return undefined
  return Math.max(1, Math.floor(Number(microseconds) / 2_000))
}

/** `struct sockaddr_un` of a path, or of an abstract name written with a leading `@`. */
export function unixAddress(name: string): Uint8Array | undefined {
  if (!name.startsWith('/') && !name.startsWith('@')) return undefined
  const path = Buffer.from(name, 'utf8')
  if (name.length < 2 || path.length >= pathBytesMax) return undefined
  if (name.startsWith('@')) path[0] = 0
  const address = Buffer.alloc(familyBytes + path.length)
  address.writeUInt16LE(afUnix)
  path.copy(address, familyBytes)
  return address
}

/** Node has no datagram sockets of AF_UNIX. */
function sendDatagram(address: Uint8Array, text: string): void {
  const { socket, sendto } = libc()
  const fd = socket(afUnix, sockDgram | sockCloexec, 0)
  if (fd < 0) return
  try {
    // V8 may move buffers of 64 bytes or less: what native code reads lies in larger ones.
    const message = Buffer.allocUnsafeSlow(Math.max(128, Buffer.byteLength(text)))
    const size = message.write(text)
    const target = Buffer.allocUnsafeSlow(128)
    target.set(address)
    sendto(fd, message, size, msgNosignal, target, address.length)
  } finally {
    closeSync(fd)
  }
}

interface Libc {
  readonly socket: (domain: number, type: number, protocol: number) => number
  readonly sendto: (
    fd: number,
    message: Uint8Array,
    size: number,
    flags: number,
    address: Uint8Array,
    addressSize: number,
  ) => number
}

let loaded: Libc | undefined

function libc(): Libc {
  if (loaded === undefined) {
    const library = koffi.load(null)
    loaded = {
      socket: library.func('int socket(int domain, int type, int protocol)'),
      sendto: library.func(
        'intptr_t sendto(int fd, const uint8_t *message, size_t size, int flags, const uint8_t *address, uint32_t addressSize)',
      ),
    }
  }
  return loaded
}
