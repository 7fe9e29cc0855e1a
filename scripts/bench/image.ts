import { spawnSync } from 'node:child_process'
import { createHash } from 'node:crypto'
import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { BuildResult } from '../../src/image/build.ts'
import type { Figure } from './figures.ts'

type Printed = Pick<BuildResult, 'isoBytes' | 'stages' | 'manifest'> & { readonly isoSha256: string }

/**
 * Builds the image some times from the cached Debian root, each time into a directory of its own. The first build makes the
 * root where it is not there, and counts for its sizes alone. Throws where a build fails, or where two differ.
 */
export function measureImage(source: string, runs: number): readonly Figure[] {
  build(source)
  const builds = Array.from({ length: runs }, () => build(source))
  const hashes = new Set(builds.map(({ isoSha256 }) => isoSha256))
  if (hashes.size !== 1) throw new Error(`builds of one source differ: ${[...hashes].join(', ')}`)
  const seconds = builds.map(({ stages }) => stages.reduce((total, { ms }) => total + ms, 0) / 1_000)
  const megabytes = (of: (one: Printed) => number): number[] => builds.map((one) => of(one) / 1_000_000)
  return [
    { what: 'image: build from the cached root', unit: 's', goal: { of: 'p50', most: 15 }, values: seconds },
    {
      what: 'image: ISO',
      unit: 'MB',
      goal: { of: 'max', most: 350 },
      values: megabytes(({ isoBytes }) => isoBytes),
    },
    {
      what: 'image: a slot (root and hash tree)',
      unit: 'MB',
      values: megabytes(({ manifest }) => manifest.files['root.img'].bytes),
    },
    {
      what: 'image: a boot entry (kernel and initrd)',
      unit: 'MB',
      values: megabytes(({ manifest }) => manifest.files['installed.efi'].bytes),
    },
  ]
}

function build(source: string): Printed {
  const output = mkdtempSync(join(tmpdir(), 'muster-bench-image-'))
  try {
    const { status, stdout } = spawnSync(
      process.execPath,
      [source, 'image', 'build', '--out', output, '-o', 'json'],
      { encoding: 'utf8', stdio: ['ignore', 'pipe', 'inherit'] },
    )
    if (status !== 0) throw new Error('the image could not be built')
    const isoSha256 = createHash('sha256')
      .update(readFileSync(join(output, 'muster.iso')))
      .digest('hex')
    return { ...(JSON.parse(stdout) as BuildResult), isoSha256 }
  } finally {
    rmSync(output, { recursive: true, force: true })
  }
}
