import './reflect.ts'
import { createHash, createPrivateKey, generateKeyPair, randomBytes, webcrypto } from 'node:crypto'
import { mkdir, rename, rm } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { promisify } from 'node:util'
import {
  BasicConstraintsExtension,
  KeyUsageFlags,
  KeyUsagesExtension,
  SubjectKeyIdentifierExtension,
  X509CertificateGenerator,
} from '@peculiar/x509'
import type { K3sSecrets } from '../../core/k3s/types.ts'
import { MusterError } from '../../errors.ts'
import { exists, readIfThere, syncDirectory, writeDurably } from './disk.ts'
import type { K3sLayout } from './layout.ts'

/** A first server with a slow clock must not make certificates that the others call "not yet valid". */
const backdatedMs = 24 * 3_600_000
/** As k3s' own: ten years. */
const validMs = 3_650 * 24 * 3_600_000
const keyAlgorithm = { name: 'ECDSA', namedCurve: 'P-256', hash: 'SHA-256' } as const

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

async function selfSigned(
  subject: string,
  now: Date,
): Promise<{ readonly certificate: string; readonly key: string }> {
  const keys = await webcrypto.subtle.generateKey(keyAlgorithm, true, ['sign', 'verify'])
  const certificate = await X509CertificateGenerator.createSelfSigned({
    serialNumber: `00${randomBytes(15).toString('hex')}`,
    name: `CN=${subject}@${Math.floor(now.getTime() / 1_000)}`,
    notBefore: new Date(now.getTime() - backdatedMs),
    notAfter: new Date(now.getTime() + validMs),
    signingAlgorithm: keyAlgorithm,
    keys,
    extensions: [
      new BasicConstraintsExtension(true, undefined, true),
      new KeyUsagesExtension(
        KeyUsageFlags.digitalSignature | KeyUsageFlags.keyEncipherment | KeyUsageFlags.keyCertSign,
        true,
      ),
      await SubjectKeyIdentifierExtension.create(keys.publicKey),
    ],
  })
  const exported = Buffer.from(await webcrypto.subtle.exportKey('pkcs8', keys.privateKey))
  const key = createPrivateKey({ key: exported, format: 'der', type: 'pkcs8' })
  return {
    certificate: `${certificate.toString('pem').trim()}\n`,
    key: key.export({ format: 'pem', type: 'sec1' }).toString(),
  }
}

/** RSA as k3s makes it: the tokens of service accounts are RS256. */
async function serviceAccountKey(): Promise<string> {
  const { privateKey } = await promisify(generateKeyPair)('rsa', { modulusLength: 2_048 })
  return privateKey.export({ format: 'pem', type: 'pkcs1' }).toString()
}
