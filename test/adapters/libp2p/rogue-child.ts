// A program for tests: a member with the right token that misbehaves once it is admitted.
import { noise } from '@chainsafe/libp2p-noise'
import { identify } from '@libp2p/identify'
import { tcp } from '@libp2p/tcp'
import { yamux } from '@libp2p/yamux'
import type { Stream } from '@libp2p/interface'
import { multiaddr } from '@multiformats/multiaddr'
import { createLibp2p } from 'libp2p'
import {
  admissionFrameBytesMax,
  admit,
  drawSession,
  linkProtocol,
} from '../../../src/adapters/libp2p/admission.ts'
import { admissionStream, framesOf } from '../../../src/adapters/libp2p/peer-link.ts'
import { encodeMessage } from '../../../src/core/model/wire.ts'

const { deed, address, token } = JSON.parse(process.argv[2] ?? '{}') as {
  readonly deed: 'garbage' | 'oversize' | 'flood' | 'endless-length' | 'false-pong'
  readonly address: string
  readonly token: string
}
const host = await createLibp2p({
  transports: [tcp()],
  connectionEncrypters: [noise({ prologueBytes: new TextEncoder().encode(`prologue ${token}`) })],
  streamMuxers: [yamux()],
  services: { identify: identify() },
})
process.on('uncaughtException', () => undefined)
process.stdin.on('close', () => process.exit(0)).resume()
console.log(JSON.stringify({ id: host.peerId.toString() }))

const first = await enter()
misbehave(first.stream)
await new Promise((resolve) => first.stream.addEventListener('close', resolve))
const second = await enter().catch(() => ({ kind: 'refused' }))
console.log(JSON.stringify({ second: second.kind }))

async function enter(): Promise<{ readonly kind: string; readonly stream: Stream }> {
  const connection = await host.dial(multiaddr(address))
  const stream = await connection.newStream(linkProtocol)
  const frames = framesOf(stream)
  const { kind } = await admit(admissionStream(frames, admissionFrameBytesMax, AbortSignal.timeout(5_000)), {
    self: host.peerId.toString(),
    peer: connection.remotePeer.toString(),
    role: 'opener',
    key: new TextEncoder().encode(`admission ${token}`),
    version: 1,
    session: drawSession(),
  })
  return { kind, stream }
}

function misbehave(stream: Stream): void {
  const ping = encodeMessage({ kind: 'ping', nonce: 1, claims: [] })
  const frame = Buffer.concat([Buffer.alloc(4), Uint8Array.of(0), ping])
  frame.writeUInt32BE(ping.byteLength + 1)
  switch (deed) {
    case 'garbage':
      stream.send(Buffer.from('0000000500deadbeef', 'hex'))
      break
    case 'oversize':
      stream.send(Buffer.from('7fffffff', 'hex'))
      break
    case 'endless-length':
      stream.send(Buffer.alloc(64, 0xff))
      break
    case 'flood':
      stream.send(Buffer.concat(Array.from({ length: 1_000 }, () => frame)))
      break
    case 'false-pong':
      // An answer that nobody asked for, to a ping of the year 1.
      setInterval(() => stream.send(Buffer.from('00000009020000000000000000', 'hex')), 100)
  }
}
