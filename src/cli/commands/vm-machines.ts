import { resolve } from 'node:path'
import type { ExitCode } from '../../errors.ts'
import type { VmLab } from '../../lab/vm/vm-lab.ts'
import { durationMs, usage, wholeNumber } from '../arguments.ts'
import type { Command, Flag, Invocation, Positional } from '../command.ts'
import { vmLabOf, vmNameFlag } from './vm.ts'

const machine: Positional = { name: 'MACHINE' }

const allFlag: Readonly<Record<'all', Flag>> = {
  all: { type: 'boolean', summary: 'every machine of the lab' },
}

/** A command that does one thing to one machine, or to several, or with `--all` to all at once. */
function machineVerb(
  verb: string,
  summary: string,
  done: string,
  act: (lab: VmLab, name: string) => Promise<void>,
): Command {
  return {
    path: ['vm', verb],
    summary,
    positionals: [{ name: 'MACHINE', rest: true, optional: true }],
    flags: { ...allFlag, ...vmNameFlag },
    examples: [`muster vm ${verb} m2`, `muster vm ${verb} --all`],
    run: async (invocation) => {
      const lab = await vmLabOf(invocation)
      const names = await namesOf(invocation, lab)
      // The first one's state is written before the next one's is read.
      if (verb === 'cut' && invocation.flags.isSet('all')) await lab.cutAll()
      else for (const name of names) await act(lab, name)
      invocation.terminal.stderr.write(`${names.join(', ')}: ${done}\n`)
    },
  }
}

/** The machines that were named. All names are checked before anything is done to the first. Throws ERR_USAGE. */
async function namesOf({ words, flags }: Invocation, lab: VmLab): Promise<readonly string[]> {
  if (flags.isSet('all')) {
    if (words.length > 0) throw usage('name machines or give --all, not both')
    return lab.machines.map(({ name }) => name)
  }
  if (words.length === 0) throw usage('name a machine, or give --all')
  const { machineOf } = await import('../../lab/vm/state.ts')
  for (const name of words) machineOf(lab.state, name)
  return words
}

