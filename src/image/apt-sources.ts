import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'

/**
 * Lines of `sources.list` with the Debian release `suite` and its updates, as this machine's own sources name them:
 * no mirror is written down here. Sources of other software are left out.
 */
export function debianSources(suite: string, directory = '/etc/apt'): readonly string[] {
  const parts = join(directory, 'sources.list.d')
  const files = [
    join(directory, 'sources.list'),
    ...(existsSync(parts)
      ? readdirSync(parts)
          .toSorted()
          .map((name) => join(parts, name))
      : []),
  ].filter((path) => existsSync(path))
  const lines = files.flatMap((path) => {
    const text = readFileSync(path, 'utf8')
    if (path.endsWith('.sources')) return fromStanzas(text)
    return path.endsWith('.list') ? fromLines(text) : []
  })
  const belongs = ({ suite: name }: Source): boolean => name === suite || name.startsWith(`${suite}-`)
  // Backports and proposed updates are no part of a release.
  const wanted = lines.filter(
    (line) => belongs(line) && !/-(backports|backports-sloppy|proposed-updates)$/.test(line.suite),
  )
  return [...new Set(wanted.map((line) => `deb ${line.uri} ${line.suite} ${line.components}`))]
}

interface Source {
  readonly uri: string
  readonly suite: string
  readonly components: string
}

/** The one-line form: `deb [options] uri suite component…`. */
function fromLines(text: string): readonly Source[] {
  return text.split('\n').flatMap((line) => {
    const match = /^\s*deb\s+(?:\[[^\]]*\]\s+)?(\S+)\s+(\S+)\s+([^#]+)/.exec(line)
    if (match === null) return []
    return [{ uri: match[1] ?? '', suite: match[2] ?? '', components: (match[3] ?? '').trim() }]
  })
}

/** The form of stanzas: `Types:`, `URIs:`, `Suites:`, `Components:`. */
function fromStanzas(text: string): readonly Source[] {
  const stanzas = text
    .split('\n')
    .filter((line) => !line.startsWith('#'))
    .join('\n')
    .split(/\n\s*\n/)
  return stanzas.flatMap((stanza) => {
    const field = (name: string): string[] => {
      const value = new RegExp(`^${name}:(.*(?:\\n[ \\t].*)*)`, 'im').exec(stanza)?.[1] ?? ''
      return value.trim().split(/\s+/).filter(Boolean)
    }
    if (!field('Types').includes('deb') || field('Enabled')[0]?.toLowerCase() === 'no') return []
    const components = field('Components').join(' ')
    return field('URIs').flatMap((uri) => field('Suites').map((suite) => ({ uri, suite, components })))
  })
}
