// A program for tests: somebody on the link who has no token.
import { generateKeyPair } from '@libp2p/crypto/keys'
import { peerIdFromPrivateKey } from '@libp2p/peer-id'
import { multiaddr } from '@multiformats/multiaddr'
import { createSocket } from 'node:dgram'
import { connect, createServer } from 'node:net'
import { Mdns } from '../../../src/adapters/libp2p/mdns.ts'

const { deed, self, victim, token } = JSON.parse(process.argv[2] ?? '{}') as {
  readonly deed: 'half-open' | 'replay' | 'lie'
  readonly self: string
  readonly victim: string
  readonly token: string
}
const port = 4_710
const say = (line: object): void => console.log(JSON.stringify(line))
process.stdin.on('close', () => process.exit(0)).resume()

switch (deed) {
  case 'half-open':
    holdPlaces()
    break
  case 'replay':
    replayCalls()
    break
  case 'lie':
    await announceNobody()
}

/** Opens connections as fast as they are taken, and says nothing on them. */
function holdPlaces(): void {
  let open = 0
  setInterval(() => {
    for (let i = 0; i < 40; i++) {
      const socket = connect(port, victim, () => open++)
      socket.on('error', () => undefined)
    }
    say({ open })
  }, 100)
}

/** Says each call of the beacon again from its own address, where it waits for those who believe it. */
function replayCalls(): void {
  createServer((socket) => {
    say({ believed: socket.remoteAddress })
    socket.destroy()
  }).listen(port)
  const group = '239.255.77.83'
  const socket = createSocket({ type: 'udp4', reuseAddr: true })
  socket.on('message', (packet, from) => {
    if (from.address === self) return
    socket.send(packet, port, group)
    say({ repeated: from.address })
  })
  socket.bind(port, () => {
    socket.addMembership(group, self)
    socket.setMulticastInterface(self)
  })
}

/** Announces machines that do not exist, under the network's own name, which all on the link can read. */
async function announceNobody(): Promise<void> {
  for (let i = 0; i < 5; i++) {
    const id = peerIdFromPrivateKey(await generateKeyPair('Ed25519')).toString()
    const mdns = new Mdns({
      tag: `muster-${token}`,
      addresses: () => [multiaddr(`/ip4/${self}/tcp/${port}/p2p/${id}`)],
      onFound: (peer) => say({ found: peer }),
      logger: { debug: () => undefined, info: () => undefined, warn: () => undefined },
    })
    await mdns.setInterval(500)
    say({ announced: id })
  }
}
