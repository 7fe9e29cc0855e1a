import { apiVersion } from '../../agent/api/resources.ts'
import type { ExitCode } from '../../errors.ts'
import type { VmNetworkMode } from '../../lab/vm/addresses.ts'
import type { VmGoal } from '../../lab/vm/observe.ts'
import type { VmOptions } from '../../lab/vm/up.ts'
import type { VmAwaited, VmLab } from '../../lab/vm/vm-lab.ts'
import { formatTable } from '../../table.ts'
import { durationMs, wholeNumber } from '../arguments.ts'
import { type Command, type Flag, type Invocation, outputFlag } from '../command.ts'
import { formatOf, printResource } from '../render.ts'
import { spelledCommand, tellOutcome } from './lab-outcome.ts'
import { readConfig } from './lab.ts'

/** Flag of every command for emulated machines: several labs can exist side by side. */
export const vmNameFlag: Readonly<Record<'name', Flag>> = {
  name: { type: 'string', value: 'NAME', default: 'default', summary: 'which lab' },
}

/** The lab that `--name` says. Throws ERR_VM_ABSENT. */
export async function vmLabOf({ flags }: Invocation): Promise<VmLab> {
  const { openVmLab } = await import('../../lab/vm/vm-lab.ts')
  return openVmLab(flags.text('name'))
}

const goals = ['installed', 'chartered', 'active', 'ready'] as const

const timeoutFlag: Flag = {
  type: 'string',
  value: 'TIME',
  default: '20m',
  summary: 'give up after, in seconds or as 3m',
}

export const vmCommands: readonly Command[] = [
  {
    path: ['vm', 'up'],
    aliases: [['vm']],
    summary: 'Boot emulated machines from one ISO and watch them install and become a cluster',
    description: `Each machine is a QEMU process with UEFI, a disk of its own and a port of a switch that runs in a process
beside it: nothing leaves this machine, and no root is needed. All machines have the very same ISO. Without
KVM everything is emulated and takes minutes.`,
    flags: {
      nodes: { type: 'string', value: 'N', default: '3', summary: 'machines' },
      iso: { type: 'string', value: 'FILE', default: '.cache/image/muster.iso', summary: 'what they boot' },
      config: {
        type: 'string',
        value: 'FILE',
        summary: 'cloud-config on the ISO (default: a new network, and to install at once)',
      },
      expect: { type: 'string', value: 'N', summary: 'machines that found the cluster (default: all)' },
      disk: {
        type: 'string',
        value: 'MiB',
        default: '8192',
        summary: 'size of each disk; only what is written takes space',
      },
      memory: { type: 'string', value: 'MiB', default: '768', summary: 'memory of each machine' },
      network: {
        type: 'string',
        value: 'MODE',
        choices: ['dhcp', 'link-local'],
        default: 'dhcp',
        summary: 'whether the switch gives addresses',
      },
      wait: {
        type: 'string',
        value: 'GOAL',
        choices: [...goals, 'none'],
        default: 'chartered',
        summary: 'how far the machines should come',
      },
      timeout: timeoutFlag,
      ...vmNameFlag,
    },
    examples: [
      'muster vm up',
      'muster vm up --nodes 5 --iso site.iso --wait active --timeout 30m',
      'muster vm up --nodes 1 --config machine.yaml --wait installed',
    ],
    run: raise,
  },
  {
    path: ['vm', 'status'],
    summary: 'Show the machines of a lab, how far they are and what they wait for',
    flags: { ...outputFlag, ...vmNameFlag },
    examples: ['muster vm status', 'muster vm status -o json'],
    run: async (invocation) => {
      const lab = await vmLabOf(invocation)
      const { machineColumns } = await import('../../lab/vm/observe.ts')
      const items = await lab.status()
      const list = { apiVersion, kind: 'VmMachineList', items } as const
      await printResource(invocation.terminal, formatOf(invocation), list, (wide) =>
        formatTable(
          machineColumns.filter((column) => wide || column.wide !== true),
          items,
        ),
      )
    },
  },
  {
    path: ['vm', 'wait'],
    summary: 'Wait until every machine has come so far',
    positionals: [{ name: 'GOAL', choices: goals }],
    flags: { timeout: timeoutFlag, ...vmNameFlag },
    examples: ['muster vm wait active --timeout 10m'],
    run: async (invocation) => {
      const lab = await vmLabOf(invocation)
      return waitAndTell(invocation, lab, invocation.words[0] as VmGoal)
    },
  },
  {
    path: ['vm', 'down'],
    summary: 'End a lab of machines and leave nothing of it',
    flags: { ...vmNameFlag, all: { type: 'boolean', summary: "all of this user's labs" } },
    examples: ['muster vm down', 'muster vm down --all'],
    run: async ({ flags, terminal }) => {
      const { endVms } = await import('../../lab/vm/down.ts')
      const { vmHome } = await import('../../lab/vm/state.ts')
      const names = flags.isSet('all') ? vmHome.names() : [flags.text('name') ?? '']
      for (const name of names) {
        await endVms(name)
        terminal.stderr.write(`lab ${name} is gone\n`)
      }
    },
  },
  {
    path: ['vm', 'switch'],
    summary: "Run the machines' switch in the foreground (`vm up` does this by itself)",
    positionals: [{ name: 'DIRECTORY' }],
    flags: {
      network: {
        type: 'string',
        value: 'MODE',
        choices: ['dhcp', 'link-local'],
        default: 'dhcp',
        summary: 'whether the switch gives addresses',
      },
    },
    examples: ['muster vm switch --network link-local /tmp/lab'],
    run: async ({ words, flags, signal }) => {
      const { serveSwitch } = await import('../../lab/vm/switch-service.ts')
      await serveSwitch(words[0] ?? '', (flags.text('network') ?? 'dhcp') as VmNetworkMode, signal)
    },
  },
]

