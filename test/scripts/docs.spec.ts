// Proves that every generated page says what the source says, and that no Kairos key is left undocumented.
import { readFileSync } from 'node:fs'
import { describe, expect, it } from 'vitest'
import { parseDocComments } from '../../scripts/docs/doc-comments.ts'
import { generatedPages } from '../../scripts/docs/pages.ts'
import { configSchema, declaredKeys } from '../../src/config/json-schema.ts'
import { kairosKeys } from '../../src/config/kairos.ts'
import { errorCatalogue } from '../../src/errors.ts'

describe('generated pages', () => {
  it.each([...generatedPages.keys()])('%s is up to date (else: npm run docs)', (path) => {
    const written = readFileSync(new URL(`../../${path}`, import.meta.url), 'utf8')
    expect(written).toBe(generatedPages.get(path)?.())
  })

  it('tell every code of the catalogue', () => {
    const page = generatedPages.get('docs/errors.md')?.() ?? ''
    for (const code of Object.keys(errorCatalogue)) expect(page).toContain(`## ${code}\n`)
  })

  it('tell every own key', () => {
    const page = generatedPages.get('docs/configuration.md')?.() ?? ''
    const keys = declaredKeys(configSchema().properties?.['muster'], 'muster')
    expect(keys.length).toBeGreaterThan(40)
    for (const { key, schema } of keys) {
      expect(page).toContain(`\`${key}\``)
      expect(schema.description ?? '', key).not.toBe('')
    }
  })

  it('tell what becomes of every Kairos key for clusters', () => {
    const leaves = ['p2p', 'k3s', 'k3s-agent', 'kubevip'].flatMap((block) =>
      declaredKeys(configSchema().properties?.[block], block).filter(
        ({ schema }) => schema.properties === undefined,
      ),
    )
    expect(kairosKeys.map(({ key }) => key).toSorted()).toEqual(leaves.map(({ key }) => key).toSorted())
  })
})

describe('parseDocComments', () => {
  it('joins a comment of several lines', () => {
    const source =
      '/** One. */\nexport const a = 1\n/**\n * Two\n * lines.\n */\nexport const b = 2\nexport const c = 3\n'
    expect([...parseDocComments(source)]).toEqual([
      ['a', 'One.'],
      ['b', 'Two lines.'],
    ])
  })
})
