// Proves that the NBD server speaks the protocol, with QEMU's own client where there is one and byte by byte where there is none, and
// that a power cut loses what was not flushed and nothing else.
import { spawnSync } from 'node:child_process'
import { mkdtempSync, readFileSync, rmSync, statSync } from 'node:fs'
import { createConnection } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { NbdServer } from '../../../src/lab/vm/nbd.ts'
import { nbdReply, NbdSession } from '../../../src/lab/vm/nbd-protocol.ts'
import {
  type DiskEvent,
  partsThatRemain,
  sectorBytes,
  VolatileDisk,
} from '../../../src/lab/vm/volatile-disk.ts'
import { remainsAfter, WriteLog } from '../../../src/lab/vm/write-log.ts'
import { mustRun } from '../../../src/lab/run.ts'

const hasQemuIo = spawnSync('qemu-io', ['--version']).status === 0
const diskBytes = 8 * 1_024 * 1_024

let directory: string
beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), 'muster-nbd-'))
})
afterEach(() => rmSync(directory, { recursive: true, force: true }))

/** Lots that are always the same number. */
const always = (lot: number) => (): number => lot
const keepNothing = always(0)
const keepAll = always(0.5)

function request(type: number, offset: number, length: number, data = Buffer.alloc(0), flags = 0): Buffer {
  const header = Buffer.alloc(28)
  header.writeUInt32BE(0x25_60_95_13, 0)
  header.writeUInt16BE(flags, 4)
  header.writeUInt16BE(type, 6)
  header.writeBigUInt64BE(77n, 8)
  header.writeBigUInt64BE(BigInt(offset), 16)
  header.writeUInt32BE(length, 24)
  return Buffer.concat([header, data])
}

function option(type: number, data = Buffer.alloc(0)): Buffer {
  const header = Buffer.alloc(16)
  header.write('IHAVEOPT', 0, 'latin1')
  header.writeUInt32BE(type, 8)
  header.writeUInt32BE(data.length, 12)
  return Buffer.concat([header, data])
}

const clientFlags = Buffer.from([0, 0, 0, 3])

describe('NbdSession', () => {
  const script = Buffer.concat([
    clientFlags,
    option(8),
    option(7, Buffer.from([0, 0, 0, 0, 0, 0])),
    request(0, 512, 1_024),
    request(1, 4_096, 5, Buffer.from('hello'), 1),
    request(3, 0, 0),
    request(4, 0, 4_096),
    request(99, 0, 0),
    request(2, 0, 0),
  ])

  it('understands a whole conversation, however it was split', () => {
    for (const size of [1, 3, 7, 64, script.length]) {
      const session = new NbdSession(diskBytes)
      const replies: Buffer[] = []
      const commands: unknown[] = []
      for (let at = 0; at < script.length; at += size) {
        const outcome = session.push(script.subarray(at, at + size))
        replies.push(...outcome.replies)
        commands.push(...outcome.commands)
      }
      // Structured replies are refused; then facts of the export and the word to go.
      expect(replies.map((reply) => reply.toString('hex'))).toEqual([
        '0003e889045565a9000000088000000100000000',
        '0003e889045565a900000007000000030000000c00000000000000800000006d',
        '0003e889045565a9000000070000000100000000',
      ])
      expect(commands).toEqual([
        { type: 'read', handle: 77n, offset: 512, length: 1_024 },
        { type: 'write', handle: 77n, offset: 4_096, data: Buffer.from('hello'), isForced: true },
        { type: 'flush', handle: 77n },
        { type: 'trim', handle: 77n, offset: 0, length: 4_096, isForced: false },
        { type: 'unknown', handle: 77n },
        { type: 'disconnect' },
      ])
    }
  })

  it('answers the old way of naming an export', () => {
    const { replies } = new NbdSession(diskBytes).push(Buffer.concat([Buffer.from([0, 0, 0, 1]), option(1)]))
    expect(replies[0]).toHaveLength(10 + 124)
    expect(replies[0]!.toString('hex', 0, 10)).toBe('0000000000800000006d')
  })

  it('refuses a client that speaks something else', () => {
    expect(() => new NbdSession(1).push(Buffer.concat([clientFlags, Buffer.alloc(16)]))).toThrow(/no option/)
  })

  it('forms replies as the protocol says', () => {
    expect(nbdReply(1n, 5).toString('hex')).toBe('67446698000000050000000000000001')
  })
})

describe('NbdServer', () => {
  async function withServer(test: (server: NbdServer, disk: VolatileDisk) => Promise<void>): Promise<void> {
    const disk = new VolatileDisk(join(directory, 'disk'), diskBytes)
    const server = new NbdServer(join(directory, 'nbd.sock'), disk)
    await server.listen()
    try {
      await test(server, disk)
    } finally {
      await server.close()
      disk.close()
    }
  }

  it('refuses what lies beyond the disk, and goes on', async () => {
    await withServer(async (server) => {
      const socket = createConnection(server.path)
      socket.write(
        Buffer.concat([clientFlags, option(1), request(0, diskBytes - 512, 1_024), request(0, 0, 4)]),
      )
      const wanted = 18 + 10 + 16 + 16 + 4
      let answer = Buffer.alloc(0)
      for await (const part of socket) {
        answer = Buffer.concat([answer, part as Buffer])
        if (answer.length >= wanted) break
      }
      expect(answer.toString('hex', 28, 36)).toBe('6744669800000016')
      expect(answer.toString('hex', 44, 52)).toBe('6744669800000000')
    })
  })

  it.skipIf(!hasQemuIo)(
    'serves QEMU: reads, writes, forced writes, zeroes, trims and flushes (needs qemu-io)',
    async () => {
      await withServer(async (server, disk) => {
        const commands = [
          ...[
            'write -P 0x11 0 1M',
            'write -f -P 0x22 1M 64k',
            'flush',
            'write -P 0x33 2M 4k',
            'write -z 512k 64k',
          ],
          ...[
            'discard 768k 64k',
            'read -P 0x11 0 512k',
            'read -P 0 512k 64k',
            'read -P 0x22 1M 64k',
            'flush',
          ],
        ]
        const said = await mustRun([
          'qemu-io',
          '-f',
          'raw',
          ...commands.flatMap((each) => ['-c', each]),
          server.url,
        ])
        expect(said).not.toMatch(/verification failed|error/i)
        expect(disk.read(2 * 1_024 * 1_024, 4)).toEqual(Buffer.alloc(4, 0x33))
        const info = await mustRun(['qemu-img', 'info', '--output=json', server.url])
        expect(JSON.parse(info)).toMatchObject({ 'virtual-size': diskBytes })
      })
    },
  )
})

