// Proves the small adapters on the real machine: programs end, are ended and are cut as promised; the clock
// never goes back; facts come from the root that was given.
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { createClock } from '../../src/adapters/clock.ts'
import { runProgram } from '../../src/adapters/exec.ts'
import { localNetworks, readFacts } from '../../src/adapters/facts.ts'

describe('runProgram', () => {
  it('gives exit code and both outputs; words are never split or expanded', async () => {
    const result = await runProgram(['sh', '-c', 'echo "$1"; echo oops >&2; exit 3', 'sh', 'a b; $HOME *'])
    expect(result).toEqual({ exitCode: 3, stdout: 'a b; $HOME *\n', stderr: 'oops\n', truncated: false })
  })

  it('passes input and environment', async () => {
    const result = await runProgram(['sh', '-c', 'cat; echo $EXTRA'], {
      input: 'in ',
      environment: { EXTRA: 'x' },
    })
    expect(result.stdout).toBe('in x\n')
  })

  it('keeps the first bytes of too much output', async () => {
    const result = await runProgram(['sh', '-c', 'yes | head -c 100000'], { outputBytesMax: 10 })
    expect(result).toMatchObject({ exitCode: 0, stdout: 'y\ny\ny\ny\ny\n', truncated: true })
  })

  it('says by which signal a program ended', async () => {
    expect((await runProgram(['sh', '-c', 'kill -9 $$'])).exitCode).toBe(137)
  })

  it('ends what takes too long', async () => {
    await expect(runProgram(['sleep', '60'], { timeoutMs: 50 })).rejects.toMatchObject({
      code: 'ERR_TIMEOUT',
    })
  })

  it('ends what is aborted, with the reason of the signal', async () => {
    const controller = new AbortController()
    const running = runProgram(['sleep', '60'], { signal: controller.signal })
    controller.abort(new Error('no longer wanted'))
    await expect(running).rejects.toThrow('no longer wanted')
    await expect(runProgram(['true'], { signal: controller.signal })).rejects.toThrow('no longer wanted')
  })

  it('names a program that is not there', async () => {
    await expect(runProgram(['/nonexistent/program'])).rejects.toMatchObject({
      code: 'ERR_PROGRAM',
      details: { program: '/nonexistent/program' },
    })
  })
})

describe('createClock', () => {
  it('gives whole milliseconds that do not go back, and sleeps until aborted', async () => {
    const clock = createClock()
    const before = clock.now()
    await clock.sleep(5)
    expect(Number.isInteger(before)).toBe(true)
    expect(clock.now()).toBeGreaterThan(before)
    const signal = AbortSignal.abort(new Error('enough'))
    await expect(clock.sleep(60_000, { signal })).rejects.toThrow('enough')
  })
})

describe('readFacts', () => {
  let root = ''
  const write = (path: string, content: string): void => {
    const full = join(root, path)
    mkdirSync(dirname(full), { recursive: true })
    writeFileSync(full, content)
  }
  beforeEach(() => {
    root = mkdtempSync(join(tmpdir(), 'muster-facts-'))
  })
  afterEach(() => {
    rmSync(root, { recursive: true })
  })

  it('takes identity and hardware from below its root', () => {
    write('etc/machine-id', '0123456789abcdef0123456789abcdef\n')
    write('etc/hostname', 'node-7\n')
    write('sys/class/dmi/id/product_uuid', 'ABCD-12\n')
    write('sys/class/net/eth1/address', '02:00:00:00:00:BB\n')
    write('sys/class/net/eth1/device/vendor', '')
    write('sys/class/net/eth0/address', '02:00:00:00:00:aa\n')
    write('sys/class/net/eth0/device/vendor', '')
    write('sys/class/net/br0/address', '02:00:00:00:00:cc\n')
    const { facts, birth } = readFacts({ root, statePath: root })
    expect(facts).toMatchObject({ hostname: 'node-7', machineId: '0123456789abcdef0123456789abcdef' })
    expect(facts.cpus).toBeGreaterThan(0)
    expect(facts.memoryMiB).toBeGreaterThan(0)
    expect(birth).toEqual({
      machineId: '0123456789abcdef0123456789abcdef',
      productUuid: 'abcd-12',
      macs: ['02:00:00:00:00:aa', '02:00:00:00:00:bb'],
      diskSerial: '',
    })
    expect(readFacts({ root, hostname: 'mine' }).facts.hostname).toBe('mine')
  })

  it('is empty, not broken, where nothing can be read', () => {
    const { facts, birth } = readFacts({ root, statePath: join(root, 'missing') })
    expect(facts.machineId).toBe('')
    expect(facts.hostname).not.toBe('')
    expect(birth).toEqual({ machineId: '', productUuid: '', macs: [], diskSerial: '' })
  })

  it('lists the site’s networks without loopback, link-local, the overlay and k3s', () => {
    const link = (cidr: string, internal = false): never =>
      [{ address: cidr.split('/')[0], cidr, internal, family: 'IPv4', mac: '', netmask: '' }] as never
    const links = {
      lo: link('127.0.0.1/8', true),
      eth0: link('192.0.2.7/24'),
      eth1: link('fe80::1/64'),
      eth2: link('192.0.2.8/24'),
      muster0: link('10.144.0.1/16'),
      cni0: link('10.42.0.1/24'),
      'flannel.1': link('10.42.0.0/32'),
    }
    expect(localNetworks(links, ['muster0'])).toEqual(['192.0.2.0/24'])
  })
})
