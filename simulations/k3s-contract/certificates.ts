import { generateKeyPairSync } from 'node:crypto'
import { existsSync, mkdtempSync, rmSync } from 'node:fs'
import { isIP } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Fatal, openssl, read, write } from './process.ts'

/** Every file that a joining server receives, relative to `server/tls`. */
export const bootstrapFiles: readonly string[] = [
  ...['server-ca', 'client-ca', 'request-header-ca', 'etcd/server-ca', 'etcd/peer-ca'].flatMap((name) => [
    `${name}.crt`,
    `${name}.key`,
  ]),
  'service.key',
]

/** Makes the CAs that are not there; one that is there is kept (k3s createSigningCertKey). */
export function ensureAuthorities(tls: string): void {
  for (const name of bootstrapFiles.filter((file) => file.endsWith('.crt'))) {
    const certificate = join(tls, name)
    const key = certificate.replace(/crt$/, 'key')
    if (existsSync(certificate) && existsSync(key)) continue
    write(key, ecKey())
    const subject = `/CN=k3s-${name.replaceAll('/', '-').replace('.crt', '')}@${Date.now()}`
    write(
      certificate,
      openssl(['req', '-x509', '-new', '-key', key, '-subj', subject, '-days', '3650']),
      0o644,
    )
  }
  const service = join(tls, 'service.key')
  if (existsSync(service)) return
  const { privateKey } = generateKeyPairSync('rsa', { modulusLength: 2_048 })
  write(service, privateKey.export({ format: 'pem', type: 'pkcs1' }).toString())
}

/** Signs a new leaf certificate; leaves are renewed at every start here. */
export function issue(
  tls: string,
  ca: string,
  name: string,
  subject: string,
  hosts: readonly string[],
): void {
  const work = mkdtempSync(join(tmpdir(), 'k3s-contract-'))
  try {
    const key = join(tls, `${name}.key`)
    write(key, ecKey())
    const names = [...new Set(hosts)].map((host) => (isIP(host) === 0 ? `DNS:${host}` : `IP:${host}`))
    const extensions = ['extendedKeyUsage=serverAuth,clientAuth']
    if (names.length > 0) extensions.push(`subjectAltName=${names.join(',')}`)
    write(join(work, 'extensions'), extensions.join('\n'))
    const request = openssl(['req', '-new', '-key', key, '-subj', subject])
    write(join(work, 'request'), request)
    const authority = join(tls, ca)
    const certificate = openssl([
      ...['x509', '-req', '-in', join(work, 'request'), '-days', '365'],
      ...['-CA', `${authority}.crt`, '-CAkey', `${authority}.key`, '-set_serial', `${Date.now()}`],
      ...['-extfile', join(work, 'extensions')],
    ])
    write(join(tls, `${name}.crt`), certificate, 0o644)
  } finally {
    rmSync(work, { recursive: true })
  }
}

/** What `/v1-k3s/server-bootstrap` hands out. */
export function readBootstrap(tls: string): Record<string, string> {
  return Object.fromEntries(bootstrapFiles.map((file) => [file, read(join(tls, file)) ?? '']))
}

/** Takes over the cluster's CA files; a different local one is fatal (k3s pkg/cluster/bootstrap.go). */
export function writeBootstrap(tls: string, bundle: Readonly<Record<string, string>>): void {
  for (const file of bootstrapFiles) {
    const content = bundle[file]
    if (content === undefined || content === '') throw new Fatal(`bootstrap data has no ${file}`)
    const path = join(tls, file)
    const held = read(path)
    if (held !== undefined && held !== content) {
      throw new Fatal(
        `${path} newer than datastore and could cause a cluster outage. Remove the file(s) from disk and restart to be recreated from datastore.`,
      )
    }
  }
  for (const file of bootstrapFiles) write(join(tls, file), bundle[file] ?? '')
}

function ecKey(): string {
  const { privateKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' })
  return privateKey.export({ format: 'pem', type: 'sec1' }).toString()
}
