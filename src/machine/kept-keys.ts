import { configPaths, systemPaths } from '../core/install/layout.ts'
import { errorText } from '../errors.ts'
import type { Machine } from './machine.ts'
import type { UserKeys } from './plan-keys.ts'
import { isKey, remoteKeys } from './plan-keys.ts'
import { exists, readIfThere, writeWhole } from './rooted-files.ts'
import type { StageProblem } from './stage-report.ts'

const fetchTimeoutMs = 20_000
/** More than anybody has keys. */
const keysCharactersMax = 256 * 1_024

/** Keys of a remote form (`github:NAME`) as they were fetched the last time; undefined: never. */
export function keptKeys(root: string, form: string): string | undefined {
  return readIfThere(root, pathOf(root, form))
}

/**
 * Fetches keys that are not in the configuration itself, and keeps a copy on the disk: at the next boot they are there
 * before the network is. An answer without a key replaces nothing.
 */
export async function fetchKeys(
  machine: Machine,
  wanted: readonly UserKeys[],
): Promise<readonly StageProblem[]> {
  const problems: StageProblem[] = []
  const forms = new Map(remoteKeys(wanted).map((remote) => [remote.form, remote.url]))
  for (const [form, url] of forms) {
    try {
      const text = Buffer.from(await machine.fetch(url, fetchTimeoutMs)).toString('utf8')
      const keys = text.slice(0, keysCharactersMax).split('\n').filter(isKey)
      if (keys.length === 0) throw new Error('there is no key')
      const content = keys.map((key) => `${key}\n`).join('')
      if (keptKeys(machine.root, form) !== content) {
        writeWhole(machine.root, pathOf(machine.root, form), content, { mode: 0o644, durable: true })
      }
    } catch (error) {
      const kept = keptKeys(machine.root, form) === undefined ? '' : '; those fetched earlier count'
      problems.push({ where: form, message: `no keys: ${errorText(error)}${kept}`, severity: 'warning' })
    }
  }
  return problems
}

/** What steps of this boot gave users so far: a later stage is another process. */
const rememberedPath = '/run/muster/keys.json'

/** Keys that this boot gave, without doubles. */
export function rememberedKeys(root: string): readonly UserKeys[] {
  try {
    return JSON.parse(readIfThere(root, rememberedPath) ?? '[]') as readonly UserKeys[]
  } catch {
    return []
  }
}

/** Adds keys to those of this boot; all of them come back. */
export function rememberKeys(root: string, wanted: readonly UserKeys[]): readonly UserKeys[] {
  const byUser = new Map<string, Set<string>>()
  for (const { user, keys } of [...rememberedKeys(root), ...wanted]) {
    byUser.set(user, new Set([...(byUser.get(user) ?? []), ...keys]))
  }
  const all = [...byUser].map(([user, keys]) => ({ user, keys: [...keys] }))
  writeWhole(root, rememberedPath, JSON.stringify(all), { mode: 0o600 })
  return all
}

function pathOf(root: string, form: string): string {
  const base = exists(root, systemPaths.config)
    ? `${systemPaths.config}/${configPaths.sshKeys}`
    : '/run/muster'
  return `${base}/authorized/${Buffer.from(form).toString('base64url')}`
}
