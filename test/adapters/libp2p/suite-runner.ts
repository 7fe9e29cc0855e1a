// Runs the port's suite on real hosts, all in the network namespace it was started in; prints one JSON line a
// case. The child of network-suite.spec.ts.
import { createNetwork } from '../../../src/adapters/libp2p/index.ts'
import { networkSuite } from '../../../src/testing/network-suite.ts'

const text = (value: string): Uint8Array => new TextEncoder().encode(value)
const quiet = { debug: () => undefined, info: () => undefined, warn: () => undefined }

for (const { name, run } of networkSuite) {
  let failure = ''
  try {
    await run({
      make: (node, token = 'one') =>
        createNetwork(
          { logger: quiet },
          {
            identitySeed: new Uint8Array(32).fill(node + 1),
            keys: {
              discoveryTag: `muster-${token}`,
              noisePrologue: text(`prologue ${token}`),
              rendezvous: token,
              admissionKey: text(`admission ${token}`),
            },
            listenPort: 0,
            staticPeers: [],
            remembered: [],
            discovery: { mdns: true, beacon: true, dht: false },
            protocolVersion: 1,
          },
        ),
    })
  } catch (error) {
    failure = String(error instanceof Error ? error.stack : error)
  }
  console.log(JSON.stringify({ name, failure }))
}
console.log(JSON.stringify({ done: true }))
