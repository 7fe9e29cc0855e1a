import { appendFileSync, chmodSync, existsSync, mkdirSync, writeFileSync } from 'node:fs'
import { dirname } from 'node:path'
import { parse } from './accounts.ts'
import type { Action, Owner } from './actions.ts'
import type { Machine } from './machine.ts'
import type { Ids } from './rooted-files.ts'
import { exists, makeDirectory, readIfThere, under, writeWhole } from './rooted-files.ts'

/** Longest that one command of a configuration may take. */
const commandTimeoutMs = 300_000
/** Programs of the system itself. */
const programTimeoutMs = 60_000

/** Does one action. Throws with a message for people where it cannot be done. */
export async function carryOut(
  machine: Machine,
  action: Exclude<Action, { kind: 'problem' }>,
): Promise<void> {
  const { root } = machine
  switch (action.kind) {
    case 'file': {
      const ids = idsOf(root, action.owner)
      if (action.append === true && exists(root, action.path)) {
        appendFileSync(under(root, action.path), action.content)
        chmodSync(under(root, action.path), action.mode)
      } else writeWhole(root, action.path, action.content, { mode: action.mode, ids })
      return
    }
    case 'directory':
      makeDirectory(root, action.path, { mode: action.mode, ids: idsOf(root, action.owner) })
      return
    case 'hostname':
      writeKernel(root, '/proc/sys/kernel/hostname', action.name)
      return
    case 'kernel':
      writeKernel(root, parameterPath(action.name), action.value)
      return
    case 'module':
      await runTold(machine, ['modprobe', ...action.words], programTimeoutMs)
      return
    case 'program':
      await runTold(machine, action.argv, programTimeoutMs)
      return
    case 'shell':
      await runTold(machine, ['/bin/sh', '-c', action.command], commandTimeoutMs)
      return
    case 'fetch': {
      const content = await machine.fetch(action.url, action.timeoutMs)
      writeWhole(root, action.path, content, { mode: action.mode, ids: idsOf(root, action.owner) })
    }
  }
}

/** Runs a program; its output goes to the journal line by line. Throws where it fails. */
async function runTold(machine: Machine, argv: readonly string[], timeoutMs: number): Promise<void> {
  const result = await machine.run(argv, { timeoutMs, environment: { PATH: searchPath, HOME: '/root' } })
  for (const line of `${result.stdout}${result.stderr}`.split('\n')) if (line !== '') machine.say(`  ${line}`)
  if (result.exitCode === 0) return
  const last = result.stderr.trim().split('\n').at(-1) ?? ''
  const shown = argv[0] === '/bin/sh' ? argv.slice(2).join(' ').split('\n')[0]! : argv.join(' ')
  throw new Error(`\`${shown}\` ended with ${result.exitCode}${last === '' ? '' : `: ${last}`}`)
}

/** A unit's own search path may lack these. */
const searchPath = '/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin'

/** Numbers of an owner by the machine's own files of accounts, not by those of the system that this runs on. */
export function idsOf(root: string, owner: Owner | undefined): Ids | undefined {
  if (owner === undefined) return undefined
  const users = parse(readIfThere(root, '/etc/passwd') ?? '')
  const user = owner.user === undefined ? 0 : (numberOf(owner.user) ?? field(users, owner.user, 2))
  if (user === undefined) throw new Error(`there is no user ${String(owner.user)}`)
  if (owner.group !== undefined) {
    const groups = parse(readIfThere(root, '/etc/group') ?? '')
    const group = numberOf(owner.group) ?? field(groups, owner.group, 2)
    if (group === undefined) throw new Error(`there is no group ${owner.group}`)
    return { uid: user, gid: group }
  }
  const line = [...users.values()].find((fields) => Number(fields[2]) === user)
  return { uid: user, gid: line === undefined ? user : Number(line[3]) }
}

function numberOf(value: string | number): number | undefined {
  return /^\d{1,10}$/.test(String(value)) ? Number(value) : undefined
}

function field(
  table: ReadonlyMap<string, readonly string[]>,
  key: string | number,
  index: number,
): number | undefined {
  const value = table.get(String(key))?.[index]
  return value === undefined ? undefined : Number(value)
}

/** `net.ipv4.ip_forward` or `net/ipv4/ip_forward`; a dot within a name is written as a slash, as sysctl(8) has it. */
function parameterPath(name: string): string {
  const first = /[./]/.exec(name)?.[0]
  const path = first === '.' ? name.replaceAll(/[./]/g, (sign) => (sign === '.' ? '/' : '.')) : name
  return `/proc/sys/${path}`
}

/** A file of the kernel is written in place. Below another root it is a plain file, made where it is missing. */
function writeKernel(root: string, path: string, value: string): void {
  const file = under(root, path)
  if (root === '' && !existsSync(file)) throw new Error(`this kernel has no ${path}`)
  if (root !== '') mkdirSync(dirname(file), { recursive: true })
  writeFileSync(file, `${value}\n`)
}
