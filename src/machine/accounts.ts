import { isHashed } from './password.ts'

/** The files of accounts as they are, or as they shall be. */
export interface AccountFiles {
  readonly passwd: string
  readonly group: string
  readonly shadow: string
  /** Empty: the system has none, and gets none. */
  readonly gshadow: string
}

/** A user as a configuration wants it; what is undefined stays as it is, or takes its default. */
export interface WantedUser {
  readonly name: string
  readonly gecos?: string | undefined
  readonly homedir?: string | undefined
  readonly groups?: string | readonly string[] | undefined
  readonly primary_group?: string | undefined
  readonly lock_passwd?: boolean | undefined
  readonly no_create_home?: boolean | undefined
  readonly passwd?: string | undefined
  readonly shell?: string | undefined
  readonly system?: boolean | undefined
  readonly uid?: string | number | undefined
}

/** A home directory that is to be there. */
export interface Home {
  readonly user: string
  readonly path: string
}

export interface AccountsPlan {
  readonly files: AccountFiles
  readonly homes: readonly Home[]
  /** What of the wishes cannot be, and why. */
  readonly problems: readonly string[]
}

interface Tables {
  readonly passwd: Map<string, string[]>
  readonly group: Map<string, string[]>
  readonly shadow: Map<string, string[]>
}

/** First number of people, and last of the system's own; as Debian has them. */
const firstPersonId = 1_000
const lastSystemId = 999

/**
 * The files of accounts with these users in them, in this order: same files and same wishes give the same numbers.
 * A user who is there already keeps what the wish does not speak of. Unlike cloud-init, and like Kairos, a password that
 * is given may be used unless `lock_passwd` says otherwise.
 */
export function planAccounts(
  files: AccountFiles,
  users: readonly WantedUser[],
  hash: (password: string) => string,
): AccountsPlan {
  const tables: Tables = {
    passwd: parse(files.passwd),
    group: parse(files.group),
    shadow: parse(files.shadow),
  }
  const homes: Home[] = []
  const problems: string[] = []
  for (const user of users) {
    const fault = faultOf(user)
    if (fault === undefined) addUser(tables, user, hash, homes, problems)
    else problems.push(`user ${JSON.stringify(user.name)}: ${fault}`)
  }
  return {
    files: {
      passwd: format(tables.passwd),
      group: format(tables.group),
      shadow: format(tables.shadow),
      gshadow: withGroups(files.gshadow, tables.group),
    },
    homes,
    problems,
  }
}

/** The shadow of the groups has a line for each of them, with the same members. */
function withGroups(gshadow: string, groups: ReadonlyMap<string, readonly string[]>): string {
  if (gshadow === '') return ''
  const table = parse(gshadow)
  for (const [name, [, , , members = '']] of groups) {
    const [, password = '!', administrators = ''] = table.get(name) ?? []
    table.set(name, [name, password, administrators, members])
  }
  return format(table)
}

function addUser(
  tables: Tables,
  user: WantedUser,
  hash: (password: string) => string,
  homes: Home[],
  problems: string[],
): void {
  const { name } = user
  const held = tables.passwd.get(name)
  const wantedUid = user.uid === undefined || user.uid === '' ? undefined : Number(user.uid)
  const uid = held?.[2] ?? String(wantedUid ?? freeId(tables.passwd, user.system === true))
  if (wantedUid !== undefined && Number(uid) !== wantedUid) {
    problems.push(`user ${name}: keeps the number ${uid}, which the image gave it`)
  }
  const primary = user.primary_group ?? (held === undefined ? name : undefined)
  const gid =
    primary === undefined
      ? held![3]!
      : groupId(tables, primary, primary === name ? Number(uid) : undefined, user.system === true)
  const home = user.homedir ?? held?.[5] ?? (uid === '0' ? '/root' : `/home/${name}`)
  const shell = user.shell ?? held?.[6] ?? (user.system === true ? '/usr/sbin/nologin' : '/bin/bash')
  tables.passwd.set(name, [name, 'x', uid, gid, user.gecos ?? held?.[4] ?? '', home, shell])
  tables.shadow.set(name, shadowLine(tables.shadow.get(name), user, hash))
  for (const group of listOf(user.groups)) {
    if (group === primary) continue
    groupId(tables, group, undefined, true)
    const line = tables.group.get(group)!
    const members = (line[3] ?? '').split(',').filter(Boolean)
    if (!members.includes(name)) tables.group.set(group, [...line.slice(0, 3), [...members, name].join(',')])
  }
  if (user.no_create_home !== true && user.system !== true) homes.push({ user: name, path: home })
}

