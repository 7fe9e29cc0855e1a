import { chmodSync, readFileSync, writeFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { build } from 'rolldown'
import { asciiOnly, leanStart } from './lean-bundle.ts'

const entry = fileURLToPath(new URL('../src/cli/main.ts', import.meta.url))

/** Bundles the command into one minified program. Native modules are looked for from where `file` lies. */
export async function bundleCommand(file: string): Promise<void> {
  await build({
    input: entry,
    platform: 'node',
    plugins: [leanStart()],
    output: { file, format: 'esm', minify: true, codeSplitting: false, comments: { legal: true } },
  })
  writeFileSync(file, asciiOnly(readFileSync(file, 'utf8')))
  chmodSync(file, 0o755)
}
