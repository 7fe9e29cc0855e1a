// Proves that the house stands as ARCHITECTURE.md says: parses every import itself, and shows on a made-up tree that each rule can fail.
import { existsSync, readdirSync } from 'node:fs'
import { describe, expect, it } from 'vitest'
import type { RuleName } from './architecture/rules.ts'
import { coreOrder, findViolations, linesMax } from './architecture/rules.ts'
import { readTree } from './architecture/tree.ts'

const top = new URL('..', import.meta.url).pathname.replace(/\/$/, '')
const folders = ['src', 'test', 'simulations', 'scripts'].filter((folder) => existsSync(`${top}/${folder}`))

describe('the source tree', () => {
  const tree = readTree(top, folders)

  it('was seen: every folder that is there has files in what was read', () => {
    const paths = [...tree.keys()]
    const expected = folders.flatMap((folder) =>
      readdirSync(`${top}/${folder}`, { withFileTypes: true, recursive: true })
        .filter((entry) => entry.isFile() && entry.name.endsWith('.ts'))
        .map((entry) => `${entry.parentPath.slice(top.length + 1)}/${entry.name}`),
    )
    expect(paths.length).toBeGreaterThan(100)
    expect(paths.toSorted()).toEqual(expected.toSorted())
    const parts = new Set(paths.filter((path) => path.startsWith('src/')).map((path) => path.split('/')[1]))
    expect([...parts]).toEqual(expect.arrayContaining(['core', 'config', 'adapters', 'errors.ts']))
    const core = new Set(
      paths.filter((path) => path.startsWith('src/core/')).map((path) => path.split('/')[2]),
    )
    expect([...core]).toEqual(
      expect.arrayContaining(['model', 'token', 'membership', 'consensus', 'planner']),
    )
  })

  it('breaks no rule', () => {
    expect(findViolations(tree).map(({ rule, file, detail }) => `${file}: ${rule}: ${detail}`)).toEqual([])
  })
})