export const vmMachineCommands: readonly Command[] = [
  {
    path: ['vm', 'exec'],
    summary: 'Run a command in a machine, through its guest agent',
    positionals: [machine, { name: 'COMMAND', rest: true }],
    flags: {
      timeout: {
        type: 'string',
        value: 'TIME',
        default: '5m',
        summary: 'give up after, in seconds or as 3m',
      },
      ...vmNameFlag,
    },
    examples: ['muster vm exec m1 -- ip address', 'muster vm exec m3 -- muster status'],
    run: async (invocation) => {
      const lab = await vmLabOf(invocation)
      const [name = '', ...command] = invocation.words
      const timeoutMs = durationMs('timeout', invocation.flags.text('timeout') ?? '')
      const finished = await lab.exec(name, command, { timeoutMs })
      invocation.terminal.stdout.write(finished.stdout)
      invocation.terminal.stderr.write(finished.stderr)
      // The exit code is the command's own, as with ssh.
      return finished.code as ExitCode
    },
  },
  machineVerb('cut', 'Cut the power of a machine; its disk stays as it is', 'cut from power', (lab, name) =>
    lab.cut(name),
  ),
  machineVerb('start', 'Switch a machine on', 'switched on', (lab, name) => lab.start(name)),
  machineVerb('restart', 'Cut the power of a machine and switch it on again', 'restarted', (lab, name) =>
    lab.restart(name),
  ),
  machineVerb('wipe', 'Give a machine an empty disk and boot the ISO', 'wiped', (lab, name) =>
    lab.wipe(name),
  ),
  machineVerb('pause', 'Stop the processors of a machine', 'paused', (lab, name) => lab.pause(name)),
  machineVerb('resume', 'Let a paused machine go on', 'goes on', (lab, name) => lab.resume(name)),
  {
    path: ['vm', 'add'],
    summary: 'Boot one more machine from the same ISO',
    flags: vmNameFlag,
    examples: ['muster vm add'],
    run: async (invocation) => {
      const lab = await vmLabOf(invocation)
      invocation.terminal.stdout.write(`${await lab.add()}\n`)
    },
  },
  {
    path: ['vm', 'partition'],
    summary: 'Lose or delay what machines send each other',
    description: `'A,B / C,D' loses everything between the two sides; 'A,B > C' loses what A and B send to C, and C is
still heard by them. Machines that are not named keep all their links. Partitions add up until \`heal\`.`,
    positionals: [{ name: 'MACHINES / MACHINES', rest: true }],
    flags: {
      loss: { type: 'string', value: 'PERCENT', summary: 'share that is lost (default 100; with --delay 0)' },
      delay: { type: 'string', value: 'TIME', summary: 'how much later the rest arrives' },
      ...vmNameFlag,
    },
    examples: [
      'muster vm partition m1,m2 / m3',
      "muster vm partition 'm1 > m2'",
      'muster vm partition --delay 80ms --loss 5 m1 / m2,m3',
    ],
    run: async (invocation) => {
      const { flags, terminal } = invocation
      const { parsePartition } = await import('../../lab/network-faults.ts')
      const partition = parsePartition(invocation.words)
      const delay = flags.text('delay')
      const delayMs = delay === undefined ? 0 : durationMs('delay', delay)
      const loss = wholeNumber('loss', flags.text('loss') ?? (delay === undefined ? '100' : '0'), 0, 100)
      await (await vmLabOf(invocation)).partition(partition, loss, delayMs)
      const sign = partition.direction === 'both' ? '/' : '>'
      const sides = `${partition.left.join(', ')} ${sign} ${partition.right.join(', ')}`
      const late = delayMs === 0 ? '' : `, the rest comes ${delayMs} ms late`
      terminal.stderr.write(`${sides}: ${loss} % is lost${late}\n`)
    },
  },
  {
    path: ['vm', 'heal'],
    summary: 'End all partitions, losses and delays',
    flags: vmNameFlag,
    examples: ['muster vm heal'],
    run: async (invocation) => {
      await (await vmLabOf(invocation)).heal()
      invocation.terminal.stderr.write('all links are whole\n')
    },
  },
  {
    path: ['vm', 'logs'],
    summary: 'Print the serial console of a machine',
    positionals: [machine],
    flags: {
      tail: { type: 'string', short: 'n', value: 'LINES', summary: 'the last lines only' },
      ...vmNameFlag,
    },
    examples: ['muster vm logs m1', 'muster vm logs --tail 20 m2'],
    run: async (invocation) => {
      const lab = await vmLabOf(invocation)
      const tail = invocation.flags.text('tail')
      const lines = tail === undefined ? Number.POSITIVE_INFINITY : wholeNumber('tail', tail, 1, 1_000_000)
      invocation.terminal.stdout.write(`${lab.console(invocation.words[0] ?? '', lines)}\n`)
    },
  },
  {
    path: ['vm', 'insert'],
    summary: 'Put another ISO into a drive of a running machine, for example an upgrade',
    positionals: [machine, { name: 'ISO' }],
    flags: vmNameFlag,
    examples: ['muster vm insert m1 .cache/image/muster.iso'],
    run: async (invocation) => {
      const lab = await vmLabOf(invocation)
      const [name = '', iso = ''] = invocation.words
      await lab.insert(name, resolve(iso))
    },
  },
  {
    path: ['vm', 'screenshot'],
    summary: 'Write what the screen of a machine shows into a PNG file',
    positionals: [machine, { name: 'FILE' }],
    flags: vmNameFlag,
    examples: ['muster vm screenshot m1 m1.png'],
    run: async (invocation) => {
      const lab = await vmLabOf(invocation)
      const [name = '', file = ''] = invocation.words
      await lab.screenshot(name, resolve(file))
    },
  },
  {
    path: ['vm', 'capture'],
    summary: 'Record all frames of a machine in a pcap file, until it is said again with --stop',
    positionals: [machine, { name: 'FILE', optional: true }],
    flags: { stop: { type: 'boolean', summary: 'end the recording' }, ...vmNameFlag },
    examples: ['muster vm capture m1 m1.pcap', 'muster vm capture m1 --stop'],
    run: async (invocation) => {
      const lab = await vmLabOf(invocation)
      const [name = '', file] = invocation.words
      const isOver = invocation.flags.isSet('stop')
      if ((file === undefined) !== isOver) throw usage('give a FILE, or --stop')
      await lab.capture(name, file === undefined ? undefined : resolve(file))
    },
  },
]
