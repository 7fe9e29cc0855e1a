// Compiles a module without running it, as if it lay at another path; what V8 made of it is kept in the directory $NODE_COMPILE_CACHE:
// `node --random-seed=1 scripts/precompile.ts FILE PATH`. With the seed, the same module gives the same bytes.
import { readFileSync } from 'node:fs'
import { registerHooks } from 'node:module'
import { pathToFileURL } from 'node:url'

const [file, path] = process.argv.slice(2)
if (file === undefined || path === undefined) throw new Error('usage: node precompile.ts FILE PATH')
const url = pathToFileURL(path).href

/** Every module of a graph is compiled before the first of it runs, and `muster:stop` runs first. */
const sources = new Map([
  ['muster:entry', `import 'muster:stop'; import ${JSON.stringify(url)}`],
  ['muster:stop', "import { flushCompileCache } from 'node:module'; flushCompileCache(); process.exit()"],
  [url, readFileSync(file, 'utf8')],
])

registerHooks({
  resolve: (specifier, context, next) =>
    sources.has(specifier)
      ? { url: specifier, format: 'module', shortCircuit: true }
      : next(specifier, context),
  load: (asked, context, next) => {
    const source = sources.get(asked)
    return source === undefined ? next(asked, context) : { format: 'module', source, shortCircuit: true }
  },
})
const entry: string = 'muster:entry'
await import(entry)
