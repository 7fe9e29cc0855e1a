// A program for tests: one real host. Prints its events as JSON lines and takes commands as JSON lines.
import { createInterface } from 'node:readline'
import { createNetwork } from '../../../src/adapters/libp2p/index.ts'
import { isStreamFault } from '../../../src/adapters/libp2p/index.ts'
import type { NetworkInit } from '../../../src/adapters/libp2p/index.ts'
import type { Message } from '../../../src/core/model/message.ts'
import type { PeerAddress, RefusalCode } from '../../../src/core/ports.ts'

/** What a test says to a host. */
export type Command =
  | { readonly do: 'send'; readonly to: string; readonly message: Message; readonly times?: number }
  | { readonly do: 'send-bulk'; readonly to: string; readonly messages: number; readonly idCount: number }
  | { readonly do: 'keep'; readonly peers: readonly PeerAddress[] }
  | { readonly do: 'cut-off'; readonly peer: string; readonly code: RefusalCode }
  | { readonly do: 'pace'; readonly pace: 'forming' | 'settled' }
  | { readonly do: 'peers' }
  | { readonly do: 'memory' }
  | { readonly do: 'stop' }

/** Keys and the like, as text that fits a command line. */
export interface ChildInit extends Omit<NetworkInit, 'identitySeed' | 'keys'> {
  readonly node: number
  readonly token: string
  /** Another admission key under the same Noise prologue. */
  readonly admission?: string
}

const say = (line: object): void => console.log(JSON.stringify(line))
const debug = process.env['MUSTER_TEST_DEBUG'] !== undefined
const log = (fields: object, message: string): void => {
  if (debug) console.error(message, JSON.stringify(fields))
}

process.on('uncaughtException', (error) => {
  say({ uncaught: String(error.stack) })
  if (!isStreamFault(error)) process.exit(1)
})

const { node, token, admission, ...rest } = JSON.parse(process.argv[2] ?? '{}') as ChildInit
const network = await createNetwork(
  { logger: { debug: log, info: log, warn: log } },
  {
    ...rest,
    identitySeed: new Uint8Array(32).fill(node + 1),
    keys: {
      discoveryTag: `muster-${token}`,
      noisePrologue: new TextEncoder().encode(`prologue ${token}`),
      rendezvous: `rendezvous ${token}`,
      admissionKey: new TextEncoder().encode(`admission ${admission ?? token}`),
    },
  },
)
try {
  let received = 0
  await network.start((event) => {
    if (event.kind === 'message' && ++received > 1_000) return
    say({ atMs: Math.round(performance.now()), ...event })
  })
} catch (error) {
  say({ failed: (error as { readonly code?: string }).code ?? String(error) })
  process.exit(1)
}
say({ ready: network.self })
// A test that dies leaves no hosts behind.
createInterface({ input: process.stdin })
  .on('line', obey)
  .on('close', () => process.exit(0))

function obey(line: string): void {
  const command = JSON.parse(line) as Command
  switch (command.do) {
    case 'send':
      for (let i = 0; i < (command.times ?? 1); i++) network.send(command.to, command.message)
      break
    case 'send-bulk': {
      const ids = Array.from({ length: command.idCount }, () => network.self)
      for (let i = 0; i < command.messages; i++) network.send(command.to, { kind: 'records-request', ids })
      break
    }
    case 'keep':
      network.keepPeers(command.peers)
      break
    case 'cut-off':
      network.cutOff(command.peer, command.code, 'the test said so')
      break
    case 'pace':
      network.setPace(command.pace)
      break
    case 'peers':
      say({ peers: network.peers() })
      break
    case 'memory':
      say({ rssMiB: process.memoryUsage().rss / 1_048_576 })
      break
    case 'stop':
      void network.stop().then(() => {
        say({ stopped: true })
        process.exit(0)
      })
  }
}
