// Proves that the mirror of an image is the one that the machine's own sources name, in both of their forms, and no other
// software's.
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect, it } from 'vitest'
import { debianSources } from '../../src/image/apt-sources.ts'

it('takes the release and its updates from lines and stanzas, once each', () => {
  const directory = mkdtempSync(join(tmpdir(), 'muster-apt-'))
  try {
    mkdirSync(join(directory, 'sources.list.d'))
    writeFileSync(
      join(directory, 'sources.list'),
      `# deb http://old.invalid/debian bookworm main
deb [signed-by=/some/key.gpg arch=amd64] http://mirror.invalid/debian bookworm main contrib # a comment
deb-src http://mirror.invalid/debian bookworm main
deb http://mirror.invalid/debian bookworm-backports main
deb http://mirror.invalid/debian trixie main
`,
    )
    writeFileSync(
      join(directory, 'sources.list.d/debian.sources'),
      `Types: deb deb-src
# A comment in between.
URIs: http://mirror.invalid/debian
Suites: bookworm bookworm-updates
Components: main
 contrib
Signed-By: /some/key.gpg

Types: deb
URIs: http://security.invalid/debian-security
Suites: bookworm-security
Components: main

Types: deb
Enabled: no
URIs: http://off.invalid/debian
Suites: bookworm
Components: main
`,
    )
    writeFileSync(join(directory, 'sources.list.d/other.list'), 'deb http://other.invalid/apt stable main\n')
    writeFileSync(
      join(directory, 'sources.list.d/off.list.save'),
      'deb http://off.invalid/debian bookworm main\n',
    )
    expect(debianSources('bookworm', directory)).toEqual([
      'deb http://mirror.invalid/debian bookworm main contrib',
      'deb http://mirror.invalid/debian bookworm-updates main contrib',
      'deb http://security.invalid/debian-security bookworm-security main',
    ])
  } finally {
    rmSync(directory, { recursive: true, force: true })
  }
})

it('finds nothing where nothing is named', () => {
  expect(debianSources('bookworm', '/nowhere')).toEqual([])
})
