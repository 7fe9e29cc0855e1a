// Proves the data plane between two real processes in network namespaces of their own: pings over both
// families, packets up to the MTU, a restart of one side, roaming, forged and lying frames, a stolen device.
import { execFileSync } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import { once } from 'node:events'
import { fileURLToPath } from 'node:url'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import type { DropCounts } from '../../../src/adapters/tun/overlay-device.ts'
import type { OverlayIntent, OverlayPeer, OverlayState } from '../../../src/core/overlay/intent.ts'
import { ipPacket } from '../../core/overlay/packets.ts'
import type { NetHost, NetLab, NetProcess } from '../../support/netns.ts'
import { canNetns, createNetLab } from '../../support/netns.ts'
import type { HostCommand } from './overlay-host.ts'

const hostFile = fileURLToPath(new URL('overlay-host.ts', import.meta.url))
const skipReason = canNetns ? '' : ' (SKIPPED: needs root and network namespaces)'

interface Report {
  readonly state: OverlayState
  readonly drops: DropCounts
  readonly rss: number
}

/** A node of the test: its process may be started again on the same host. */
class Node {
  readonly id: string
  readonly index: number
  readonly host: NetHost
  port = 0
  key = ''
  #process: NetProcess | undefined

  constructor(host: NetHost, index: number) {
    this.host = host
    this.index = index
    this.id = `node-${index}`
  }

  async start(port = 0): Promise<void> {
    this.#process = this.host.node(hostFile, this.id, String(port))
    const started = await this.#process.until('start', (line) => field(line, 'started'))
    ;({ port: this.port, publicKey: this.key } = started as { port: number; publicKey: string })
  }

  get process(): NetProcess {
    return this.#process!
  }

  async ask<T>(command: HostCommand, answer: string): Promise<T> {
    const from = this.process.lines.length
    this.process.tell(command)
    const find = (line: unknown): unknown => {
      const failed = field(line, 'failed')
      if (failed !== undefined && answer !== 'failed') throw new Error(JSON.stringify(failed))
      return field(line, answer)
    }
    return (await this.process.until(`${command.do} at ${this.id}`, find, 15_000, from)) as T
  }

  async apply(others: readonly Node[], change: Partial<OverlayIntent> = {}): Promise<void> {
    await this.ask({ do: 'apply', intent: { ...this.intent(others), ...change } }, 'applied')
  }

  async report(): Promise<Report> {
    const from = this.process.lines.length
    await this.ask({ do: 'state' }, 'state')
    return (await this.process.until('state', (line) => field(line, 'state') && line, 15_000, from)) as Report
  }

  intent(others: readonly Node[]): OverlayIntent {
    return {
      device: 'muster0',
      address4: this.address4,
      prefix4: 16,
      address6: this.address6,
      prefix6: 64,
      mtu: 1_420,
      peers: others.map((other) => other.asPeer()),
    }
  }

  asPeer(): OverlayPeer {
    return {
      id: this.id,
      address4: this.address4,
      address6: this.address6,
      key: this.key,
      endpoint: { host: this.outer, port: this.port },
    }
  }

  get address4(): string {
    return `10.144.0.${this.index}`
  }
  get address6(): string {
    return `fd77:1:2:3::${this.index}`
  }
  get outer(): string {
    return `192.0.2.${this.index}`
  }

  /** Runs a program inside; its stdout. Throws where it fails. */
  run(...argv: readonly string[]): string {
    return execFileSync('ip', ['netns', 'exec', this.host.name, ...argv], { encoding: 'utf8', stdio: 'pipe' })
  }

  ping(address: string, ...options: readonly string[]): boolean {
    try {
      this.run('ping', '-n', '-c', '1', '-W', '2', ...options, address)
      return true
    } catch {
      return false
    }
  }
}

function field(line: unknown, name: string): unknown {
  return typeof line === 'object' && line !== null ? (line as Record<string, unknown>)[name] : undefined
}

/** Repeats a look until it is satisfied: the event that it waits for is another process's. */
async function eventually(what: string, look: () => boolean | Promise<boolean>): Promise<void> {
  for (let attempt = 0; attempt < 60; attempt++) {
    if (await look()) return
    await new Promise((resolve) => setTimeout(resolve, 100))
  }
  throw new Error(`never: ${what}`)
}