function shadowLine(
  held: string[] | undefined,
  user: WantedUser,
  hash: (password: string) => string,
): string[] {
  // `*` is no password at all and leaves keys alone; sshd without PAM takes `!` for a locked account.
  const given =
    user.passwd === undefined ? (held?.[1] ?? '*') : isHashed(user.passwd) ? user.passwd : hash(user.passwd)
  const open = given.replace(/^!+(?=\$)/, '')
  const password = user.lock_passwd === true ? `!${open}` : user.lock_passwd === false ? open : given
  return [user.name, password, ...(held?.slice(2) ?? ['', '0', '99999', '7', '', '', ''])]
}

/** The number of a group; the group is made where it is not there. */
function groupId(tables: Tables, name: string, wanted: number | undefined, system: boolean): string {
  const held = tables.group.get(name)
  if (held !== undefined) return held[2]!
  if (/^\d+$/.test(name)) return name
  const taken = new Set([...tables.group.values()].map((line) => Number(line[2])))
  const id = wanted !== undefined && !taken.has(wanted) ? wanted : freeId(tables.group, system)
  tables.group.set(name, [name, 'x', String(id), ''])
  return String(id)
}

function freeId(table: ReadonlyMap<string, readonly string[]>, system: boolean): number {
  const taken = new Set([...table.values()].map((line) => Number(line[2])))
  let id = system ? lastSystemId : firstPersonId
  while (taken.has(id)) id += system ? -1 : 1
  return id
}

function faultOf(user: WantedUser): string | undefined {
  const names = [
    user.name,
    ...listOf(user.groups),
    ...(user.primary_group === undefined ? [] : [user.primary_group]),
  ]
  const bad = names.find((name) => !/^[a-zA-Z0-9_][a-zA-Z0-9_.-]{0,31}\$?$/.test(name))
  if (bad !== undefined) return `${JSON.stringify(bad)} is no name of a user or group`
  const fields = { gecos: user.gecos, homedir: user.homedir, shell: user.shell, passwd: user.passwd }
  for (const [key, value] of Object.entries(fields)) {
    if (value !== undefined && /[\n\0]/.test(value)) return `${key} has a line break`
    if (value !== undefined && key !== 'passwd' && value.includes(':')) return `${key} has a colon`
  }
  if (user.passwd !== undefined && isHashed(user.passwd) && user.passwd.includes(':'))
    return 'passwd has a colon'
  if (user.uid !== undefined && user.uid !== '' && !/^\d{1,10}$/.test(String(user.uid)))
    return 'uid is no number'
  return undefined
}

/** Names in a list, or in one text with commas. */
export function listOf(names: string | readonly string[] | undefined): readonly string[] {
  const list = typeof names === 'string' ? names.split(',') : (names ?? [])
  return list.map((name) => name.trim()).filter(Boolean)
}

/** Lines of fields, by the first field. */
export function parse(text: string): Map<string, string[]> {
  return new Map(
    text
      .split('\n')
      .filter((line) => line !== '')
      .map((line): [string, string[]] => {
        const fields = line.split(':')
        return [fields[0]!, fields]
      }),
  )
}

/** The text of lines of fields. */
export function format(table: ReadonlyMap<string, readonly string[]>): string {
  return [...table.values()].map((fields) => `${fields.join(':')}\n`).join('')
}
