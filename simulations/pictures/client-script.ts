import { readFileSync } from 'node:fs'
import { transformSync } from 'rolldown/utils'

/**
 * The page's script as one text: a file of `client/` and those that it imports, each before its first user, without types.
 * One module's scope holds them all, so a name stands for one thing in the whole of `client/`; the browser refuses a
 * script in which it does not.
 */
export function clientScript(entry: URL = new URL('client/main.ts', import.meta.url)): string {
  const seen = new Set<string>()
  const parts: string[] = []
  const add = (file: URL): void => {
    if (seen.has(file.href)) return
    seen.add(file.href)
    const { code, errors } = transformSync(file.pathname, readFileSync(file, 'utf8'))
    if (errors[0] !== undefined) throw new Error(`${file.pathname}: ${errors[0].message}`)
    for (const [, name = ''] of code.matchAll(importLine)) add(new URL(name, file))
    parts.push(code.replaceAll(importLine, '').replaceAll(/^export /gm, ''))
  }
  add(entry)
  return parts.join('\n')
}

/** Imports are printed on one line each. */
const importLine = /^import \{[^}]*\} from "(\.[^"]+)";\n/gm
