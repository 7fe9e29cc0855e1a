import { createHash, generateKeyPair, randomBytes } from 'node:crypto'
import { mkdir, rename, rm } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { promisify } from 'node:util'
import type { K3sSecrets } from '../../core/k3s/types.ts'
import { MusterError } from '../../errors.ts'
import { exists, readIfThere, syncDirectory, writeDurably } from './disk.ts'
import type { K3sLayout } from './layout.ts'

/** The CA files that k3s keeps if it finds them at its first start (k3s pkg/daemons/control/deps). */
const authorities: Readonly<Record<string, string>> = {
  'server-ca': 'k3s-server-ca',
  'client-ca': 'k3s-client-ca',
  'request-header-ca': 'k3s-request-header-ca',
  'etcd/server-ca': 'etcd-server-ca',
  'etcd/peer-ca': 'etcd-peer-ca',
}

interface StoredAuthority extends K3sSecrets {
  readonly grant: number
}

/**
 * The certificate authorities and passwords of a grant: made at the first call, found at the next ones. The
 * whole `server` directory appears by one rename, so there is no half of it after a crash.
 */
export async function makeAuthority(layout: K3sLayout, grant: number, now: Date): Promise<K3sSecrets> {
  const found = await readAuthority(layout)
  if (found?.grant === grant) return secretsOf(found)
  if (found !== undefined || (await exists(layout.tls)) || (await exists(layout.etcd))) {
    const detail = 'another grant, or somebody else, left its certificate authority there'
    throw new MusterError('ERR_K3S_DATA', { path: layout.server, detail })
  }
  const staging = `${layout.server}.muster-new`
  await rm(staging, { recursive: true, force: true })
  await mkdir(join(staging, 'tls/etcd'), { recursive: true, mode: 0o700 })
  // Its library is large, and one machine of a cluster needs it once.
  const { selfSigned } = await import('./self-signed.ts')
  let serverCa = ''
  for (const [name, subject] of Object.entries(authorities)) {
    const { certificate, key } = await selfSigned(subject, now)
    if (name === 'server-ca') serverCa = certificate
    await writeDurably(join(staging, 'tls', `${name}.crt`), certificate, 0o644)
    await writeDurably(join(staging, 'tls', `${name}.key`), key, 0o600)
  }
  await writeDurably(join(staging, 'tls/service.key'), await serviceAccountKey(), 0o600)
  const stored: StoredAuthority = {
    grant,
    caHash: hashOfCa(serverCa),
    serverPassword: randomBytes(32).toString('hex'),
    agentPassword: randomBytes(32).toString('hex'),
  }
  await writeDurably(join(staging, 'muster-authority.json'), `${JSON.stringify(stored)}\n`, 0o600)
  // An empty directory, or one with only what k3s writes before it has a CA, may be in the way.
  await rm(layout.server, { recursive: true, force: true })
  await rename(staging, layout.server)
  await syncDirectory(dirname(layout.server))
  return secretsOf(stored)
}

/** k3s' pin of a CA that is one certificate: SHA-256 of the file (k3s pkg/clientaccess/token.go). */
export function hashOfCa(pem: string): string {
  return createHash('sha256').update(pem).digest('hex')
}

async function readAuthority(layout: K3sLayout): Promise<StoredAuthority | undefined> {
  const content = await readIfThere(layout.authority)
  if (content === undefined) return undefined
  const value: unknown = JSON.parse(content)
  if (isStored(value)) return value
  throw new MusterError('ERR_K3S_DATA', { path: layout.authority, detail: 'not an authority of muster' })
}

function isStored(value: unknown): value is StoredAuthority {
  const entries = new Map(Object.entries(value ?? {}))
  return (
    typeof entries.get('grant') === 'number' &&
    ['caHash', 'serverPassword', 'agentPassword'].every((key) => typeof entries.get(key) === 'string')
  )
}

function secretsOf({ caHash, serverPassword, agentPassword }: StoredAuthority): K3sSecrets {
  return { caHash, serverPassword, agentPassword }
}

/** RSA as k3s makes it: the tokens of service accounts are RS256. */
async function serviceAccountKey(): Promise<string> {
  const { privateKey } = await promisify(generateKeyPair)('rsa', { modulusLength: 2_048 })
  return privateKey.export({ format: 'pem', type: 'pkcs1' }).toString()
}