async function raise(invocation: Invocation): Promise<ExitCode> {
  const { flags, terminal } = invocation
  const { createVmLab } = await import('../../lab/vm/vm-lab.ts')
  const { injectConfig } = await import('../../image/inject.ts')
  const { machinesMax } = await import('../../lab/vm/addresses.ts')
  const nodes = wholeNumber('nodes', flags.text('nodes') ?? '', 1, machinesMax)
  const expect = flags.text('expect')
  const config = flags.text('config')
  const options: VmOptions = {
    name: flags.text('name') ?? 'default',
    nodes,
    iso: flags.text('iso') ?? '',
    inject: async (iso, text) => injectConfig(iso, text),
    diskBytes: wholeNumber('disk', flags.text('disk') ?? '', 1_024, 2 ** 20) * 2 ** 20,
    memoryMiB: wholeNumber('memory', flags.text('memory') ?? '', 256, 65_536),
    network: (flags.text('network') ?? 'dhcp') as VmNetworkMode,
    say: (line) => void terminal.stderr.write(`${line}\n`),
    ...(expect === undefined ? {} : { expect: wholeNumber('expect', expect, 1, 1_000) }),
    ...(config === undefined ? {} : { config: readConfig(config) }),
  }
  // Judged before anything is started.
  durationMs('timeout', flags.text('timeout') ?? '')
  const lab = await createVmLab(options)
  const { directory, settings } = lab.state
  const how = settings.accelerator === 'kvm' ? 'with KVM' : 'emulated, since KVM is of no use here'
  terminal.stderr.write(`${nodes} machines switched on with one ISO, ${how}; state in ${directory}\n`)
  const goal = flags.text('wait') ?? 'chartered'
  return goal === 'none' ? 0 : waitAndTell(invocation, lab, goal as VmGoal)
}

/** Waits with live progress; then says how to look at the cluster, or why there is none. */
async function waitAndTell(invocation: Invocation, lab: VmLab, goal: VmGoal): Promise<ExitCode> {
  const { terminal, flags, signal } = invocation
  const timeoutMs = durationMs('timeout', flags.text('timeout') ?? '')
  const { ProgressView } = await import('../../lab/progress.ts')
  const { machineColumns, machineLine } = await import('../../lab/vm/observe.ts')
  const view = new ProgressView(terminal.stderr, { columns: machineColumns, lineOf: machineLine })
  const result = await lab.await(goal, {
    timeoutMs,
    signal,
    onLook: (machines, elapsedMs) => view.show(machines, elapsedMs),
  })
  return tellOutcome(invocation, {
    ...result,
    goal,
    timeoutMs,
    group: 'vm',
    hints: () => hintsFor(lab.name, result),
    logTail: (name) => lab.console(name, 8),
  })
}

function hintsFor(name: string, result: VmAwaited): readonly (readonly [string, string])[] {
  const machine = result.machines[0]?.name ?? 'm1'
  const vm = spelledCommand('vm', name)
  const address = result.machines[1]?.status?.assignment?.address4
  return [
    ['the machines and their roles', vm('status')],
    ['what one says of itself', vm(`exec ${machine}`, ' -- muster status')],
    ['its images', vm(`exec ${machine}`, ' -- muster slots')],
    ...(address === undefined
      ? []
      : ([['a ping over the overlay', vm(`exec ${machine}`, ` -- ping -c3 ${address}`)]] as const)),
    ['the power fails everywhere', `${vm('cut', ' --all')}; ${vm('start', ' --all')}`],
    ['the end, leaving nothing', vm('down')],
  ]
}