describe('VolatileDisk', () => {
  it('is a sparse file', () => {
    const disk = new VolatileDisk(join(directory, 'big'), 2 ** 33)
    disk.write(2 ** 32, Buffer.from('x'), false)
    expect(statSync(join(directory, 'big')).blocks).toBeLessThan(64)
    disk.close()
  })

  it('takes no space for zeroes where there are zeroes, and keeps them when they are forced', () => {
    const path = join(directory, 'zeroes')
    const disk = new VolatileDisk(path, 2 ** 22)
    disk.zero(0, 2 ** 22, false)
    expect(statSync(path).blocks).toBe(0)
    disk.write(512, Buffer.alloc(512, 7), true)
    disk.write(512, Buffer.alloc(512), false)
    disk.zero(0, 4_096, true)
    disk.losePower(() => 0)
    expect(disk.read(512, 512)).toEqual(Buffer.alloc(512))
    disk.close()
  })

  it('loses what was not flushed or forced, back to what was there before, and nothing else', () => {
    const path = join(directory, 'disk')
    const disk = new VolatileDisk(path, 64 * sectorBytes)
    const put = (sector: number, letter: string, isForced = false): void =>
      disk.write(sector * sectorBytes, Buffer.alloc(sectorBytes, letter), isForced)
    const letters = (): string =>
      [0, 1, 2, 3]
        .map((sector) =>
          disk
            .read(sector * sectorBytes, 1)
            .toString('latin1')
            .replace('\0', '.'),
        )
        .join('')
    put(0, 'a')
    put(1, 'a')
    disk.flush()
    put(0, 'b')
    put(0, 'c')
    put(2, 'b', true)
    put(3, 'b')
    expect(letters()).toBe('cabb')
    disk.losePower(keepNothing)
    expect(letters()).toBe('aab.')
    put(1, 'd')
    put(1, 'e', true)
    disk.losePower(keepNothing)
    expect(letters()).toBe('aeb.')
    put(3, 'f')
    disk.losePower(keepAll)
    expect(letters()).toBe('aebf')
    disk.close()
    expect(readFileSync(path)).toHaveLength(64 * sectorBytes)
  })
})

describe('partsThatRemain', () => {
  it('leaves whole sectors, from the front or from the back', () => {
    const data = Buffer.alloc(8 * sectorBytes, 1)
    const lots =
      (...values: number[]) =>
      (): number =>
        values.shift() ?? 0
    expect(partsThatRemain(0, data, lots(0.1))).toEqual([])
    expect(partsThatRemain(0, data, lots(0.7))).toEqual([{ offset: 0, data }])
    expect(partsThatRemain(0, data, lots(0.9, 0.3, 0.1))).toEqual([
      { offset: 0, data: data.subarray(0, 3 * sectorBytes) },
    ])
    expect(partsThatRemain(0, data, lots(0.9, 0.3, 0.9))).toEqual([
      { offset: 3 * sectorBytes, data: data.subarray(3 * sectorBytes) },
    ])
  })
})

describe('WriteLog', () => {
  const write = (offset: number, text: string, isForced = false): DiskEvent => ({
    kind: 'write',
    offset,
    data: Buffer.from(text),
    isForced,
  })

  it('keeps what lies in its range, and flushes that mean something', () => {
    const log = new WriteLog({ offset: 10, bytes: 10 })
    const events = [write(0, 'before'), { kind: 'flush' }, write(8, 'abcdef'), { kind: 'flush' }] as const
    for (const event of [...events, { kind: 'flush' } as const, write(18, 'xyz'), write(20, 'behind')]) {
      log.record(event)
    }
    expect(log.events).toEqual([write(0, 'cdef'), { kind: 'flush' }, write(8, 'xy')])
  })

  it('keeps what was flushed or forced, and draws lots for the rest', () => {
    const events = [
      write(0, 'a'),
      { kind: 'flush' } as const,
      write(1, 'b'),
      write(2, 'c', true),
      write(3, 'd'),
    ]
    const left = (count: number, random: () => number): string =>
      remainsAfter(events, count, random)
        .writes.map(({ data }) => data.toString())
        .join('')
    expect([0, 1, 2, 3, 4, 5].map((count) => left(count, keepNothing))).toEqual([
      '',
      '',
      'a',
      'a',
      'ac',
      'ac',
    ])
    expect([0, 1, 2, 3, 4, 5].map((count) => left(count, keepAll))).toEqual([
      '',
      'a',
      'a',
      'ab',
      'abc',
      'abcd',
    ])
  })
})
