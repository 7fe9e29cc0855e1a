import { readFileSync } from 'node:fs'
import { isBuiltin } from 'node:module'
import type { Plugin } from 'rolldown'

/** Native code cannot be bundled: it stays a dependency that npm installs beside the bundle. */
const native = ['koffi']

/** Long tables of numbers: the parser of JavaScript is slow on them, the one of JSON is not. */
const numberTables = /\/kad-dht\/dist\/src\/routing-table\/generated-prefix-list\.js$/

/** Default ciphers of libp2p-noise in WebAssembly, which `adapters/libp2p/noise-crypto.ts` takes the place of. */
const unusedCiphers = /\/libp2p-noise\/dist\/src\/crypto\/index\.js$/

/** They sort by the rules of a language, which ICU has to load first; any order that is always the same would do. */
const languageSorts =
  /\/@libp2p\/(peer-record\/dist\/src\/peer-record\/utils|peer-store\/dist\/src\/utils\/(dedupe-addresses|to-peer-pb))\.js$/
const languageComparison = /([\w.]+(?:\(\))?)\.localeCompare\(([\w.]+(?:\(\))?)\)/g

/** Directory, name and path inside, of a file in the innermost package. */
const packageFile = /^(.*\/node_modules\/((?:@[^/]+\/)?[^/]+))(\/.*)$/

const prefix = '\0lean:'

/**
 * A rolldown plugin that makes the bundle start faster and stay smaller in memory:
 * - An `import` of a built-in module evaluates every getter of it, and `node:http` has some that load a whole
 *   HTTP client with them: 10 MB. `getBuiltinModule` loads what is used.
 * - npm lays out some packages seven times in the same version: one copy is enough.
 * - Code that is there but never runs is left out, tables are left to the parser of JSON, and texts are sorted by their codes.
 */
export function leanStart(): Plugin {
  const firstPlaces = new Map<string, string>()
  /** The place of a file in the copy of its package that was met first. */
  const onlyOnce = (path: string): string => {
    const [, directory = '', name = '', file = ''] = packageFile.exec(path) ?? []
    if (directory === '') return path
    const { version } = JSON.parse(readFileSync(`${directory}/package.json`, 'utf8')) as { version: string }
    const known = `${name}@${version}`
    if (!firstPlaces.has(known)) firstPlaces.set(known, directory)
    return `${firstPlaces.get(known)}${file}`
  }
  return {
    name: 'lean-start',
    async resolveId(id, importer, { kind }) {
      // The bundler's own helpers run before anything that they help with.
      if (importer?.startsWith('\0rolldown') === true) return null
      if (isBuiltin(id) || native.includes(id)) return `${prefix}${id}`
      const resolved = await this.resolve(id, importer, { skipSelf: true, kind })
      return resolved === null || resolved.external ? resolved : { ...resolved, id: onlyOnce(resolved.id) }
    },
    load: (id) => {
      if (unusedCiphers.test(id)) return 'export const defaultCrypto = undefined'
      if (!id.startsWith(prefix)) return null
      const name = id.slice(prefix.length)
      const code = native.includes(name)
        ? `process.getBuiltinModule('node:module').createRequire(import.meta.url)('${name}')`
        : `process.getBuiltinModule('${name}')`
      return `module.exports = ${code}`
    },
    transform: (code, id) => {
      if (languageSorts.test(id)) return withoutLanguage(code, id)
      if (!numberTables.test(id)) return null
      const table = /^export default (\[[\d,\s]+\]);/.exec(code)?.[1]
      if (table === undefined) throw new Error(`${id} is no longer a table of numbers`)
      return `export default JSON.parse('[${table.replaceAll(/[[\]\s]/g, '').replace(/,$/, '')}]')`
    },
  }
}

function withoutLanguage(code: string, id: string): string {
  const plain = code.replaceAll(languageComparison, '((a, b) => (a < b ? -1 : a > b ? 1 : 0))($1, $2)')
  if (plain === code || plain.includes('localeCompare')) throw new Error(`${id} no longer sorts as it did`)
  return plain
}

/** The same program in ASCII: V8 keeps a source with one other character in two bytes for each. */
export function asciiOnly(source: string): string {
  return source.replaceAll(
    /[^\0-\u007F]/g,
    (unit) => `\\u${unit.charCodeAt(0).toString(16).padStart(4, '0')}`,
  )
}
