// Proves the verbs that need no agent: tokens and keys round trip and leak nothing, configurations are checked with places and codes.
import { mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { muster } from './fake-agent.ts'

let directory: string
beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), 'muster-cli-'))
})
afterEach(() => rmSync(directory, { recursive: true, force: true }))

describe('token', () => {
  it('new prints the token alone, and keeps the operator key in a file of its own', async () => {
    const key = join(directory, 'operator.key')
    const made = await muster([
      'token',
      'new',
      '--name',
      'site-7',
      '--expect',
      '5',
      '--peer',
      '192.0.2.1',
      '--key',
      key,
    ])
    expect(made.code).toBe(0)
    expect(made.stdout).toMatch(/^muster1-[a-z2-7]+\n$/)
    expect(statSync(key).mode & 0o777).toBe(0o600)
    expect(made.stderr).not.toContain(readFileSync(key, 'utf8').trim())
    const seen = await muster(['token', 'inspect', '-o', 'json'], {}, made.stdout)
    expect(JSON.parse(seen.stdout)).toMatchObject({
      kind: 'Token',
      name: 'site-7',
      bootstrap: { mode: 'expect', expect: 5 },
      bootstrapPeers: [expect.stringMatching(/^\/ip4\/192\.0\.2\.1\/tcp\/\d+$/)],
    })
    expect(seen.stdout).not.toContain('secret')
    expect(made.stderr).toContain((JSON.parse(seen.stdout) as { fingerprint: string }).fingerprint)
  })

  it('new never replaces a key', async () => {
    const key = join(directory, 'operator.key')
    writeFileSync(key, 'precious')
    expect(await muster(['token', 'new', '--key', key])).toMatchObject({
      code: expect.any(Number),
      stdout: '',
    })
    expect(readFileSync(key, 'utf8')).toBe('precious')
  })

  it.each([
    ['muster1-adndovs5', 'is cut'],
    ['muster1-', 'is cut'],
    ['hello', 'not a network token'],
    ['', 'not a network token'],
  ])('inspect of %j is exit code 4 and says why', async (text, message) => {
    const ran = await muster(['token', 'inspect'], {}, text)
    expect(ran).toMatchObject({ code: 4, stdout: '', stderr: expect.stringContaining(message) })
  })

  it('inspect tells a typing error from a cut', async () => {
    const { stdout } = await muster(['token', 'new', '--key', join(directory, 'k')])
    const token = stdout.trim()
    const typo = token.slice(0, 60) + (token[60] === 'a' ? 'b' : 'a') + token.slice(61)
    expect(await muster(['token', 'inspect', typo])).toMatchObject({
      code: 4,
      stderr: expect.stringContaining('typing error'),
    })
    expect(await muster(['token', 'inspect', token.slice(0, -3)])).toMatchObject({
      code: 4,
      stderr: expect.stringContaining('is cut'),
    })
  })
})

describe('config', () => {
  it('validate shows every mistake with its place, and ends with 4', async () => {
    const path = join(directory, 'bad.yaml')
    writeFileSync(path, '#cloud-config\nmuster:\n  control_plan: 3\n  bootstrap:\n    expect: many\n')
    const ran = await muster(['config', 'validate', path])
    expect(ran.code).toBe(4)
    expect(ran.stdout).toContain(`${path}:3:3: error: muster.control_plan`)
    expect(ran.stdout).toContain(`${path}:5:13: error: muster.bootstrap.expect`)
    expect(ran.stderr).toContain('The configuration has 2 error(s).')
    expect((await muster(['validate', path])).stdout).toBe(ran.stdout)
  })

  it.each([
    ['config', 'validate', 'FILE'],
    ['image', 'build', '--config', 'FILE'],
    ['image', 'inject', 'none.iso', '--config', 'FILE'],
  ])('%s %s tells what no installer could carry out among the other mistakes', async (...words) => {
    const path = join(directory, 'install.yaml')
    const lines = [
      '#cloud-config',
      'install:',
      '  auto: true',
      '  device: auto',
      '  grub_options:',
      '    a: b',
    ]
    lines.push('  source: oci:quay.io/x', '  encrypted_partitions: [COS_PERSISTENT]', 'hostnme: x', '')
    writeFileSync(path, lines.join('\n'))
    const ran = await muster(words.map((word) => (word === 'FILE' ? path : word)))
    expect(ran.code).toBe(4)
    const said = ran.stdout + ran.stderr
    const errors = said.split('\n').filter((line) => line.startsWith(path) && line.includes(' error: '))
    expect(errors).toEqual([
      `${path}:5:3: error: install.grub_options: is not supported`,
      `${path}:7:3: error: install.source: must name an image that begins with \`dir:\` or \`file:\``,
      `${path}:8:3: error: install.encrypted_partitions: is not supported`,
      `${path}:9:1: error: hostnme: unknown key \`hostnme\``,
    ])
    expect(ran.stderr).toContain('The configuration has 4 error(s).')
  })

  it('show hides the token and says where each key comes from', async () => {
    const { stdout: token } = await muster(['token', 'new', '--key', join(directory, 'k')])
    const first = join(directory, 'a.yaml')
    const second = join(directory, 'b.yaml')
    writeFileSync(first, `#cloud-config\nmuster:\n  token: ${token}  control_plane: 3\n`)
    writeFileSync(second, '#cloud-config\nmuster:\n  control_plane: 5\n')
    for (const format of ['table', 'json', 'yaml']) {
      const shown = await muster(['config', 'show', first, second, '-o', format])
      expect(shown.code).toBe(0)
      expect(shown.stdout).toMatch(/controlPlane"?: 5/)
      expect(shown.stdout).not.toContain(token.trim().slice(8))
    }
    const origins = (await muster(['config', 'show', '--origin', first, second])).stdout
    expect(origins).toMatch(new RegExp(`^muster.control_plane +${second}:3:3$`, 'm'))
    expect(origins).toMatch(new RegExp(`^muster.token +${first}:3:3$`, 'm'))
  })

  it('says which file cannot be read', async () => {
    const ran = await muster(['config', 'show', join(directory, 'none.yaml')])
    expect(ran).toMatchObject({ code: 4, stderr: expect.stringContaining('none.yaml cannot be read') })
    expect((await muster(['config', 'show', '--root', directory])).code).toBe(4)
  })

  it('schema is JSON Schema', async () => {
    expect(JSON.parse((await muster(['print-schema'])).stdout)).toMatchObject({ properties: { muster: {} } })
  })
})