describe.skipIf(!canNetns)(`the overlay between two processes${skipReason}`, () => {
  let lab: NetLab
  let a: Node
  let b: Node

  beforeAll(async () => {
    lab = await createNetLab('ovl', [{ ipv4: '192.0.2.1/24' }, { ipv4: '192.0.2.2/24' }])
    a = new Node(lab.host(0), 1)
    b = new Node(lab.host(1), 2)
    await Promise.all([a.start(), b.start()])
    await Promise.all([a.apply([b]), b.apply([a])])
  })

  afterAll(async () => {
    await lab.close()
  })

  it('carries pings over IPv4 and IPv6, both ways', () => {
    expect(a.ping(b.address4)).toBe(true)
    expect(a.ping(b.address6)).toBe(true)
    expect(b.ping(a.address4)).toBe(true)
    expect(b.ping(a.address6)).toBe(true)
  })

  it('carries packets of the whole MTU, unfragmented, in one datagram of the underlay', () => {
    expect(a.ping(b.address4, '-M', 'do', '-s', String(1_420 - 28))).toBe(true)
    expect(a.ping(b.address6, '-M', 'do', '-s', String(1_420 - 48))).toBe(true)
    expect(a.ping(b.address6, '-M', 'do', '-s', String(1_280 - 48))).toBe(true)
  })

  it('carries them over an underlay of 1280 as well', () => {
    const setMtu = (mtu: string): void => {
      for (const node of [a, b]) node.run('ip', 'link', 'set', 'eth0', 'mtu', mtu)
    }
    setMtu('1280')
    try {
      expect(a.ping(b.address6, '-M', 'do', '-s', String(1_280 - 48))).toBe(true)
    } finally {
      setMtu('1500')
    }
  })

  it('counts what it carried, and needs little memory', async () => {
    const { state, rss } = await a.report()
    expect(state.up).toBe(true)
    expect(state.peers[0]!.sentPackets).toBeGreaterThanOrEqual(5)
    expect(state.peers[0]!.receivedPackets).toBeGreaterThanOrEqual(5)
    expect(state.peers[0]!.droppedPackets).toBe(0)
    expect(rss).toBeLessThan(110 * 1_048_576)
  })

  it('changes nothing when told the same again', async () => {
    const before = a.process.lines.length
    await a.apply([b])
    await a.apply([b])
    const events = a.process.lines.slice(before).filter((line) => field(line, 'event') !== undefined)
    expect(events).toEqual([])
    const routes = a.host.ip('route', 'show', 'dev', 'muster0')
    expect(routes).toContain('10.144.0.0/16')
    expect(a.host.ip('-6', 'route', 'show', 'dev', 'muster0')).toContain('fd77:1:2:3::/64')
  })

  it('drops forged and replayed datagrams, and those of strangers', async () => {
    const { drops: before } = await b.report()
    const liarKey = await a.ask<string>({ do: 'liar-key' }, 'liarKey')
    const liar: OverlayPeer = {
      ...a.asPeer(),
      id: 'liar',
      address4: '10.144.0.9',
      address6: 'fd77:1:2:3::9',
      key: liarKey,
    }
    await b.ask({ do: 'apply', intent: { ...b.intent([a]), peers: [liar, a.asPeer()] } }, 'applied')
    const honest = hexOf(ipPacket(liar.address4, b.address4))
    const lies = [
      ipPacket(a.address4, b.address4),
      ipPacket('198.51.100.1', b.address4),
      ipPacket(liar.address4, '198.51.100.1'),
      ipPacket(liar.address4, '224.0.0.1'),
    ]
    const to = { host: b.outer, port: b.port }
    const packets = [honest, ...lies.map((packet) => hexOf(packet))]
    const sealed = await a.ask<string[]>(
      { do: 'seal', self: 'liar', peer: { id: b.id, key: b.key }, to, packets },
      'sealed',
    )
    const replayed = sealed[0]!
    const fresh = replayed.slice(0, 16) + '00000000000000ff' + replayed.slice(32)
    const noise = Array.from({ length: 20 }, (_, size) => randomBytes(size * 7).toString('hex'))
    await a.ask({ do: 'raw', ...to, datagrams: [replayed, fresh, ...noise] }, 'sent')
    const since = async (): Promise<Record<string, number>> => {
      const { drops } = await b.report()
      return Object.fromEntries(
        Object.entries(drops).map(([name, count]) => [name, count - before[name as keyof DropCounts]]),
      )
    }
    await eventually('the noise is counted', async () => (await since())['not-a-frame']! >= 19)
    expect(await since()).toMatchObject({ 'wrong-source': 2, 'wrong-destination': 1, replayed: 1, forged: 1 })
    const { state } = await b.report()
    const counters = state.peers.find((peer) => peer.id === 'liar')!
    expect(counters).toMatchObject({ receivedPackets: 1, droppedPackets: 6 })
    await b.apply([a])
    expect(a.ping(b.address4)).toBe(true)
  })

  it('follows a peer that comes from another address', async () => {
    await b.ask(
      { do: 'apply', intent: { ...b.intent([a]), peers: [{ ...a.asPeer(), endpoint: undefined }] } },
      'applied',
    )
    a.run('ip', 'addr', 'flush', 'dev', 'eth0', 'scope', 'global')
    a.run('ip', 'addr', 'add', '192.0.2.77/24', 'dev', 'eth0')
    try {
      await eventually('a ping from the new address', () => a.ping(b.address4))
    } finally {
      a.run('ip', 'addr', 'flush', 'dev', 'eth0', 'scope', 'global')
      a.run('ip', 'addr', 'add', '192.0.2.1/24', 'dev', 'eth0')
    }
    await eventually('a ping from the former address', () => a.ping(b.address4))
    expect((await b.report()).state.peers[0]!.receivedPackets).toBeGreaterThanOrEqual(2)
    await b.apply([a])
  })

  it('repairs lost addresses, MTU state and a deleted device, and says so', async () => {
    const repaired = async (damage: readonly string[]): Promise<void> => {
      const from = b.process.lines.length
      b.run(...damage)
      await b.process.until(
        `repair after ${damage.join(' ')}`,
        (line) => (field(line, 'event') as { reason?: string } | undefined)?.reason === 'OverlayRepaired',
        15_000,
        from,
      )
      expect(a.ping(b.address4)).toBe(true)
      expect(a.ping(b.address6)).toBe(true)
    }
    await repaired(['ip', 'addr', 'flush', 'dev', 'muster0'])
    await repaired(['ip', 'link', 'set', 'muster0', 'down'])
    await repaired(['ip', 'link', 'delete', 'muster0'])
  })

  it('survives a restart of one side: the device stays, pings resume with the new key', async () => {
    const index = deviceIndex(b)
    const stopped = b.process
    const exit = once(stopped.child, 'exit')
    await b.ask({ do: 'stop' }, 'stopped')
    expect((await exit)[0]).toBe(0)
    expect(b.host.ip('addr', 'show', 'dev', 'muster0')).toContain(`${b.address4}/16`)
    expect(b.host.ip('addr', 'show', 'dev', 'muster0')).toContain(`${b.address6}/64`)
    expect(a.ping(b.address4, '-W', '1')).toBe(false)

    const formerKey = b.key
    await b.start()
    expect(b.key).not.toBe(formerKey)
    await b.apply([a])
    await a.apply([b])
    expect(deviceIndex(b)).toBe(index)
    expect(a.ping(b.address4)).toBe(true)
    expect(b.ping(a.address6)).toBe(true)
  })

  it('keeps the device when it is killed, too', async () => {
    await b.process.kill()
    expect(b.host.ip('addr', 'show', 'dev', 'muster0')).toContain(`${b.address4}/16`)
    await b.start()
    await Promise.all([b.apply([a]), a.apply([b])])
    expect(a.ping(b.address6)).toBe(true)
  })

  it('leaves a foreign device of its name alone and says whose fault it is', async () => {
    b.run('ip', 'link', 'add', 'foreign0', 'type', 'bridge')
    const failed = await b.ask({ do: 'apply', intent: { ...b.intent([a]), device: 'foreign0' } }, 'failed')
    expect(failed).toMatchObject({ code: 'ERR_OVERLAY_DEVICE' })
    expect(b.host.ip('link', 'show', 'dev', 'foreign0')).toContain('foreign0')
    await b.apply([a])
    expect(a.ping(b.address4)).toBe(true)
  })

  it('takes the overlay address from a machine with another address of ours', async () => {
    await b.ask({ do: 'apply', intent: { ...b.intent([a]), address4: '10.144.0.200' } }, 'applied')
    const addresses = b.host.ip('addr', 'show', 'dev', 'muster0')
    expect(addresses).toContain('10.144.0.200/16')
    expect(addresses).not.toContain(`${b.address4}/16`)
    await b.apply([a])
  })
})

function hexOf(bytes: Uint8Array): string {
  return Buffer.from(bytes).toString('hex')
}

function deviceIndex(node: Node): string {
  return node.host.ip('-o', 'link', 'show', 'dev', 'muster0').split(':')[0]!
}
