import { readFileSync } from 'node:fs'
import { apiVersion } from '../../agent/api/resources.ts'
import type { ExitCode } from '../../errors.ts'
import type { NetworkMode } from '../../lab/addresses.ts'
import type { Awaited, Lab } from '../../lab/lab.ts'
import type { LabGoal } from '../../lab/observe.ts'
import type { LabOptions } from '../../lab/up.ts'
import { formatTable } from '../../table.ts'
import { durationMs, usage, wholeNumber } from '../arguments.ts'
import { type Command, type Flag, type Invocation, outputFlag } from '../command.ts'
import { formatOf, printResource } from '../render.ts'
import { spelledCommand, tellOutcome } from './lab-outcome.ts'

/** Flag of every lab command: several labs can exist side by side. */
export const labNameFlag: Readonly<Record<'name', Flag>> = {
  name: { type: 'string', value: 'NAME', default: 'default', summary: 'which lab' },
}

/** The lab that `--name` says. Throws ERR_LAB_ABSENT. */
export async function labOf({ flags }: Invocation): Promise<Lab> {
  const { openLab } = await import('../../lab/lab.ts')
  return openLab(flags.text('name'))
}

const waitFlags: Readonly<Record<'wait' | 'timeout', Flag>> = {
  wait: {
    type: 'string',
    value: 'GOAL',
    choices: ['chartered', 'active', 'ready', 'none'],
    default: 'active',
    summary: 'how far the hosts should come',
  },
  timeout: { type: 'string', value: 'TIME', default: '180', summary: 'give up after, in seconds or as 3m' },
}

export const labCommands: readonly Command[] = [
  {
    path: ['lab', 'up'],
    aliases: [['lab']],
    summary: 'Make many machines on this one and watch them become a cluster',
    description: `Each host is a set of namespaces with its own network interface, machine-id and disk, running the real
agent from the same cloud-config file. Nothing leaves this machine, and nothing outside the lab is
changed. Works as root, and as an ordinary user where user namespaces are allowed.`,
    flags: {
      nodes: { type: 'string', value: 'N', default: '5', summary: 'hosts' },
      'control-plane': { type: 'string', value: 'N', summary: 'control-plane nodes (default 3)' },
      expect: { type: 'string', value: 'N', summary: 'machines that found the cluster (default: all)' },
      k3s: {
        type: 'string',
        value: 'PATH',
        summary: 'a real k3s binary (default: the contract double, with a real etcd)',
      },
      config: { type: 'string', value: 'FILE', summary: 'cloud-config for all hosts (default: a new one)' },
      network: {
        type: 'string',
        value: 'MODE',
        choices: ['default-route', 'no-route', 'ipv6-only'],
        default: 'default-route',
        summary: 'what the link has',
      },
      'no-mdns': {
        type: 'boolean',
        summary: 'no multicast discovery; the first host is the one known address',
      },
      ...waitFlags,
      ...labNameFlag,
    },
    examples: [
      'muster lab up',
      'muster lab up --nodes 3 --network ipv6-only',
      'muster lab up --name big --nodes 9 --expect 5 --wait chartered',
    ],
    run: raise,
  },
  {
    path: ['lab', 'status'],
    summary: 'Show the hosts of a lab, how far they are and what they wait for',
    flags: { ...outputFlag, ...labNameFlag },
    examples: ['muster lab status', 'muster lab status -o json'],
    run: async (invocation) => {
      const lab = await labOf(invocation)
      const { hostColumns } = await import('../../lab/progress.ts')
      const items = await lab.status()
      const list = { apiVersion, kind: 'LabHostList', items } as const
      await printResource(invocation.terminal, formatOf(invocation), list, (wide) =>
        formatTable(
          hostColumns.filter((column) => wide || column.wide !== true),
          items,
        ),
      )
    },
  },
  {
    path: ['lab', 'wait'],
    summary: 'Wait until every host has come so far',
    positionals: [{ name: 'GOAL', choices: ['chartered', 'active', 'ready'] }],
    flags: { timeout: waitFlags.timeout, ...labNameFlag },
    examples: ['muster lab wait active --timeout 3m'],
    run: async (invocation) => {
      const lab = await labOf(invocation)
      return waitAndTell(invocation, lab, invocation.words[0] as LabGoal)
    },
  },
  {
    path: ['lab', 'down'],
    summary: 'End a lab and leave nothing of it',
    flags: { ...labNameFlag, all: { type: 'boolean', summary: "all of this user's labs" } },
    examples: ['muster lab down', 'muster lab down --all'],
    run: async ({ flags, terminal }) => {
      const { endLab } = await import('../../lab/down.ts')
      const { labNames } = await import('../../lab/state.ts')
      const names = flags.isSet('all') ? labNames() : [flags.text('name') ?? '']
      for (const name of names) {
        await endLab(name)
        terminal.stderr.write(`lab ${name} is gone\n`)
      }
    },
  },
]

