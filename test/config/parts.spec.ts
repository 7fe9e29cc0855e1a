// Proves the small parts of the configuration by examples and properties: templates, distances, networks, flags, schema, printing.
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import type { Diagnostic } from '../../src/config/index.ts'
import {
  configSchema,
  formatDiagnostic,
  peerMultiaddr,
  readConfig,
  renderTemplate,
} from '../../src/config/index.ts'
import { parseK3sArguments } from '../../src/config/k3s-args.ts'
import { durationMs, formatDuration } from '../../src/config/schema/fields.ts'
import { closest, editDistance } from '../../src/config/suggest.ts'

describe('renderTemplate', () => {
  const values = { MachineID: '0123456789abcdef0123456789abcdef' }
  it.each([
    ['plain', 'plain'],
    ['a-{{ trunc 4 .MachineID }}', 'a-0123'],
    ['{{trunc -4 .MachineID}}-{{- .MachineID -}}', `cdef-${values.MachineID}`],
  ])('%s', (template, text) => {
    expect(renderTemplate(template, values)).toEqual({ kind: 'text', text })
  })
  it.each(['{{ .Random }}', '{{ trunc x .MachineID }}', 'a {{ b', '}}', '{{ .constructor }}'])(
    'refuses %s',
    (template) => {
      expect(renderTemplate(template, values).kind).toBe('error')
    },
  )
})

describe('editDistance', () => {
  it('is a distance', () => {
    const word = fc.string({ maxLength: 12 })
    fc.assert(
      fc.property(word, word, (a, b) => {
        expect(editDistance(a, b)).toBe(editDistance(b, a))
        expect(editDistance(a, b) === 0).toBe(a === b)
        expect(editDistance(a, b)).toBeLessThanOrEqual(Math.max(a.length, b.length))
      }),
    )
  })
  it('counts a swap as one edit, and suggests nothing far off', () => {
    expect(editDistance('token', 'tokne')).toBe(1)
    expect(closest('zzzz', ['token', 'zone'])).toBeUndefined()
    expect(closest('x'.repeat(1_000_000), ['token'])).toBeUndefined()
  })
})

describe('parseK3sArguments', () => {
  it('reads flags as a shell and k3s do', () => {
    const { flags, problems } = parseK3sArguments([
      '--a',
      '--b=c=d',
      '--e f',
      '--g',
      'h',
      "--i='j k'",
      '--b',
      'l',
      '--m',
    ])
    expect(problems).toEqual([])
    expect(Object.fromEntries(flags.map(({ name, values }) => [name, values]))).toEqual({
      a: ['true'],
      b: ['c=d', 'l'],
      e: ['f'],
      g: ['h'],
      i: ['j k'],
      m: ['true'],
    })
  })
  it('names what it cannot read', () => {
    expect(parseK3sArguments(['--a=b stray', '-v']).problems.map(({ index }) => index)).toEqual([0, 1])
  })
})

describe('durations', () => {
  it('come back as they went', () => {
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 86_400_000 }), (ms) => durationMs(formatDuration(ms)) === ms),
    )
  })
})

describe('peerMultiaddr', () => {
  it.each([
    '',
    '/ip4/1.2.3/tcp/1',
    '/ip4/1.2.3.4/udp/1',
    'a:0',
    'a:65536',
    '[1.2.3.4]:1',
    'a b',
    '1.2.3',
    '-a',
    '/dns4/a/tcp/1/x',
  ])('refuses %j', (text) => {
    expect(peerMultiaddr(text, 1)).toBeUndefined()
  })
})

describe('configSchema', () => {
  it('has an identity and is strict', () => {
    expect(configSchema()).toMatchObject({
      $id: 'urn:muster:config:v1',
      type: 'object',
      additionalProperties: false,
      properties: {
        muster: { additionalProperties: false, properties: { control_plane: { maximum: 7, default: 3 } } },
      },
    })
  })
})

describe('formatDiagnostic', () => {
  const diagnostic: Diagnostic = {
    severity: 'error',
    file: 'a.yaml',
    line: 12,
    column: 4,
    path: 'muster.x',
    message: 'is wrong',
    suggestion: 'Write `y`.',
    excerpt: '\t  x: z',
  }
  it('puts a caret under the place, tabs kept', () => {
    expect(formatDiagnostic(diagnostic, { colour: false })).toBe(
      'a.yaml:12:4: error: muster.x: is wrong\n  12 | \t  x: z\n     | \t  ^\n  help: Write `y`.',
    )
  })
  it('colours on demand', () => {
    expect(formatDiagnostic(diagnostic, { colour: true })).toContain('\u001b[31merror:')
  })
})

describe('any text', () => {
  it('is read or refused, never thrown over', () => {
    const line = fc.tuple(
      fc.constantFrom('muster:', '  token:', '  bootstrap:', 'p2p:', '- ', '&a', '*a', '{', '[', '? '),
      fc.string({ maxLength: 8 }),
    )
    fc.assert(
      fc.property(fc.array(line, { maxLength: 8 }), (lines) => {
        const text = lines.map(([key, value]) => `${key} ${value}`).join('\n')
        const { config, diagnostics } = readConfig([{ path: 'a', text }])
        expect(config === undefined).toBe(diagnostics.some(({ severity }) => severity === 'error'))
      }),
    )
  })
})
