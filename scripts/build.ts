// Builds dist/: the command as one minified file, the library, and its types. --measure also times the start.
import { spawnSync } from 'node:child_process'
import { chmodSync, readFileSync, rmSync, statSync } from 'node:fs'
import { createRequire } from 'node:module'
import { fileURLToPath } from 'node:url'
import { build } from 'rolldown'

const top = fileURLToPath(new URL('..', import.meta.url)).replace(/\/$/, '')
const manifest = JSON.parse(readFileSync(`${top}/package.json`, 'utf8')) as {
  dependencies: Readonly<Record<string, string>>
}

/** Native code cannot be bundled: it stays a dependency that npm installs beside the bundle. */
const native = ['koffi']

/** A library leaves its dependencies to npm, so that a program shares them with it. */
const dependencies = Object.keys(manifest.dependencies).map((name) => new RegExp(`^${name}(/|$)`))

rmSync(`${top}/dist`, { recursive: true, force: true })
await bundle('src/cli/main.ts', 'dist/muster.js', native, true)
await bundle('src/index.ts', 'dist/index.js', dependencies, false)
writeTypes()
chmodSync(`${top}/dist/muster.js`, 0o755)
if (process.argv.includes('--measure')) measureStart()

async function bundle(
  entry: string,
  output: string,
  external: readonly (string | RegExp)[],
  minify: boolean,
): Promise<void> {
  const hasShebang = readFileSync(`${top}/${entry}`, 'utf8').startsWith('#!')
  await build({
    input: `${top}/${entry}`,
    platform: 'node',
    external: [...external],
    output: {
      file: `${top}/${output}`,
      format: 'esm',
      minify,
      codeSplitting: false,
      comments: { legal: true },
      ...(minify && !hasShebang ? { banner: '#!/usr/bin/env node' } : {}),
    },
  })
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

/** Median of several runs of a command that does nothing but start. */
function measureStart(): void {
  const runs = 9
  const times = Array.from({ length: runs }, () => {
    const begin = performance.now()
    const { status } = spawnSync(process.execPath, [`${top}/dist/muster.js`, 'version'], { stdio: 'ignore' })
    if (status !== 0) throw new Error(`the bundle does not run: exit code ${status}`)
    return performance.now() - begin
  }).toSorted((a, b) => a - b)
  console.error(
    `start to end of \`muster version\`: median ${times[Math.floor(runs / 2)]!.toFixed(0)} ms of ${runs} runs`,
  )
}
