// Builds dist/: the command as one minified file, the library, and its types.
import { spawnSync } from 'node:child_process'
import { chmodSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import { fileURLToPath } from 'node:url'
import { build } from 'rolldown'
import { asciiOnly, leanStart } from './lean-bundle.ts'

const top = fileURLToPath(new URL('..', import.meta.url)).replace(/\/$/, '')
const manifest = JSON.parse(readFileSync(`${top}/package.json`, 'utf8')) as {
  dependencies: Readonly<Record<string, string>>
}

/** A library leaves its dependencies to npm, so that a program shares them with it. */
const dependencies = Object.keys(manifest.dependencies).map((name) => new RegExp(`^${name}(/|$)`))

rmSync(`${top}/dist`, { recursive: true, force: true })
await buildCommand('dist/muster.js')
await buildLibrary('dist/index.js')
writeTypes()

async function buildCommand(output: string): Promise<void> {
  await build({
    input: `${top}/src/cli/main.ts`,
    platform: 'node',
    plugins: [leanStart()],
    output: {
      file: `${top}/${output}`,
      format: 'esm',
      minify: true,
      codeSplitting: false,
      comments: { legal: true },
    },
  })
  writeFileSync(`${top}/${output}`, asciiOnly(readFileSync(`${top}/${output}`, 'utf8')))
  chmodSync(`${top}/${output}`, 0o755)
  tellSize(output)
}

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
