import './reflect.ts'
import { createPrivateKey, randomBytes, webcrypto } from 'node:crypto'
import {
  BasicConstraintsExtension,
  KeyUsageFlags,
  KeyUsagesExtension,
  SubjectKeyIdentifierExtension,
  X509CertificateGenerator,
} from '@peculiar/x509'

/** A first server with a slow clock must not make certificates that the others call "not yet valid". */
const backdatedMs = 24 * 3_600_000
/** As k3s' own: ten years. */
const validMs = 3_650 * 24 * 3_600_000
const keyAlgorithm = { name: 'ECDSA', namedCurve: 'P-256', hash: 'SHA-256' } as const

/** A new P-256 key and the certificate of an authority over it, both PEM. */
export async function selfSigned(
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
