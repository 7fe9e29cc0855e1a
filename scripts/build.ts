// Builds dist/: the command as one minified file, the library, and its types.
import { spawnSync } from 'node:child_process'
import { readFileSync, rmSync, statSync } from 'node:fs'
import { createRequire } from 'node:module'
import { fileURLToPath } from 'node:url'
import { build } from 'rolldown'
import { bundleCommand } from './bundle-command.ts'

const top = fileURLToPath(new URL('..', import.meta.url)).replace(/\/$/, '')
const manifest = JSON.parse(readFileSync(`${top}/package.json`, 'utf8')) as {
  dependencies: Readonly<Record<string, string>>
}

/** A library leaves its dependencies to npm, so that a program shares them with it. */
const dependencies = Object.keys(manifest.dependencies).map((name) => new RegExp(`^${name}(/|$)`))

rmSync(`${top}/dist`, { recursive: true, force: true })
await bundleCommand(`${top}/dist/muster.js`)
tellSize('dist/muster.js')
await buildLibrary('dist/index.js')
writeTypes()

async function buildLibrary(output: string): Promise<void> {
  await build({
    input: `${top}/src/index.ts`,
    platform: 'node',
    external: dependencies,
    output: { file: `${top}/${output}`, format: 'esm', codeSplitting: false, comments: { legal: true } },
  })
  tellSize(output)
}

function tellSize(output: string): void {
  console.error(`${output}: ${(statSync(`${top}/${output}`).size / 1_000).toFixed(0)} kB`)
}

function writeTypes(): void {
  const compiler = createRequire(import.meta.url)
    .resolve('typescript/package.json')
    .replace('package.json', 'bin/tsc')
  const { status } = spawnSync(process.execPath, [compiler, '-p', 'tsconfig.build.json'], {
    cwd: top,
    stdio: 'inherit',
  })
  if (status !== 0) throw new Error('the types could not be built')
}
