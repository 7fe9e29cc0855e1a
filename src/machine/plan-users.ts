import type { User } from '../config/index.ts'
import { listOf, planAccounts } from './accounts.ts'
import type { AccountFiles } from './accounts.ts'
import type { Action } from './actions.ts'
import { problem, warning } from './actions.ts'
import { isHashed } from './password.ts'

/** Files of accounts, with their modes. */
const accountPaths: Readonly<Record<keyof AccountFiles, { readonly path: string; readonly mode: number }>> = {
  passwd: { path: '/etc/passwd', mode: 0o644 },
  group: { path: '/etc/group', mode: 0o644 },
  shadow: { path: '/etc/shadow', mode: 0o640 },
  gshadow: { path: '/etc/gshadow', mode: 0o640 },
}

/** What a plan about users reads of the machine. */
export interface AccountsSituation {
  readonly files: AccountFiles
  readonly hash: (password: string) => string
}

/**
 * Users: the files of accounts, home directories, rules for sudo. Their keys are planned by `planKeys`. As on Kairos,
 * the group `admin` may do everything without a password.
 */
export function planUsers(
  users: readonly User[],
  situation: AccountsSituation,
  where = 'users',
): readonly Action[] {
  if (users.length === 0) return []
  const plan = planAccounts(situation.files, users, situation.hash)
  const clear = users.filter(({ passwd }) => passwd !== undefined && !isHashed(passwd))
  return [
    ...plan.problems.map((message) => problem(where, message)),
    ...clear.map(({ name }) =>
      warning(
        where,
        `the password of ${name} stands in clear text in the configuration: write its hash (\`openssl passwd -6\`)`,
      ),
    ),
    ...writeAccounts(situation.files, plan.files, where),
    ...plan.homes.map(({ user, path }): Action => ({
      kind: 'directory',
      reason: `${where}: home of ${user}`,
      path,
      mode: 0o750,
      owner: { user },
    })),
    ...planSudo(users, where),
  ]
}

/** The files of accounts that are another than before. */
export function writeAccounts(before: AccountFiles, after: AccountFiles, reason: string): readonly Action[] {
  return (Object.keys(accountPaths) as (keyof AccountFiles)[]).flatMap((key): Action[] => {
    if (before[key] === after[key]) return []
    const { path, mode } = accountPaths[key]
    return [
      {
        kind: 'file',
        reason,
        path,
        content: after[key],
        mode,
        ...(key === 'shadow' || key === 'gshadow' ? { owner: { user: 0, group: 'shadow' } } : {}),
      },
    ]
  })
}

/** The files of accounts as they are. */
export function readAccounts(read: (path: string) => string): AccountFiles {
  return {
    passwd: read(accountPaths.passwd.path),
    group: read(accountPaths.group.path),
    shadow: read(accountPaths.shadow.path),
    gshadow: read(accountPaths.gshadow.path),
  }
}

function planSudo(users: readonly User[], where: string): readonly Action[] {
  const rules = users.flatMap(({ name, sudo }) => {
    const list = typeof sudo === 'string' ? [sudo] : (sudo ?? [])
    return list.filter((rule) => !/^(false|null|)$/i.test(rule.trim())).map((rule) => ({ name, rule }))
  })
  // A line that sudo cannot read makes it refuse everybody.
  const bad = rules.filter(({ rule }) => /[\n\0]/.test(rule) || !rule.includes('='))
  const good = rules.filter((rule) => !bad.includes(rule))
  const admins = users.some(({ groups }) => listOf(groups).includes('admin'))
  const lines = [
    ...(admins ? ['%admin ALL=(ALL) NOPASSWD: ALL'] : []),
    ...good.map(({ name, rule }) => `${name} ${rule}`),
  ]
  return [
    ...bad.map(({ name, rule }) =>
      problem(where, `user ${name}: ${JSON.stringify(rule)} is no rule of sudo`),
    ),
    ...(lines.length === 0
      ? []
      : [
          {
            kind: 'file',
            reason: `${where}: sudo`,
            path: `/etc/sudoers.d/90-muster-${where.replaceAll(/[^\w-]/g, '-')}`,
            content: lines.map((line) => `${line}\n`).join(''),
            mode: 0o440,
          } as const,
        ]),
  ]
}
