// Proves that a question to a local server never throws for what a starting k3s leaves on the disk for a moment.
import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect, it } from 'vitest'
import { makeAuthority } from '../../../src/adapters/k3s/authority.ts'
import { layoutUnder } from '../../../src/adapters/k3s/layout.ts'
import { askLocal } from '../../../src/adapters/k3s/local-https.ts'

it('has no answer while certificate and key do not belong together, or are half written', async () => {
  const root = mkdtempSync(join(tmpdir(), 'muster-local-https-'))
  try {
    const layout = layoutUnder(root)
    await makeAuthority(layout, 1, new Date())
    const read = (name: string): string => readFileSync(join(layout.tls, name), 'utf8')
    const question = { url: 'https://127.0.0.1:9', cert: read('client-ca.crt'), ca: read('server-ca.crt') }
    await expect(askLocal({ ...question, key: read('server-ca.key') })).resolves.toBeUndefined()
    await expect(askLocal({ ...question, key: read('client-ca.key').slice(0, 80) })).resolves.toBeUndefined()
  } finally {
    rmSync(root, { recursive: true, force: true })
  }
})