describe('the rules', () => {
  /** One broken file for each rule, with what surrounds it intact. */
  const broken: readonly { rule: RuleName; path: string; text: string }[] = [
    { rule: 'core-order', path: 'src/core/model/a.ts', text: "import type { B } from '../planner/b.ts'\n" },
    { rule: 'core-order', path: 'src/core/token/a.ts', text: "export type { Network } from '../ports.ts'\n" },
    { rule: 'core-order', path: 'src/core/unheard-of/a.ts', text: "import { B } from '../model/b.ts'\n" },
    { rule: 'core-pure', path: 'src/core/model/a.ts', text: "import { readFile } from 'node:fs/promises'\n" },
    {
      rule: 'core-pure',
      path: 'src/core/model/a.ts',
      text: "import type { PeerId } from '@libp2p/interface'\n",
    },
    { rule: 'core-pure', path: 'src/core/model/a.ts', text: 'export const now = (): number => Date.now()\n' },
    { rule: 'core-pure', path: 'src/core/model/a.ts', text: 'export const at = new Date() as unknown\n' },
    { rule: 'core-pure', path: 'src/core/model/a.ts', text: 'export const dice = () => Math.random()\n' },
    { rule: 'core-pure', path: 'src/core/model/a.ts', text: 'export async function later() {}\n' },
    {
      rule: 'core-pure',
      path: 'src/core/model/a.ts',
      text: 'export const later = () => setTimeout(() => 1, 2)\n',
    },
    { rule: 'core-pure', path: 'src/core/model/a.ts', text: 'export const arch = process.arch\n' },
    { rule: 'core-pure', path: 'src/core/model/a.ts', text: 'export const later = Promise.resolve(1)\n' },
    { rule: 'floors', path: 'src/core/model/a.ts', text: "import { MusterError } from '../../errors.ts'\n" },
    { rule: 'floors', path: 'src/config/a.ts', text: "import { run } from '../agent/run.ts'\n" },
    { rule: 'floors', path: 'src/agent/a.ts', text: "import { main } from '../cli/main.ts'\n" },
    { rule: 'floors', path: 'src/agent/a.ts', text: "export const later = () => import('../lab/lab.ts')\n" },
    { rule: 'floors', path: 'src/lab/a.ts', text: "import { Agent } from '../agent/agent.ts'\n" },
    { rule: 'floors', path: 'src/config/a.ts', text: "import type { B } from '../../test/b.ts'\n" },
    { rule: 'floors', path: 'src/config/a.ts', text: "export type B = import('../cli/b.ts').B\n" },
    {
      rule: 'floors',
      path: 'simulations/world/a.ts',
      text: "import { readConfig } from '../../src/config/index.ts'\n",
    },
    { rule: 'adapters-apart', path: 'src/adapters/tun/a.ts', text: "import { b } from '../libp2p/b.ts'\n" },
    { rule: 'adapters-apart', path: 'src/adapters/tun/a.ts', text: "import { exec } from '../exec.ts'\n" },
    {
      rule: 'composition-root',
      path: 'src/agent/a.ts',
      text: "import { tun } from '../adapters/tun/tun.ts'\n",
    },
    { rule: 'composition-root', path: 'src/cli/a.ts', text: "export * from '../adapters/clock.ts'\n" },
    {
      rule: 'contract-double',
      path: 'simulations/k3s-contract/a.ts',
      text: "import type { K3sRole } from '../../src/core/k3s/types.ts'\n",
    },
    { rule: 'zod-at-edges', path: 'src/adapters/a.ts', text: "import { z } from 'zod'\n" },
    { rule: 'file-size', path: 'src/config/a.ts', text: 'export {}\n'.repeat(linesMax + 1) },
    { rule: 'file-name', path: 'src/config/agentConfig.ts', text: 'export {}\n' },
    { rule: 'import-extension', path: 'src/config/a.ts', text: "import { b } from './b'\n" },
  ]

  it.each(broken)('report $rule in $path', ({ rule, path, text }) => {
    const found = findViolations(new Map([[path, text]]))
    expect(found.map((violation) => violation.rule)).toContain(rule)
    expect(found.every(({ file }) => file === path)).toBe(true)
  })

  it('leave a clean tree alone', () => {
    const clean = new Map([
      [
        'src/core/model/a.ts',
        "export interface Later { readonly at: Promise<Date> }\nexport const b = { process: 'Date' }.process\n",
      ],
      [
        'src/core/planner/a.ts',
        "// await Date.now()\nimport { a } from '../model/a.ts'\nimport { encode } from 'cborg'\n",
      ],
      [
        'src/core/node.ts',
        "import type { Effect } from './effect.ts'\nimport { run } from './node/run.ts'\n",
      ],
      [
        'src/adapters/crypto/key.ts',
        "import { b } from '../crypto.ts'\nimport { x } from '../../errors.ts'\n",
      ],
      ['src/components.ts', "import { b } from './adapters/crypto.ts'\n"],
      [
        'src/agent/run.ts',
        "import { b } from '../components.ts'\nimport { readConfig } from '../config/index.ts'\n",
      ],
      ['src/lab/observe.ts', "import { client } from '../agent/api/client.ts'\n"],
      ['src/config/a.ts', 'export {}\n'.repeat(linesMax)],
    ])
    expect(findViolations(clean)).toEqual([])
  })

  it('refuse a file that cannot be parsed, instead of passing over it', () => {
    expect(() => findViolations(new Map([['src/core/model/a.ts', 'import { from from']]))).toThrow(
      /parse|expected|unexpected/i,
    )
  })

  it('know every folder of the core', () => {
    const found = readdirSync(`${top}/src/core`, { withFileTypes: true })
      .filter((entry) => entry.isDirectory())
      .map(({ name }) => name)
    expect(coreOrder).toEqual(expect.arrayContaining(found))
  })
})
