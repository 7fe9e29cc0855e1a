import type { SourceFile, SourceImport, SourceTree } from './tree.ts'
import { parseSource } from './tree.ts'

/** A broken rule, in one line. */
export interface Violation {
  readonly rule: RuleName
  readonly file: string
  readonly detail: string
}

export type RuleName =
  | 'core-order'
  | 'core-pure'
  | 'floors'
  | 'adapters-apart'
  | 'composition-root'
  | 'contract-double'
  | 'zod-at-edges'
  | 'file-size'
  | 'file-name'
  | 'import-extension'

/** Folders of the core: each imports only itself and those before it. */
export const coreOrder: readonly string[] = [
  'model',
  'token',
  'identity',
  'membership',
  'consensus',
  'addresses',
  'planner',
  'overlay',
  'install',
  'k3s',
  'status',
  'node',
]

/** Files that lie directly in `src/core` and hold the unions that the whole house speaks. */
const coreVocabulary = new Set(['ports', 'input', 'effect'])

/** Files in `src` itself that import nothing of ours; every floor above the core may use them. */
const leaves = new Set(['errors', 'read-at', 'table', 'version'])

/** What each part of `src` may import of the others. */
const mayImport: Readonly<Record<string, readonly string[]>> = {
  errors: [],
  'read-at': [],
  table: [],
  version: [],
  'debian-packages': [],
  core: ['core'],
  config: ['core', 'config'],
  adapters: ['core', 'adapters'],
  components: ['core', 'config', 'adapters', 'components'],
  agent: ['core', 'config', 'components', 'agent'],
  lab: ['core', 'config', 'components', 'debian-packages', 'lab'],
  install: ['core', 'config', 'components', 'install'],
  machine: ['core', 'config', 'components', 'install', 'machine'],
  image: ['core', 'config', 'components', 'debian-packages', 'machine', 'image'],
  cli: ['core', 'config', 'agent', 'lab', 'install', 'machine', 'image', 'cli'],
  testing: ['core', 'testing'],
  index: ['core', 'config', 'components', 'agent'],
}

/** What the simulations may import of `src`. */
const simulationsMayImport: readonly string[] = ['core', 'testing', 'agent', 'lab']
/** What scenario files need besides: they are read as strictly as a configuration, by the same reader. */
const scenariosMayImport: readonly string[] = [...simulationsMayImport, 'config']

const zodFolders: readonly RegExp[] = [/^src\/config\//, /^src\/agent\/api\//, /^src\/cli\//]

/** Longest file, in lines. */
export const linesMax = 500

/** Every broken rule of a tree, in the order of files. */
export function findViolations(tree: SourceTree): readonly Violation[] {
  return [...tree].flatMap(([path, text]) => checkFile(parseSource(path, text)))
}

function checkFile(file: SourceFile): Violation[] {
  const found: Violation[] = []
  const broken = (rule: RuleName, detail: string): void => {
    found.push({ rule, file: file.path, detail })
  }
  if (file.lines > linesMax) broken('file-size', `${file.lines} lines, more than ${linesMax}`)
  if (!/^[a-z0-9]+(-[a-z0-9]+)*(\.(spec|lab|vm|config|d))?\.ts$/.test(file.path.split('/').at(-1) ?? '')) {
    broken('file-name', 'file names are kebab-case')
  }
  for (const each of file.imports) {
    if (each.target !== undefined && !each.target.endsWith('.ts') && !each.target.endsWith('.json')) {
      broken('import-extension', `\`${each.specifier}\` has no extension`)
    }
    if (
      each.specifier === 'zod' &&
      file.path.startsWith('src/') &&
      !zodFolders.some((folder) => folder.test(file.path))
    ) {
      broken('zod-at-edges', 'zod stands only in the configuration, the API and the command line')
    }
    checkImport(file, each, broken)
  }
  if (file.path.startsWith('src/core/')) {
    for (const name of file.impurities) broken('core-pure', `uses \`${name}\``)
  }
  return found
}

function checkImport(
  file: SourceFile,
  { specifier, target }: SourceImport,
  broken: (rule: RuleName, detail: string) => void,
): void {
  const from = partOf(file.path)
  if (from === 'core' && target === undefined && specifier !== 'cborg') {
    broken('core-pure', `imports \`${specifier}\``)
    return
  }
  const to = target === undefined ? undefined : partOf(target)
  if (target === undefined || to === undefined) {
    if (from !== undefined && target !== undefined)
      broken('floors', `imports ${target}, which lies outside of src`)
    return
  }
  if (file.path.startsWith('simulations/k3s-contract/')) {
    broken('contract-double', `imports ${target}: the double is the other side of the contract`)
    return
  }
  const allowed = file.path.startsWith('simulations/scenarios/') ? scenariosMayImport : simulationsMayImport
  // A share of the simulated seeds runs with real keys.
  const realKeys = file.path === 'simulations/world/identity.ts' && target.startsWith('src/adapters/crypto')
  if (realKeys) return
  if (file.path.startsWith('simulations/') && !leaves.has(to) && !allowed.includes(to))
    broken('floors', `imports ${target}`)
  if (from === undefined) return
  if (to === 'adapters' && from !== 'adapters' && from !== 'components') {
    broken('composition-root', `imports ${target}: only components.ts knows adapters`)
  } else if (!mayImportFile(from, to, target))
    broken('floors', `imports ${target}: ${from} may not import ${to}`)
  if (from === 'adapters' && to === 'adapters' && adapterOf(file.path) !== adapterOf(target)) {
    broken('adapters-apart', `imports ${target}: adapters never import one another`)
  }
  if (from === 'core' && to === 'core') checkCoreOrder(file.path, target, broken)
}

function mayImportFile(from: string, to: string, target: string): boolean {
  // The lab looks at its hosts, and a machine at its agent, as every user does: through the agent's API.
  if ((from === 'lab' || from === 'machine') && target.startsWith('src/agent/api/')) return true
  if (leaves.has(to) && from !== 'core' && !leaves.has(from)) return true
  return (mayImport[from] ?? []).includes(to)
}

function checkCoreOrder(
  path: string,
  target: string,
  broken: (rule: RuleName, detail: string) => void,
): void {
  const from = coreFolderOf(path)
  const to = coreFolderOf(target)
  if (from === to) return
  for (const folder of [from, to]) {
    if (!coreOrder.includes(folder) && !coreVocabulary.has(folder)) {
      broken('core-order', `\`${folder}\` has no place in the order of the core`)
      return
    }
  }
  if (coreRank(to) > coreRank(from)) broken('core-order', `imports ${target}: ${to} stands above ${from}`)
}

/** The vocabulary stands beside the node, above all other folders. */
function coreRank(folder: string): number {
  return coreVocabulary.has(folder) ? coreOrder.length - 1 : coreOrder.indexOf(folder)
}

function coreFolderOf(path: string): string {
  return (path.split('/')[2] ?? '').replace(/\.ts$/, '')
}

/** `src/adapters/crypto.ts` and `src/adapters/crypto/` are one adapter. */
function adapterOf(path: string): string {
  return (path.split('/')[2] ?? '').replace(/\.ts$/, '')
}

/** The part of `src` that a file belongs to, for example `core`, `adapters`, `components`; undefined outside. */
function partOf(path: string): string | undefined {
  return path.startsWith('src/') ? (path.split('/')[1] ?? '').replace(/\.ts$/, '') : undefined
}
