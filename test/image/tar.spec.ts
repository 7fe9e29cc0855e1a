// Proves that tar streams of other programs pass through as they are, and that entries of ours are read by them.
import { execFileSync } from 'node:child_process'
import {
  mkdirSync,
  mkdtempSync,
  readFileSync,
  readlinkSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Readable } from 'node:stream'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { type NewEntry, readTar, tarBytes, tarEnd } from '../../src/image/tar.ts'

let directory = ''
beforeEach(() => (directory = mkdtempSync(join(tmpdir(), 'muster-tar-'))))
afterEach(() => rmSync(directory, { recursive: true, force: true }))

const longName = `${'a-long-directory-name/'.repeat(8)}file`

describe('readTar', () => {
  it.each(['pax', 'gnu', 'ustar'])('reads what GNU tar writes in the format %s', async (format) => {
    const source = join(directory, 'source')
    const name = format === 'ustar' ? 'some/where/file' : longName
    mkdirSync(join(source, name, '..'), { recursive: true })
    writeFileSync(join(source, name), 'x'.repeat(1_000))
    symlinkSync('some/target', join(source, 'link'))
    const archive = execFileSync('tar', ['--sort=name', `--format=${format}`, '-C', source, '-cf', '-', '.'])
    const entries = await collect(archive, 100)
    expect(entries.find(({ path }) => path === name)?.content.toString()).toBe('x'.repeat(1_000))
    expect(entries.find(({ path }) => path === 'link')).toMatchObject({ type: '2', target: 'some/target' })
    const again = Buffer.concat([...entries.flatMap(({ raw }) => [...raw]), tarEnd])
    expect(archive.subarray(0, again.length).equals(again)).toBe(true)
    expect(archive.subarray(again.length).every((byte) => byte === 0)).toBe(true)
  })

  it('refuses a stream that is cut in the middle of a file', async () => {
    const whole = tarBytes({ path: 'file', kind: 'file', mode: 0o644, content: Buffer.alloc(5_000) }, 1)
    await expect(collect(whole.subarray(0, 3_000), 700)).rejects.toThrow('cut')
  })
})

describe('tarBytes', () => {
  const entries: readonly NewEntry[] = [
    { path: 'etc', kind: 'directory', mode: 0o755 },
    { path: 'etc/secret', kind: 'file', mode: 0o600, content: Buffer.from('hidden') },
    { path: longName, kind: 'file', mode: 0o755, content: Buffer.from('far away') },
    { path: 'link', kind: 'symlink', mode: 0o777, target: `/${longName}` },
  ]

  it('writes what GNU tar unpacks', () => {
    const archive = Buffer.concat([...entries.map((entry) => tarBytes(entry, 1_700_000_000)), tarEnd])
    execFileSync('tar', ['-xf', '-', '-C', directory], { input: archive })
    expect(readFileSync(join(directory, 'etc/secret'), 'utf8')).toBe('hidden')
    expect(statSync(join(directory, 'etc/secret')).mode & 0o777).toBe(0o600)
    expect(statSync(join(directory, 'etc/secret')).mtimeMs).toBe(1_700_000_000_000)
    expect(readFileSync(join(directory, longName), 'utf8')).toBe('far away')
    expect(readlinkSync(join(directory, 'link'))).toBe(`/${longName}`)
  })

  it('is read by readTar as it was meant', async () => {
    const archive = Buffer.concat([...entries.map((entry) => tarBytes(entry, 1)), tarEnd])
    const found = await collect(archive, 64)
    expect(found.map(({ path }) => path)).toEqual(entries.map(({ path }) => path))
    expect(found[3]?.target).toBe(`/${longName}`)
  })
})

async function collect(
  archive: Buffer,
  chunkBytes: number,
): Promise<{ path: string; type: string; target: string; content: Buffer; raw: readonly Buffer[] }[]> {
  const chunks: Buffer[] = []
  for (let at = 0; at < archive.length; at += chunkBytes) chunks.push(archive.subarray(at, at + chunkBytes))
  const entries = []
  for await (const entry of readTar(Readable.from(chunks))) entries.push(entry)
  return entries
}
