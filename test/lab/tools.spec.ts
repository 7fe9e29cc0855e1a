// Proves where tools are looked for and what a lab's processes inherit, with made-up directories.
import { chmodSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'
import { labEnvironment, missingTools, provideTools } from '../../src/lab/tools.ts'

describe('tools', () => {
  let cache: string
  beforeEach(() => {
    cache = mkdtempSync(join(tmpdir(), 'muster-tools-test-'))
    for (const name of ['unshare', 'ip', 'nft', 'etcd', 'ping']) {
      mkdirSync(join(cache, 'usr/sbin'), { recursive: true })
      writeFileSync(join(cache, 'usr/sbin', name), '')
      chmodSync(join(cache, 'usr/sbin', name), name === 'nft' ? 0o644 : 0o755)
    }
  })
  afterEach(() => {
    vi.unstubAllEnvs()
    rmSync(cache, { recursive: true, force: true })
  })

  it('are found where they were unpacked, before the machine’s own', () => {
    const environment = labEnvironment(cache)
    expect(environment['PATH']?.split(':')[0]).toBe(join(cache, 'usr/sbin'))
    expect(environment['LD_LIBRARY_PATH']).toContain(join(cache, 'usr/lib'))
    expect(labEnvironment('')).not.toHaveProperty('LD_LIBRARY_PATH')
    expect(missingTools(['ip', 'etcd'], cache)).toEqual([])
  })

  it('are got from nowhere when the machine or the cache has them', async () => {
    const said: string[] = []
    const found = await provideTools(['unshare'], (line) => said.push(line), join(cache, 'none'))
    expect([found, said]).toEqual(['', []])
  })

  it('in a lab see the path, and neither secrets nor another agent’s socket', () => {
    vi.stubEnv('AWS_SECRET', 'x')
    vi.stubEnv('NODE_OPTIONS', '--inspect')
    vi.stubEnv('MUSTER_SOCKET', '/run/other.sock')
    vi.stubEnv('MUSTER_ROOT', '/other')
    vi.stubEnv('MUSTER_TEST_TIME_FACTOR', '3')
    const environment = labEnvironment('')
    expect(Object.keys(environment)).not.toEqual(
      expect.arrayContaining([expect.stringMatching(/AWS|NODE_OPTIONS|SOCKET|ROOT/)]),
    )
    expect(environment['MUSTER_TEST_TIME_FACTOR']).toBe('3')
    // Where an ordinary user does not look.
    expect(environment['PATH']?.split(':')).toContain('/usr/sbin')
  })
})
