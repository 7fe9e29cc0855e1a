// Proves that the machines' switch learns, floods, loses, delays and records as it should, on real unix sockets: frames split at
// every byte, machines that do not read, machines that come back, and a neighbour that sends rubbish.
import { once } from 'node:events'
import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { createConnection, type Socket } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { FrameReader, frameHeaderBytes, withLength } from '../../../src/lab/vm/frames.ts'
import { VmSwitch } from '../../../src/lab/vm/switch.ts'
import { timeFactor } from '../../support/site.ts'

const broadcast = 'ffffffffffff'
const macOf = (index: number): string => `02780000000${index}`

let directory: string
let vmSwitch: VmSwitch
let stations: Station[]
let draws: number[]

beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), 'muster-switch-'))
  draws = []
  vmSwitch = new VmSwitch({ network: 'link-local', random: () => draws.shift() ?? 0.5, now: () => 1_500 })
  stations = []
})

afterEach(async () => {
  for (const station of stations) station.socket.destroy()
  await vmSwitch.close()
  rmSync(directory, { recursive: true, force: true })
})

/** What QEMU would be: one end of a port's socket. */
class Station {
  readonly socket: Socket
  readonly frames: Buffer[] = []
  readonly #reader = new FrameReader()

  constructor(socket: Socket) {
    this.socket = socket
    socket.on('data', (part: Buffer) => {
      this.frames.push(...this.#reader.push(part).map((framed) => framed.subarray(frameHeaderBytes)))
    })
    socket.on('error', () => undefined)
  }

  send(frame: Buffer): void {
    this.socket.write(withLength(frame))
  }

  /** What came, as texts behind the header. */
  get texts(): string[] {
    return this.frames.map((frame) => frame.toString('utf8', 14))
  }
}

async function connect(index: number): Promise<Station> {
  const path = join(directory, `${index}.sock`)
  await vmSwitch.addPort(`m${index}`, index, path)
  const socket = createConnection(path)
  await once(socket, 'connect')
  const station = new Station(socket)
  stations.push(station)
  await until(() => vmSwitch.counts()[`m${index}`]?.isConnected === true)
  return station
}

function frame(from: string, to: string, text: string): Buffer {
  return Buffer.concat([Buffer.from(`${to}${from}88b5`, 'hex'), Buffer.from(text)])
}

async function until(holds: () => boolean): Promise<void> {
  const giveUpAt = performance.now() + 10_000 * timeFactor
  while (!holds()) {
    if (performance.now() > giveUpAt) throw new Error('it did not come so far')
    await sleep(2)
  }
}

describe('FrameReader', () => {
  it('puts frames together however they were split', () => {
    const frames = ['a', 'bb'.repeat(700), 'ccc'].map((text) => frame(macOf(1), broadcast, text))
    const stream = Buffer.concat(frames.map(withLength))
    for (const size of [1, 2, 3, 5, 17, 1_024, stream.length]) {
      const reader = new FrameReader()
      const found: Buffer[] = []
      for (let at = 0; at < stream.length; at += size)
        found.push(...reader.push(stream.subarray(at, at + size)))
      expect(found.map((framed) => framed.subarray(frameHeaderBytes))).toEqual(frames)
    }
  })

  it('refuses a length that no frame has', () => {
    expect(() => new FrameReader().push(Buffer.from([0, 2, 0, 0]))).toThrow(
      expect.objectContaining({ code: 'ERR_VM_SWITCH' }),
    )
  })
})

describe('VmSwitch', () => {
  it('floods what it does not know and learns where each address is', async () => {
    const [one, two, three] = [await connect(1), await connect(2), await connect(3)]
    one.send(frame(macOf(1), macOf(2), 'to an unknown'))
    await until(() => two.frames.length === 1 && three.frames.length === 1)
    two.send(frame(macOf(2), macOf(1), 'back'))
    await until(() => one.frames.length === 1)
    one.send(frame(macOf(1), macOf(2), 'to a known'))
    await until(() => two.frames.length === 2)
    one.send(frame(macOf(1), broadcast, 'to all'))
    await until(() => two.frames.length === 3 && three.frames.length === 2)
    expect(one.texts).toEqual(['back'])
    expect(two.texts).toEqual(['to an unknown', 'to a known', 'to all'])
    expect(three.texts).toEqual(['to an unknown', 'to all'])
  })

  it('follows an address that moved, and forgets those of a machine that went', async () => {
    const [one, two, three] = [await connect(1), await connect(2), await connect(3)]
    two.send(frame(macOf(9), broadcast, 'here'))
    await until(() => three.frames.length === 1)
    three.send(frame(macOf(9), broadcast, 'moved'))
    await until(() => two.frames.length === 1 && one.frames.length === 2)
    one.send(frame(macOf(1), macOf(9), 'x'))
    await until(() => three.texts.includes('x'))
    expect(two.texts).not.toContain('x')
    three.socket.destroy()
    await until(() => vmSwitch.counts()['m3']?.isConnected === false)
    one.send(frame(macOf(1), macOf(9), 'y'))
    await until(() => two.texts.includes('y'))
  })

  it('takes a machine that comes back at its port', async () => {
    const [one, before] = [await connect(1), await connect(2)]
    before.socket.destroy()
    const after = await connect(2)
    one.send(frame(macOf(1), broadcast, 'again'))
    await until(() => after.texts.includes('again'))
  })

  it('loses what goes from one to another, and nothing else: one way, partly, and late', async () => {
    const [one, two, three] = [await connect(1), await connect(2), await connect(3)]
    vmSwitch.setFaults([
      { from: 1, to: 2, lossPercent: 100 },
      { from: 1, to: 3, lossPercent: 40 },
      { from: 3, to: 1, lossPercent: 0, delayMs: 100 },
    ])
    // One draw for each frame that meets a fault: 100 % loses always, 40 % below 0.4.
    draws = [0.99, 0.39, 0.99, 0.41]
    one.send(frame(macOf(1), broadcast, 'first'))
    one.send(frame(macOf(1), broadcast, 'second'))
    two.send(frame(macOf(2), broadcast, 'other way'))
    await until(() => three.frames.length === 2)
    expect(two.frames).toEqual([])
    expect(one.texts).toEqual(['other way'])
    expect(three.texts.toSorted()).toEqual(['other way', 'second'])
    const sentAt = performance.now()
    three.send(frame(macOf(3), broadcast, 'late 1'))
    three.send(frame(macOf(3), broadcast, 'late 2'))
    await until(() => one.frames.length === 3)
    expect(performance.now() - sentAt).toBeGreaterThan(95)
    expect(one.texts.slice(1)).toEqual(['late 1', 'late 2'])
    expect(vmSwitch.counts()['m2']).toMatchObject({ lost: 2 })
    vmSwitch.setFaults([])
    one.send(frame(macOf(1), broadcast, 'healed'))
    await until(() => two.texts.includes('healed'))
  })

  it('lets a machine that does not read lose frames, whole ones, and holds nobody else up', async () => {
    const [one, slow, quick] = [await connect(1), await connect(2), await connect(3)]
    slow.socket.pause()
    const text = 'z'.repeat(60_000)
    const count = 400
    for (let sent = 0; sent < count; sent++) one.send(frame(macOf(1), broadcast, `${sent}:${text}`))
    await until(() => quick.frames.length === count)
    const { overrun = 0 } = vmSwitch.counts()['m2'] ?? {}
    expect(overrun).toBeGreaterThan(50)
    slow.socket.resume()
    await until(() => slow.frames.length === count - overrun)
    // Every frame that came is whole and in order.
    const numbers = slow.texts.map((each) => Number(each.split(':')[0]))
    expect(numbers).toEqual(numbers.toSorted((a, b) => a - b))
    expect(slow.frames.every((each) => each.length === quick.frames[0]!.length || each.length > 60_000)).toBe(
      true,
    )
    one.send(frame(macOf(1), broadcast, 'and on'))
    await until(() => slow.texts.includes('and on'))
  })

  it('cuts off a port that sends no frames, and lives on', async () => {
    const [one, two] = [await connect(1), await connect(2)]
    one.socket.write(Buffer.alloc(64, 0xff))
    await until(() => vmSwitch.counts()['m1']?.isConnected === false)
    const again = await connect(1)
    two.send(frame(macOf(2), broadcast, 'still there'))
    await until(() => again.texts.includes('still there'))
  })

  it('records a port in the format of libpcap', async () => {
    const [one, two] = [await connect(1), await connect(2)]
    const path = join(directory, 'm1.pcap')
    vmSwitch.capture('m1', path)
    one.send(frame(macOf(1), broadcast, 'out'))
    two.send(frame(macOf(2), broadcast, 'inbound'))
    await until(() => one.frames.length === 1 && two.frames.length === 1)
    vmSwitch.capture('m1', undefined)
    one.send(frame(macOf(1), broadcast, 'unrecorded'))
    await until(() => two.frames.length === 2)
    const file = readFileSync(path)
    expect(file.subarray(0, 24).toString('hex')).toBe('d4c3b2a10200040000000000000000000000040001000000')
    const texts: string[] = []
    for (let at = 24; at < file.length;) {
      expect([file.readUInt32LE(at), file.readUInt32LE(at + 4)]).toEqual([1, 500_000])
      const length = file.readUInt32LE(at + 8)
      texts.push(file.toString('utf8', at + 16 + 14, at + 16 + length))
      at += 16 + length
    }
    expect(texts.toSorted()).toEqual(['inbound', 'out'])
  })
})
