import { readFileSync } from 'node:fs'
import { registerHooks } from 'node:module'
import { fileURLToPath } from 'node:url'
import type { Edit, Mutant } from './mutant.ts'

const top = new URL('../../', import.meta.url)

/**
 * A source text with one edit made.
 * @throws if the text to replace does not stand there exactly once: the code has moved on and the bug must follow
 */
export function applyEdit(source: string, { file, find, replace }: Edit): string {
  const places = source.split(find).length - 1
  if (places !== 1) {
    throw new Error(`mutation no longer applies: ${file} holds ${places} times: ${find}`)
  }
  return source.replace(find, () => replace)
}

/** The mutated sources of a mutant, by module URL. Throws where an edit does not apply. */
export function mutatedSources({ edits }: Pick<Mutant, 'edits'>): ReadonlyMap<string, string> {
  const sources = new Map<string, string>()
  for (const edit of edits) {
    const url = new URL(edit.file, top)
    sources.set(url.href, applyEdit(sources.get(url.href) ?? readFileSync(fileURLToPath(url), 'utf8'), edit))
  }
  return sources
}

/**
 * From now on this thread loads the mutated sources in place of the files. Returns the modules that were asked
 * for: a mutant whose modules nobody loaded was not tried.
 */
export function loadMutated(mutant: Pick<Mutant, 'edits'>): { readonly missing: () => readonly string[] } {
  const sources = mutatedSources(mutant)
  const loaded = new Set<string>()
  registerHooks({
    load: (url, context, nextLoad) => {
      const source = sources.get(url)
      if (source === undefined) return nextLoad(url, context)
      loaded.add(url)
      return { format: 'module-typescript', source, shortCircuit: true }
    },
  })
  return { missing: () => [...sources.keys()].filter((url) => !loaded.has(url)) }
}
