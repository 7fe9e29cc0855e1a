// Proves that the certificate authorities are what k3s keeps and OpenSSL trusts: made once a grant, whole or
// not at all. Runs openssl over real files.
import { spawnSync } from 'node:child_process'
import { X509Certificate, createPrivateKey } from 'node:crypto'
import { mkdirSync, mkdtempSync, readFileSync, readdirSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { hashOfCa, makeAuthority } from '../../../src/adapters/k3s/authority.ts'
import { layoutUnder } from '../../../src/adapters/k3s/layout.ts'

const now = new Date('2026-11-24T00:00:00Z')
let root = ''

beforeEach(() => {
  root = mkdtempSync(join(tmpdir(), 'muster-authority-'))
})
afterEach(() => rmSync(root, { recursive: true, force: true }))

describe('makeAuthority', () => {
  it('makes every file that k3s would make itself, with keys that nobody else can read', async () => {
    const layout = layoutUnder(root)
    const secrets = await makeAuthority(layout, 3, now)
    const files = readdirSync(layout.tls, { recursive: true, encoding: 'utf8' }).toSorted()
    const names = ['client-ca', 'etcd/peer-ca', 'etcd/server-ca', 'request-header-ca', 'server-ca']
    expect(files).toEqual(
      ['etcd', 'service.key', ...names.flatMap((name) => [`${name}.crt`, `${name}.key`])].toSorted(),
    )
    for (const file of files.filter((name) => name.endsWith('.key'))) {
      expect(statSync(join(layout.tls, file)).mode & 0o777, file).toBe(0o600)
    }
    expect(secrets.caHash).toBe(hashOfCa(readFileSync(join(layout.tls, 'server-ca.crt'), 'utf8')))
    expect(secrets.serverPassword).toMatch(/^[0-9a-f]{64}$/)
    expect(secrets.agentPassword).not.toBe(secrets.serverPassword)
  })

  it('makes authorities that verify a leaf, backdated a day against slow clocks', async () => {
    const { tls } = layoutUnder(root)
    await makeAuthority(layoutUnder(root), 3, now)
    const ca = new X509Certificate(readFileSync(join(tls, 'server-ca.crt')))
    expect(ca.ca).toBe(true)
    expect(ca.checkPrivateKey(createPrivateKey(readFileSync(join(tls, 'server-ca.key'))))).toBe(true)
    expect(new Date(ca.validFrom).getTime()).toBe(now.getTime() - 24 * 3_600_000)
    const leaf = join(root, 'leaf')
    const openssl = (...args: readonly string[]): string => {
      const result = spawnSync('openssl', args, { encoding: 'utf8' })
      if (result.status !== 0) throw new Error(result.stderr)
      return result.stdout
    }
    openssl(
      'req',
      '-new',
      '-newkey',
      'ec',
      '-pkeyopt',
      'ec_paramgen_curve:P-256',
      '-nodes',
      '-subj',
      '/CN=leaf',
      '-keyout',
      `${leaf}.key`,
      '-out',
      `${leaf}.csr`,
    )
    openssl(
      'x509',
      '-req',
      '-in',
      `${leaf}.csr`,
      '-CA',
      join(tls, 'server-ca.crt'),
      '-CAkey',
      join(tls, 'server-ca.key'),
      '-set_serial',
      '1',
      '-out',
      `${leaf}.crt`,
    )
    expect(
      openssl(
        'verify',
        '-x509_strict',
        '-no_check_time',
        '-CAfile',
        join(tls, 'server-ca.crt'),
        join(tls, 'server-ca.crt'),
      ),
    ).toContain('OK')
    expect(
      openssl('verify', '-no_check_time', '-CAfile', join(tls, 'server-ca.crt'), `${leaf}.crt`),
    ).toContain('OK')
  })

  it('gives the same again for the same grant, and refuses another one or a stranger’s data', async () => {
    const layout = layoutUnder(root)
    const first = await makeAuthority(layout, 3, now)
    expect(await makeAuthority(layout, 3, now)).toEqual(first)
    await expect(makeAuthority(layout, 4, now)).rejects.toMatchObject({ code: 'ERR_K3S_DATA' })
    rmSync(layout.authority)
    await expect(makeAuthority(layout, 3, now)).rejects.toMatchObject({ code: 'ERR_K3S_DATA' })
  })

  it('begins anew over what a crash left half done', async () => {
    const layout = layoutUnder(root)
    mkdirSync(`${layout.server}.muster-new/tls`, { recursive: true })
    writeFileSync(`${layout.server}.muster-new/tls/server-ca.crt`, 'half')
    const { caHash } = await makeAuthority(layout, 1, now)
    expect(hashOfCa(readFileSync(join(layout.tls, 'server-ca.crt'), 'utf8'))).toBe(caHash)
  })
})
