// Writes a tree to lay over an image whose k3s is the contract double, and says which Debian packages it needs:
// `node image-tree.ts DIR` prints their names.
import { mkdirSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { build } from 'rolldown'

const [tree] = process.argv.slice(2)
if (tree === undefined) throw new Error('usage: node image-tree.ts DIR')

/** etcd is the double's datastore, as it is that of k3s. */
const packages = ['etcd-server', 'openssl']
/** It runs its own etcd: none shall be started by the package. */
const masked = ['etcd.service']

rmSync(tree, { recursive: true, force: true })
const library = join(tree, 'usr/local/lib/k3s-contract')
mkdirSync(library, { recursive: true })
await build({
  input: fileURLToPath(new URL('main.ts', import.meta.url)),
  platform: 'node',
  output: { file: join(library, 'k3s-contract.js'), format: 'esm', codeSplitting: false },
})
writeFileSync(join(library, 'package.json'), '{"type":"module"}\n')
write(
  'usr/local/bin/k3s',
  `#!/bin/sh
# An emulated machine keeps none of k3s' times.
[ "$(systemd-detect-virt)" != qemu ] || export K3S_CONTRACT_TIME_SCALE=4
exec /usr/bin/node /usr/local/lib/k3s-contract/k3s-contract.js "$@"
`,
  0o755,
)
for (const unit of masked) {
  mkdirSync(join(tree, 'etc/systemd/system'), { recursive: true })
  symlinkSync('/dev/null', join(tree, 'etc/systemd/system', unit))
}
process.stdout.write(`${packages.join(' ')}\n`)

function write(path: string, text: string, mode: number): void {
  mkdirSync(dirname(join(tree ?? '', path)), { recursive: true })
  writeFileSync(join(tree ?? '', path), text, { mode })
}
