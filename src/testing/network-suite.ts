import assert from 'node:assert/strict'
import type { Message } from '../core/model/message.ts'
import type { Network, NetworkEvent } from '../core/ports.ts'

/** Makes the networks of one case. All of them are on one link, where members find each other by themselves. */
export interface NetworkHarness {
  /** The same `node` gives the same identity; `other` has another network token. Not started. */
  make(node: number, token?: 'one' | 'other'): Promise<Network>
  /** How long an event may take. Default 15 s. */
  readonly patienceMs?: number
}

/** One promise of the port, to be run in any test runner: `for (const c of networkSuite) it(c.name, …)`. */
export interface NetworkCase {
  readonly name: string
  run(harness: NetworkHarness): Promise<void>
}

type EventOf<K extends NetworkEvent['kind']> = Extract<NetworkEvent, { readonly kind: K }>

/** A started network and everything that it told. */
class Witness {
  readonly network: Network
  readonly events: NetworkEvent[] = []
  /** Runs within the delivery of each event. */
  onEvent: (event: NetworkEvent) => void = () => undefined
  readonly #patienceMs: number
  #wake: () => void = () => undefined

  constructor(network: Network, patienceMs: number) {
    this.network = network
    this.#patienceMs = patienceMs
  }

  async start(): Promise<void> {
    await this.network.start((event) => {
      this.events.push(event)
      this.#wake()
      this.onEvent(event)
    })
  }

  of<K extends NetworkEvent['kind']>(kind: K): EventOf<K>[] {
    return this.events.filter((event): event is EventOf<K> => event.kind === kind)
  }

  /** Waits until `count` events of a kind were told; fails with all that was told instead. */
  async until<K extends NetworkEvent['kind']>(kind: K, count = 1): Promise<EventOf<K>> {
    const deadline = performance.now() + this.#patienceMs
    for (;;) {
      const found = this.of(kind)[count - 1]
      if (found !== undefined) return found
      const leftMs = deadline - performance.now()
      assert.ok(
        leftMs > 0,
        `no ${kind} (${count}); told: ${this.events.map((event) => event.kind).join(', ')}`,
      )
      await new Promise<void>((resolve) => {
        const timer = setTimeout(resolve, leftMs)
        this.#wake = () => {
          clearTimeout(timer)
          resolve()
        }
      })
    }
  }
}

const ping = (nonce: number): Message => ({ kind: 'ping', nonce, claims: [] })
const pause = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms))

/** Runs with started members 0 and 1 that know each other, and stops all that was started. */
async function withPair(
  harness: NetworkHarness,
  run: (
    a: Witness,
    b: Witness,
    open: (node: number, token?: 'one' | 'other') => Promise<Witness>,
  ) => Promise<void>,
): Promise<void> {
  const opened: Witness[] = []
  const open = async (node: number, token: 'one' | 'other' = 'one'): Promise<Witness> => {
    const witness = new Witness(await harness.make(node, token), harness.patienceMs ?? 15_000)
    opened.push(witness)
    await witness.start()
    return witness
  }
  try {
    const [a, b] = [await open(0), await open(1)]
    await Promise.all([a.until('peer-up'), b.until('peer-up')])
    await run(a, b, open)
  } finally {
    await Promise.all(opened.map(({ network }) => network.stop()))
  }
}

