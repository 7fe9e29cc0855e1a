// Proves that a configuration is put into a finished ISO by writing the bytes of its place and no others, and that everything
// else that is called an ISO is left alone. The ISO is a small one, made by the stage that makes the large ones.
import { copyFileSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { skipNote } from '../support/skip-note.ts'
import { createInstaller } from '../../src/components/installer.ts'
import { readIsoFiles } from '../../src/core/install/iso9660.ts'
import { imageFiles, mediumConfigBytes } from '../../src/core/install/layout.ts'
import { injectConfig } from '../../src/image/inject.ts'
import { inspectImage } from '../../src/image/inspect.ts'
import { paddedConfig } from '../../src/image/medium-config.ts'
import { makeIso } from '../../src/image/stages/iso.ts'
import { imageToolsLacking } from '../support/image-tools.ts'

if (imageToolsLacking !== '')
  process.stderr.write(`skipped: configurations of an ISO: ${imageToolsLacking}\n`)

const config = '#cloud-config\nhostname: edge-1\n'

describe.skipIf(imageToolsLacking !== '')(`a small ISO${skipNote(imageToolsLacking)}`, () => {
  let directory = ''
  const at = (name: string): string => join(directory, name)
  const pristine = (): Buffer => readFileSync(at('small.iso'))

  beforeAll(async () => {
    directory = mkdtempSync(join(tmpdir(), 'muster-iso-'))
    const files = [
      [imageFiles.manifest, '{}'],
      [imageFiles.root, 'x'.repeat(100_000)],
      [imageFiles.config, paddedConfig('', mediumConfigBytes)],
      // Enough names for a directory of several sectors.
      ...Array.from(
        { length: 60 },
        (_, index) => [`some-quite-long-name-of-a-file-${index}`, String(index)] as const,
      ),
    ] as const
    for (const [name, content] of files) writeFileSync(at(name), content)
    writeFileSync(at('esp.img'), Buffer.alloc(1_048_576))
    const paths = files.map(([name]) => at(name))
    await makeIso(paths, at('esp.img'), at('small.iso'), { epochSeconds: 1_700_000_000, volume: 'MUSTER' })
  })
  afterAll(() => rmSync(directory, { recursive: true, force: true }))

  it('is read: every file with the bytes that it has', () => {
    const bytes = pristine()
    const files =
      readIsoFiles((offset, length) =>
        offset + length > bytes.length ? undefined : bytes.subarray(offset, offset + length),
      ) ?? []
    const contentOf = (name: string): string => {
      const file = files.find(({ path }) => path === `muster/${name}`)
      return bytes.subarray(file?.offset, (file?.offset ?? 0) + (file?.bytes ?? 0)).toString('utf8')
    }
    expect(files.filter(({ path }) => path.startsWith('muster/'))).toHaveLength(63)
    expect(contentOf('manifest.json')).toBe('{}')
    expect(contentOf('root.img')).toBe('x'.repeat(100_000))
    expect(contentOf('some-quite-long-name-of-a-file-59')).toBe('59')
  })

  it('gives single files to whoever looks at it without a mount', () => {
    const { readMedium } = createInstaller()
    const text = (name: string, bytesMax: number): string | undefined => {
      const bytes = readMedium(at('small.iso'), name, bytesMax)
      return bytes && Buffer.from(bytes).toString()
    }
    expect(text(imageFiles.manifest, 2)).toBe('{}')
    expect(text(imageFiles.manifest, 1)).toBeUndefined()
    expect(text(imageFiles.config, mediumConfigBytes)?.trimEnd()).toBe('')
    expect(text(imageFiles.signature, 64)).toBeUndefined()
    for (const path of [at('esp.img'), at('nowhere.iso'), directory])
      expect(readMedium(path, imageFiles.manifest, 2)).toBeUndefined()
  })

  it('takes a configuration, changes nothing else, and forgets the one of before', () => {
    copyFileSync(at('small.iso'), at('mine.iso'))
    injectConfig(at('mine.iso'), `${config}${'# a longer one\n'.repeat(500)}`)
    injectConfig(at('mine.iso'), config)
    const [before, after] = [pristine(), readFileSync(at('mine.iso'))]
    const begin = after.indexOf(config)
    expect(
      after
        .subarray(begin, begin + mediumConfigBytes)
        .toString('utf8')
        .trimEnd(),
    ).toBe(config.trimEnd())
    expect(after.length).toBe(before.length)
    const outside = (bytes: Buffer): Buffer =>
      Buffer.concat([bytes.subarray(0, begin), bytes.subarray(begin + mediumConfigBytes)])
    expect(outside(after).equals(outside(before))).toBe(true)
  })

  it('is left as it is when the result goes elsewhere', () => {
    const before = pristine()
    injectConfig(at('small.iso'), config, at('other.iso'))
    expect(pristine().equals(before)).toBe(true)
    expect(readFileSync(at('other.iso')).indexOf(config)).toBeGreaterThan(0)
  })

  it('refuses a configuration that has no room, and what is no ISO of muster, without a change', () => {
    const before = pristine()
    expect(() => injectConfig(at('small.iso'), 'x'.repeat(mediumConfigBytes))).toThrowError(
      expect.objectContaining({ code: 'ERR_IMAGE_CONFIG_SIZE' }),
    )
    expect(pristine().equals(before)).toBe(true)
    const foreign = pristine()
    foreign.write('XX', 16 * 2_048 + 1)
    writeFileSync(at('foreign.iso'), foreign)
    writeFileSync(at('cut.iso'), before.subarray(0, 40_000))
    for (const path of [at('foreign.iso'), at('cut.iso'), at('esp.img'), at('nowhere.iso'), directory]) {
      expect(() => injectConfig(path, config), path).toThrowError(
        expect.objectContaining({ code: 'ERR_IMAGE_UNKNOWN' }),
      )
    }
    expect(readFileSync(at('foreign.iso')).equals(foreign)).toBe(true)
  })

  it('with a manifest that says nothing is no image', () => {
    expect(() => inspectImage(at('small.iso'))).toThrowError(
      expect.objectContaining({ code: 'ERR_IMAGE_UNKNOWN' }),
    )
  })
})

it('fills a configuration up with line feeds to the very size', () => {
  expect(paddedConfig('a: 1', 10).toString()).toBe('a: 1\n\n\n\n\n\n')
  expect(paddedConfig('a: 1234\n', 8).toString()).toBe('a: 1234\n')
  expect(() => paddedConfig('a: 12345', 8)).toThrowError(
    expect.objectContaining({ code: 'ERR_IMAGE_CONFIG_SIZE' }),
  )
})
