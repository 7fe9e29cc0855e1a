// Proves the words to systemd: by their text, and by a real datagram socket of AF_UNIX (path and abstract)
// that receives them.
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import koffi from 'koffi'
import { afterAll, describe, expect, it } from 'vitest'
import {
  createServiceNotifier,
  noticeText,
  unixAddress,
  watchdogInterval,
} from '../../../src/adapters/systemd/notify.ts'

const libc = koffi.load(null)
const socket = libc.func('int socket(int domain, int type, int protocol)')
const bind = libc.func('int bind(int fd, const uint8_t *address, uint32_t size)')
const recv = libc.func('intptr_t recv(int fd, _Out_ uint8_t *buffer, size_t size, int flags)')
const close = libc.func('int close(int fd)')
const nonBlocking = 0x40

const directory = mkdtempSync(join(tmpdir(), 'muster-notify-'))
afterAll(() => {
  rmSync(directory, { recursive: true })
})

/** Sends notices to a socket of this name; what it received, one text a datagram. */
function received(name: string, send: (environment: { NOTIFY_SOCKET: string }) => void): readonly string[] {
  const address = Buffer.allocUnsafeSlow(128)
  const text = unixAddress(name)!
  address.set(text)
  const fd: number = socket(1, 2, 0)
  expect(bind(fd, address, text.length)).toBe(0)
  try {
    send({ NOTIFY_SOCKET: name })
    const buffer = Buffer.allocUnsafeSlow(4_096)
    const out: string[] = []
    for (;;) {
      const size = Number(recv(fd, buffer, buffer.length, nonBlocking))
      if (size < 0) return out
      out.push(buffer.toString('utf8', 0, size))
    }
  } finally {
    close(fd)
  }
}

describe('createServiceNotifier', () => {
  it.each([join(directory, 'notify'), `@muster-notify-${process.pid}`])('reaches %s', (name) => {
    const status = `waiting for 2 of 3 members ${'x'.repeat(300)}`
    const datagrams = received(name, (environment) => {
      const notifier = createServiceNotifier(environment)
      expect(notifier.isActive).toBe(true)
      notifier.notify({ ready: true, status })
      notifier.notify({ watchdog: true })
      notifier.notify({ stopping: true })
    })
    expect(datagrams).toEqual([`READY=1\nSTATUS=${status}`, 'WATCHDOG=1', 'STOPPING=1'])
  })

  it('does nothing without a supervisor, or with one that is gone', () => {
    const idle = createServiceNotifier({ WATCHDOG_USEC: '30000000' })
    expect(idle).toMatchObject({ isActive: false, watchdogIntervalMs: undefined })
    idle.notify({ ready: true })
    createServiceNotifier({ NOTIFY_SOCKET: join(directory, 'gone') }).notify({ ready: true })
    expect(createServiceNotifier({ NOTIFY_SOCKET: 'relative' }).isActive).toBe(false)
    expect(createServiceNotifier({ NOTIFY_SOCKET: `/${'long'.repeat(40)}` }).isActive).toBe(false)
  })

  it('feeds the watchdog twice in its interval, where it is this process’s', () => {
    expect(watchdogInterval({ WATCHDOG_USEC: '30000000' }, 7)).toBe(15_000)
    expect(watchdogInterval({ WATCHDOG_USEC: '30000000', WATCHDOG_PID: '7' }, 7)).toBe(15_000)
    expect(watchdogInterval({ WATCHDOG_USEC: '30000000', WATCHDOG_PID: '8' }, 7)).toBeUndefined()
    expect(watchdogInterval({ WATCHDOG_USEC: 'soon' }, 7)).toBeUndefined()
  })

  it('does not let a status become another assignment', () => {
    expect(noticeText({ status: 'one\nREADY=1' })).toBe('STATUS=one READY=1')
  })
})
