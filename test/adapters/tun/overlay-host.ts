// One node's data plane as a process of its own, driven by JSON lines: the child of overlay-device.spec.ts.
import { createSocket } from 'node:dgram'
import { once } from 'node:events'
import { createInterface } from 'node:readline'
import { createClock } from '../../../src/adapters/clock.ts'
import { runProgram } from '../../../src/adapters/exec.ts'
import { createLinks } from '../../../src/adapters/netlink/links.ts'
import type { UserspaceOverlay } from '../../../src/adapters/tun/overlay-device.ts'
import { createOverlayDevice } from '../../../src/adapters/tun/overlay-device.ts'
import { createSealer } from '../../../src/adapters/tun/sealer.ts'
import type { OverlayIntent } from '../../../src/core/overlay/intent.ts'
import { MusterError } from '../../../src/errors.ts'

/** What the test may ask for. */
export type HostCommand =
  | { readonly do: 'apply'; readonly intent: OverlayIntent }
  | { readonly do: 'state' }
  | { readonly do: 'stop' }
  /** Sends the datagrams (hex) from a socket that has nothing to do with the overlay. */
  | {
      readonly do: 'raw'
      readonly host: string
      readonly port: number
      readonly datagrams: readonly string[]
    }
  /** Seals packets (hex) with a fresh key, as a member that lies about its inner source would. */
  | {
      readonly do: 'seal'
      readonly self: string
      readonly peer: { readonly id: string; readonly key: string }
      readonly to: { readonly host: string; readonly port: number }
      readonly packets: readonly string[]
    }
  | { readonly do: 'liar-key' }

const [self = 'node', port = '0', device = 'muster0'] = process.argv.slice(2)
const psk = new Uint8Array(32).fill(7)
const say = (value: object): void => void process.stdout.write(`${JSON.stringify(value)}\n`)

const overlay: UserspaceOverlay = createOverlayDevice(
  { links: createLinks({ run: runProgram }), clock: createClock() },
  { psk, self, port: Number(port), device, onEvent: (event) => say({ event }) },
)
const liar = createSealer(psk)
const commands = createInterface({ input: process.stdin })

async function obey(command: HostCommand): Promise<void> {
  switch (command.do) {
    case 'apply':
      await overlay.apply(command.intent)
      say({ applied: true })
      break
    case 'state':
      say({ state: overlay.state(), drops: overlay.drops(), rss: process.memoryUsage.rss() })
      break
    case 'raw':
      await sendAll(
        command.host,
        command.port,
        command.datagrams.map((hex) => Buffer.from(hex, 'hex')),
      )
      say({ sent: command.datagrams.length })
      break
    case 'liar-key':
      say({ liarKey: liar.publicKey })
      break
    case 'seal': {
      const keys = liar.agree(command.self, command.peer)!
      const frames = command.packets.map((packet, index) =>
        liar.seal(keys.send, index, Buffer.from(packet, 'hex')),
      )
      await sendAll(command.to.host, command.to.port, frames)
      say({ sealed: frames.map((frame) => Buffer.from(frame).toString('hex')) })
      break
    }
    case 'stop':
      await overlay.stop()
      // Nothing else holds the event loop: the process ends by itself, or the test says so.
      commands.close()
      process.stdin.destroy()
      say({ stopped: true })
  }
}

async function sendAll(host: string, to: number, datagrams: readonly Uint8Array[]): Promise<void> {
  const socket = createSocket(host.includes(':') ? 'udp6' : 'udp4')
  for (const datagram of datagrams) {
    await new Promise((resolve) => socket.send(datagram, to, host, resolve))
  }
  socket.close()
  await once(socket, 'close')
}

say({ started: await overlay.start() })
for await (const line of commands) {
  try {
    await obey(JSON.parse(line) as HostCommand)
  } catch (error) {
    say({
      failed: error instanceof MusterError ? { code: error.code, message: error.message } : String(error),
    })
  }
}
