// Writes the generated pages of docs/, or with --check fails where one is not up to date.
import { readFileSync, writeFileSync } from 'node:fs'
import { generatedPages } from './docs/pages.ts'

const check = process.argv.includes('--check')
const top = new URL('..', import.meta.url)
let stale = 0
for (const [path, page] of generatedPages) {
  const file = new URL(path, top)
  if (readOrEmpty(file) === page()) continue
  if (check) {
    stale++
    console.error(`${path} is not up to date: run \`npm run docs\``)
  } else {
    writeFileSync(file, page())
    console.error(`wrote ${path}`)
  }
}
process.exitCode = stale === 0 ? 0 : 1

function readOrEmpty(file: URL): string {
  try {
    return readFileSync(file, 'utf8')
  } catch {
    return ''
  }
}