/** Everything that port `Network` promises, whatever carries it. */
export const networkSuite: readonly NetworkCase[] = [
  {
    name: 'is named by its identity',
    async run({ make }) {
      assert.equal((await make(0)).self, (await make(0)).self)
      assert.notEqual((await make(0)).self, (await make(1)).self)
    },
  },
  {
    name: 'describes the machine first and tells each peer once',
    run: (harness) =>
      withPair(harness, async (a, b) => {
        assert.equal(a.events[0]?.kind, 'machine-changed')
        assert.ok(a.events.findIndex(isFound) < a.events.findIndex(isUp), 'found before it is up')
        assert.deepEqual([a.of('peer-up').length, b.of('peer-up').length], [1, 1])
        assert.equal(a.of('peer-up')[0]?.peer, b.network.self)
        assert.deepEqual([...a.of('peer-down'), ...b.of('peer-down')], [])
      }),
  },
  {
    name: 'carries messages whole and in order, both ways',
    run: (harness) =>
      withPair(harness, async (a, b) => {
        for (let nonce = 0; nonce < 100; nonce++) {
          a.network.send(b.network.self, ping(nonce))
          b.network.send(a.network.self, ping(1_000 + nonce))
        }
        await Promise.all([a.until('message', 100), b.until('message', 100)])
        for (const [at, first, from] of [
          [b, 0, a.network.self],
          [a, 1_000, b.network.self],
        ] as const) {
          const wanted = Array.from({ length: 100 }, (_, i) => ({
            kind: 'message',
            from,
            message: ping(first + i),
          }))
          assert.deepEqual(at.of('message'), wanted)
        }
      }),
  },
  {
    name: 'never tells an event from within a call',
    run: (harness) =>
      withPair(harness, async (a, b) => {
        let calling = true
        let faults = 0
        a.onEvent = () => void (calling && faults++)
        a.network.send(b.network.self, ping(1))
        a.network.keepPeers([{ id: b.network.self, endpoints: [] }])
        a.network.cutOff(b.network.self, 'Garbage', 'a test')
        calling = false
        await a.until('peer-down')
        assert.equal(faults, 0)
      }),
  },
  {
    name: 'answers from within an event, and goes on after a consumer that throws',
    run: (harness) =>
      withPair(harness, async (a, b) => {
        b.onEvent = (event) => {
          if (event.kind !== 'message') return
          b.network.send(event.from, { kind: 'nack', nonce: 7 })
          throw new Error('a fault of the consumer')
        }
        a.network.send(b.network.self, ping(1))
        a.network.send(b.network.self, ping(2))
        await a.until('message', 2)
        assert.equal(b.of('message').length, 2)
      }),
  },
  {
    name: 'neither throws nor tells anything for a message to itself or to nobody',
    run: (harness) =>
      withPair(harness, async (a) => {
        const stranger = (await harness.make(9)).self
        const before = a.events.length
        a.network.send(a.network.self, ping(1))
        a.network.send(stranger, ping(1))
        await pause(100)
        assert.deepEqual(
          a.events.slice(before).filter(({ kind }) => kind === 'message'),
          [],
        )
      }),
  },
  {
    name: 'cuts off on both ends, says why, and keeps the peer out',
    run: (harness) =>
      withPair(harness, async (a, b) => {
        a.network.cutOff(b.network.self, 'Flood', 'too eager')
        assert.match((await a.until('peer-down')).reason, /Flood.*too eager/)
        await b.until('peer-down')
        await pause(1_500)
        assert.equal(a.of('peer-up').length, 1)
        assert.equal(a.network.peers().find(({ id }) => id === b.network.self)?.connected, false)
      }),
  },
  {
    name: 'turns a stranger away by name',
    run: (harness) =>
      withPair(harness, async (a, _, open) => {
        const stranger = await open(2, 'other')
        const { endpoints } = a.of('machine-changed')[0] as EventOf<'machine-changed'>
        stranger.network.keepPeers([{ id: a.network.self, endpoints }])
        assert.equal((await stranger.until('peer-refused')).code, 'ForeignNetwork')
        assert.equal((await a.until('peer-refused')).code, 'ForeignNetwork')
        assert.deepEqual(stranger.of('peer-up'), [])
        assert.equal(a.of('peer-up').length, 1)
      }),
  },
  {
    name: 'tells when a peer goes and when it is back, and lists it all the time',
    run: (harness) =>
      withPair(harness, async (a, b, open) => {
        a.network.keepPeers([{ id: b.network.self, endpoints: [] }])
        const line = () => a.network.peers().find(({ id }) => id === b.network.self)
        assert.equal(line()?.connected, true)
        await b.network.stop()
        const { reason } = await a.until('peer-down')
        assert.notEqual(reason, '')
        assert.equal(line()?.connected, false)
        assert.notEqual(line()?.lastError, '')
        await open(1)
        await a.until('peer-up', 2)
        assert.equal(line()?.connected, true)
      }),
  },
  {
    name: 'tells nothing after it was stopped',
    run: (harness) =>
      withPair(harness, async (a, b) => {
        await a.network.stop()
        const told = a.events.length
        b.network.send(a.network.self, ping(1))
        await b.until('peer-down')
        await pause(100)
        assert.equal(a.events.length, told)
      }),
  },
]

function isFound(event: NetworkEvent): boolean {
  return event.kind === 'peer-found'
}

function isUp(event: NetworkEvent): boolean {
  return event.kind === 'peer-up'
}
