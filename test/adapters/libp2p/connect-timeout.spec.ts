// Proves that an address where no kernel answers is given up soon, and that a handshake on a connection that stands is not.
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { connect, createServer, type AddressInfo, type Socket } from 'node:net'
import { setTimeout as sleep } from 'node:timers/promises'
import type { Connection, DialTransportOptions, Upgrader } from '@libp2p/interface'
import type { TCPComponents } from '@libp2p/tcp'
import { multiaddr } from '@multiformats/multiaddr'
import { expect, it } from 'vitest'
import { linkLocalTcp } from '../../../src/adapters/libp2p/link-local-tcp.ts'
import { libp2pLogger } from '../../../src/adapters/libp2p/settings.ts'

const connectTimeoutMs = 300
const connection = {} as Connection
const silent = (): void => undefined

/** Dials with an upgrader whose handshake takes three times as long as a connection may. */
async function dial(port: number): Promise<Connection> {
  const components = {
    logger: libp2pLogger({ debug: silent, info: silent, warn: silent }),
  } as unknown as TCPComponents
  const upgradeOutbound = async (_raw: unknown, { signal }: { signal: AbortSignal }): Promise<Connection> => {
    await sleep(3 * connectTimeoutMs)
    signal.throwIfAborted()
    return connection
  }
  const options = {
    upgrader: { upgradeOutbound } as unknown as Upgrader,
    signal: AbortSignal.timeout(60_000),
  } as unknown as DialTransportOptions
  return linkLocalTcp(connectTimeoutMs)(components).dial(multiaddr(`/ip4/127.0.0.1/tcp/${port}`), options)
}

it('a slow handshake is waited for', async () => {
  const server = createServer()
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  try {
    expect(await dial((server.address() as AddressInfo).port)).toBe(connection)
  } finally {
    server.close()
  }
})

it('an address that does not answer is not', async () => {
  // A stopped process whose queue is full: its kernel drops every further connection without a word.
  const script = `const server = require('net').createServer()
    server.listen({ port: 0, host: '127.0.0.1', backlog: 1 }, () => console.log(server.address().port))`
  const child = spawn(process.execPath, ['-e', script], { stdio: ['ignore', 'pipe', 'inherit'] })
  const fillers: Socket[] = []
  try {
    const [said] = (await once(child.stdout, 'data')) as [Buffer]
    const port = Number(said.toString())
    child.kill('SIGSTOP')
    for (let full = false; !full;) {
      const filler = connect(port, '127.0.0.1')
      filler.on('error', () => undefined)
      fillers.push(filler)
      full = await Promise.race([once(filler, 'connect').then(() => false), sleep(500).then(() => true)])
    }
    await expect(dial(port)).rejects.toThrow()
  } finally {
    for (const filler of fillers) filler.destroy()
    child.kill('SIGKILL')
  }
})
