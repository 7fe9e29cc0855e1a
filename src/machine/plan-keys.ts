import type { Action } from './actions.ts'
import { problem, warning } from './actions.ts'

/** Where keys of a user are fetched from: `github:NAME`, `gitlab:NAME` or an address. */
export interface RemoteKeys {
  readonly user: string
  /** As the configuration says it; also the name of the copy that is kept. */
  readonly form: string
  readonly url: string
}

/** Keys that a configuration gives one user. */
export interface UserKeys {
  readonly user: string
  readonly keys: readonly string[]
}

/** What a plan about keys reads of the machine. */
export interface KeysSituation {
  /** Home directory of a user; undefined: there is no such user. */
  readonly homeOf: (user: string) => string | undefined
  /** Keys of a remote form as they were fetched the last time; undefined: never. */
  readonly kept: (form: string) => string | undefined
}

const hosts: Readonly<Record<string, (name: string) => string>> = {
  github: (name) => `https://github.com/${name}.keys`,
  gitlab: (name) => `https://gitlab.com/${name}.keys`,
}

/** Which keys are not in the configuration itself. */
export function remoteKeys(wanted: readonly UserKeys[]): readonly RemoteKeys[] {
  return wanted.flatMap(({ user, keys }) =>
    keys.flatMap((key) => {
      const url = urlOf(key)
      return url === undefined ? [] : [{ user, form: key.trim(), url }]
    }),
  )
}

/**
 * The file of keys of each user, whole: keys from the configuration, and those fetched earlier. What was never fetched
 * is a problem until the network stage has been to its server: a site without the internet keeps it.
 */
export function planKeys(
  wanted: readonly UserKeys[],
  situation: KeysSituation,
  where: string,
): readonly Action[] {
  const byUser = new Map<string, string[]>()
  for (const { user, keys } of wanted) byUser.set(user, [...(byUser.get(user) ?? []), ...keys])
  return [...byUser].flatMap(([user, keys]): Action[] => {
    const home = situation.homeOf(user)
    if (home === undefined) return [problem(where, `keys for ${user}: there is no such user`)]
    const problems: Action[] = []
    const lines = keys.flatMap((key) => {
      if (urlOf(key) === undefined) return key.split('\n').map((line) => line.trim())
      const kept = situation.kept(key.trim())
      if (kept === undefined) {
        problems.push(
          warning(
            where,
            `keys of ${user}: ${key.trim()} was not fetched yet; it needs the internet. Until then the other keys count`,
          ),
        )
      }
      return (kept ?? '').split('\n').filter(isKey)
    })
    const content = [...new Set(lines.filter(Boolean))].map((line) => `${line}\n`).join('')
    if (content === '') return problems
    return [
      ...problems,
      { kind: 'directory', reason: where, path: `${home}/.ssh`, mode: 0o700, owner: { user } },
      {
        kind: 'file',
        reason: where,
        path: `${home}/.ssh/authorized_keys`,
        content,
        mode: 0o600,
        owner: { user },
      },
    ]
  })
}

/** Whether a line is a public key, with options before it or not. */
export function isKey(line: string): boolean {
  return /(^|\s)(ssh-(ed25519|rsa|dss)|ecdsa-sha2-\S+|sk-(ssh|ecdsa)-\S+) [A-Za-z0-9+/=]{16,}/.test(line)
}

function urlOf(key: string): string | undefined {
  const form = /^(\w+):([A-Za-z0-9][\w.-]*)$/.exec(key.trim())
  if (form !== null) return hosts[form[1]!]?.(form[2]!)
  return /^https?:\/\/\S+$/.test(key.trim()) ? key.trim() : undefined
}