async function raise(invocation: Invocation): Promise<ExitCode> {
  const { flags, terminal } = invocation
  const { createLab } = await import('../../lab/lab.ts')
  const { labHostsMax } = await import('../../lab/addresses.ts')
  const nodes = wholeNumber('nodes', flags.text('nodes') ?? '', 1, labHostsMax)
  const controlPlane = flags.text('control-plane')
  const expect = flags.text('expect')
  const k3s = flags.text('k3s')
  const config = flags.text('config')
  const options: LabOptions = {
    name: flags.text('name') ?? 'default',
    nodes,
    network: (flags.text('network') ?? 'default-route') as NetworkMode,
    mdns: !flags.isSet('no-mdns'),
    say: (line) => void terminal.stderr.write(`${line}\n`),
    ...(controlPlane === undefined ? {} : { controlPlane: wholeNumber('control-plane', controlPlane, 1, 7) }),
    ...(expect === undefined ? {} : { expect: wholeNumber('expect', expect, 1, 1_000) }),
    ...(k3s === undefined ? {} : { k3s }),
    ...(config === undefined ? {} : { config: readConfig(config) }),
  }
  // Judged before anything is started.
  durationMs('timeout', flags.text('timeout') ?? '')
  const lab = await createLab(options)
  terminal.stderr.write(`${nodes} hosts started from one cloud-config; state in ${lab.state.directory}\n`)
  const goal = flags.text('wait') ?? 'active'
  return goal === 'none' ? 0 : waitAndTell(invocation, lab, goal as LabGoal)
}

/** Waits with live progress; then says how to look at the cluster, or why there is none. */
async function waitAndTell(invocation: Invocation, lab: Lab, goal: LabGoal): Promise<ExitCode> {
  const { terminal, flags, signal } = invocation
  const timeoutMs = durationMs('timeout', flags.text('timeout') ?? '180')
  const { hostPresentation, ProgressView } = await import('../../lab/progress.ts')
  const view = new ProgressView(terminal.stderr, hostPresentation)
  const result = await lab.await(goal, {
    timeoutMs,
    signal,
    onLook: (hosts, elapsedMs) => view.show(hosts, elapsedMs),
  })
  return tellOutcome(invocation, {
    ...result,
    goal,
    timeoutMs,
    group: 'lab',
    hints: () => hintsFor(lab.name, result),
    logTail: (name) => lab.log(name, 5),
  })
}

function hintsFor(name: string, result: Awaited): readonly (readonly [string, string])[] {
  const server = result.hosts.find((host) => host.status?.assignment?.role === 'control-plane')?.name ?? 'h1'
  const lab = spelledCommand('lab', name)
  return [
    ['the hosts and their roles', lab('status')],
    ['one node, and why it is what it is', lab(`exec ${server}`, ' -- muster why')],
    ['the plan that all agreed on', lab(`exec ${server}`, ' -- muster get plan')],
    ['a ping over the overlay', lab(`exec ${server}`, ` -- ping -c3 ${overlayAddress(result, server)}`)],
    ['a node dies, a node returns', `${lab(`kill ${server}`)}; ${lab(`start ${server}`)}`],
    ['the end, leaving nothing', lab('down')],
  ]
}

function overlayAddress(result: Awaited, not: string): string {
  const other = result.hosts.find((host) => host.name !== not && host.status?.assignment)
  return other?.status?.assignment?.address4 ?? '10.144.0.1'
}

/** Text of the file that `--config` names. Throws ERR_USAGE. */
export function readConfig(path: string): string {
  try {
    return readFileSync(path, 'utf8')
  } catch (error) {
    throw usage(`--config: ${error instanceof Error ? error.message : String(error)}`)
  }
}
