import type { StageStep, StepUnits } from '../config/index.ts'
import { renderTemplate } from '../config/index.ts'
import type { Action } from './actions.ts'
import { problem } from './actions.ts'
import type { MachineFacts } from './machine.ts'

/** `hostname:`, with its template filled in: the kernel's name, /etc/hostname and /etc/hosts. */
export function planHostname(
  template: string | undefined,
  facts: Pick<MachineFacts, 'machineId' | 'uuid'>,
  hosts: string,
  reason = 'hostname',
): readonly Action[] {
  if (template === undefined) return []
  const rendered = renderTemplate(template, { MachineID: facts.machineId, UUID: facts.uuid })
  if (rendered.kind === 'error') return [problem(reason, rendered.message)]
  const name = rendered.text
  if (!/^(?=.{1,64}$)[A-Za-z0-9]([A-Za-z0-9.-]*[A-Za-z0-9])?$/.test(name)) {
    return [
      problem(
        reason,
        `${JSON.stringify(name)} is no host name of at most 64 letters, digits, \`-\` and \`.\``,
      ),
    ]
  }
  const short = name.split('.')[0]!
  const own = `127.0.1.1\t${short === name ? name : `${name} ${short}`}`
  const others = hosts.split('\n').filter((line) => line !== '' && !/^127\.0\.1\.1\s/.test(line))
  const base =
    others.length > 0 ? others : ['127.0.0.1\tlocalhost', '::1\tlocalhost ip6-localhost ip6-loopback']
  return [
    { kind: 'hostname', reason, name },
    { kind: 'file', reason, path: '/etc/hostname', content: `${name}\n`, mode: 0o644 },
    { kind: 'file', reason, path: '/etc/hosts', content: `${[...base, own].join('\n')}\n`, mode: 0o644 },
  ]
}

/** `sysctl:`: now, and written down for whoever sets the kernel's parameters later in this boot. */
export function planSysctl(step: StageStep, where: string): readonly Action[] {
  const entries = Object.entries(step.sysctl ?? {})
  if (entries.length === 0) return []
  const reason = `${where}.sysctl`
  const bad = entries.find(([name]) => !/^[A-Za-z0-9_.*/-]+$/.test(name) || name.includes('..'))
  if (bad !== undefined) return [problem(reason, `${JSON.stringify(bad[0])} is no parameter of the kernel`)]
  const text = entries.map(([name, value]) => `${name} = ${String(value)}\n`).join('')
  return [
    {
      kind: 'file',
      reason,
      path: `/etc/sysctl.d/95-muster-${where.replaceAll(/[^\w.]+/g, '-')}.conf`,
      content: text,
      mode: 0o644,
    },
    ...entries.map(([name, value]): Action => ({ kind: 'kernel', reason, name, value: String(value) })),
  ]
}

/** `modules:`. */
export function planModules(step: StageStep, where: string): readonly Action[] {
  return (step.modules ?? []).map((module): Action => ({
    kind: 'module',
    reason: `${where}.modules`,
    words: module.split(/\s+/).filter(Boolean),
  }))
}

/** `dns:` as a file of resolv.conf(5). */
export function planDns(step: StageStep, where: string): readonly Action[] {
  const { dns } = step
  if (dns === undefined) return []
  const lines = [
    ...(dns.search === undefined || dns.search.length === 0 ? [] : [`search ${dns.search.join(' ')}`]),
    ...(dns.nameservers ?? []).map((server) => `nameserver ${server}`),
    ...(dns.options === undefined || dns.options.length === 0 ? [] : [`options ${dns.options.join(' ')}`]),
  ]
  const content = `# ${where}.dns\n${lines.map((line) => `${line}\n`).join('')}`
  return [
    { kind: 'file', reason: `${where}.dns`, path: dns.path ?? '/etc/resolv.conf', content, mode: 0o644 },
  ]
}

/** `timesyncd:`: the section `[Time]` of timesyncd.conf(5). */
export function planTimesyncd(step: StageStep, where: string): readonly Action[] {
  const entries = Object.entries(step.timesyncd ?? {})
  if (entries.length === 0) return []
  const content = `[Time]\n${entries.map(([key, value]) => `${key}=${String(value)}\n`).join('')}`
  return [
    {
      kind: 'file',
      reason: `${where}.timesyncd`,
      path: '/etc/systemd/timesyncd.conf.d/50-muster.conf',
      content,
      mode: 0o644,
    },
  ]
}

/** `environment:`: lines `NAME=value` in /etc/environment or the file that is named; those there stay. */
export function planEnvironment(
  step: StageStep,
  where: string,
  read: (path: string) => string,
): readonly Action[] {
  const entries = Object.entries(step.environment ?? {})
  if (entries.length === 0) return []
  const path = step.environment_file ?? '/etc/environment'
  const reason = `${where}.environment`
  const bad = entries.find(([name, value]) => !/^[A-Za-z_]\w*$/.test(name) || /[\n\0]/.test(String(value)))
  if (bad !== undefined) return [problem(reason, `${JSON.stringify(bad[0])} cannot be a line of ${path}`)]
  const names = new Set(entries.map(([name]) => name))
  const others = read(path)
    .split('\n')
    .filter((line) => line !== '' && !names.has(/^(\w+)=/.exec(line)?.[1] ?? ''))
  const lines = [...others, ...entries.map(([name, value]) => `${name}=${quoted(String(value))}`)]
  return [{ kind: 'file', reason, path, content: `${lines.join('\n')}\n`, mode: 0o644 }]
}

function quoted(value: string): string {
  return /^[\w@%+=:,./-]*$/.test(value) ? value : `"${value.replaceAll(/["\\$`]/g, String.raw`\$&`)}"`
}

/** `systemctl:` but for `start`: drop-ins first, then one call for each verb. */
export function planUnits(units: StepUnits | undefined, where: string): readonly Action[] {
  const reason = `${where}.systemctl`
  const overrides = (units?.overrides ?? []).map((override, index): Action => {
    const name =
      override.name?.endsWith('.conf') === true ? override.name : `${override.name ?? 'override'}.conf`
    if (/[/\0]/.test(override.service) || name.includes('/')) {
      return problem(`${reason}.overrides.${index}`, 'names of units and drop-ins have no `/`')
    }
    const path = `/etc/systemd/system/${unitName(override.service)}.d/${name}`
    return {
      kind: 'file',
      reason: `${reason}.overrides.${index}`,
      path,
      content: override.content,
      mode: 0o644,
    }
  })
  const calls = (['mask', 'disable', 'enable'] as const).flatMap((verb): Action[] =>
    verbCall(units?.[verb], ['systemctl', verb], reason),
  )
  return [...overrides, ...calls]
}

/** `systemctl.start:`, at the end of a step and without waiting: at boot a unit may wait for us. */
export function planUnitStarts(units: StepUnits | undefined, where: string): readonly Action[] {
  return verbCall(units?.start, ['systemctl', 'start', '--no-block'], `${where}.systemctl`)
}

function verbCall(units: readonly string[] | undefined, argv: readonly string[], reason: string): Action[] {
  if (units === undefined || units.length === 0) return []
  const bad = units.find((unit) => unit.startsWith('-'))
  if (bad !== undefined) return [problem(reason, `${JSON.stringify(bad)} is no unit`)]
  return [{ kind: 'program', reason, argv: [...argv, ...units.map(unitName)] }]
}

function unitName(name: string): string {
  return /\.(service|socket|timer|mount|automount|path|target|slice|swap|scope|device)$/.test(name)
    ? name
    : `${name}.service`
}
