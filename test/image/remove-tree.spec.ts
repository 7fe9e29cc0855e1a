// Proves that a directory with something mounted inside is never removed: what is below a mount belongs to the machine.
import { existsSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { spawnSync } from 'node:child_process'
import { describe, expect, it } from 'vitest'
import { mountsBelow, removeTree } from '../../src/image/remove-tree.ts'

const isRoot = process.getuid?.() === 0

describe('removeTree', () => {
  it('finds mounts below a directory, and not beside it', () => {
    const text = String.raw`proc /build/root/proc proc rw 0 0
none /build/a\040b tmpfs rw 0 0
none /builder tmpfs rw 0 0
`
    expect(mountsBelow(text, '/build')).toEqual(['/build/root/proc', '/build/a b'])
  })

  it.skipIf(!isRoot)('refuses while something is mounted, and removes nothing (needs root)', () => {
    const directory = mkdtempSync(join(tmpdir(), 'muster-remove-'))
    const mounted = join(directory, 'inner')
    mkdirSync(mounted)
    writeFileSync(join(directory, 'first'), '')
    expect(spawnSync('mount', ['-t', 'tmpfs', 'none', mounted]).status).toBe(0)
    try {
      writeFileSync(join(mounted, 'precious'), '')
      expect(() => removeTree(directory)).toThrow(expect.objectContaining({ code: 'ERR_IMAGE_COMMAND' }))
      expect(existsSync(join(mounted, 'precious'))).toBe(true)
      expect(existsSync(join(directory, 'first'))).toBe(true)
    } finally {
      spawnSync('umount', [mounted])
    }
    removeTree(directory)
    expect(existsSync(directory)).toBe(false)
    rmSync(directory, { recursive: true, force: true })
  })
})
