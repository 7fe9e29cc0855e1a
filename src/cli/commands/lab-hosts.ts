import type { ExitCode } from '../../errors.ts'
import type { Lab } from '../../lab/lab.ts'
import { wholeNumber } from '../arguments.ts'
import type { Command, Flag, Invocation, Positional } from '../command.ts'
import { labNameFlag, labOf } from './lab.ts'

const host: Positional = { name: 'HOST' }

/** A command that does one thing to one host, or to several. */
function hostVerb(
  verb: string,
  summary: string,
  done: string,
  act: (lab: Lab, host: string, invocation: Invocation) => Promise<void>,
  flags: Readonly<Record<string, Flag>> = {},
): Command {
  return {
    path: ['lab', verb],
    summary,
    positionals: [{ name: 'HOST', rest: true }],
    flags: { ...flags, ...labNameFlag },
    examples: [`muster lab ${verb} h2`, `muster lab ${verb} h1 h2`],
    run: async (invocation) => {
      const lab = await labOf(invocation)
      const { hostOf } = await import('../../lab/state.ts')
      // All names are checked before anything is done to the first.
      for (const name of invocation.words) hostOf(lab.state, name)
      await Promise.all(invocation.words.map((name) => act(lab, name, invocation)))
      invocation.terminal.stderr.write(`${invocation.words.join(', ')}: ${done}\n`)
    },
  }
}

export const labHostCommands: readonly Command[] = [
  {
    path: ['lab', 'exec'],
    summary: 'Run a command on a host; `muster` there talks to its agent',
    positionals: [host, { name: 'COMMAND', rest: true }],
    flags: labNameFlag,
    examples: ['muster lab exec h1 -- ip address', 'muster lab exec h3 -- muster status'],
    run: async (invocation) => {
      const lab = await labOf(invocation)
      const [name = '', ...command] = invocation.words
      // The exit code is the command's own, as with ssh.
      return (await lab.execInteractively(name, command)) as ExitCode
    },
  },
  hostVerb(
    'kill',
    'Kill the agent of a host with SIGKILL; k3s goes on',
    'killed',
    (lab, name, { flags }) => (flags.isSet('power') ? lab.cutPower(name) : lab.kill(name)),
    { power: { type: 'boolean', summary: 'pull the plug: everything on the host dies, its disk stays' } },
  ),
  hostVerb('stop', 'Stop the agent of a host in an orderly way', 'stopped', (lab, name) => lab.stop(name)),
  hostVerb('start', 'Start the agent of a host, and the host if it is off', 'started', (lab, name) =>
    lab.start(name),
  ),
  hostVerb(
    'restart',
    'Stop and start the agent of a host',
    'restarted',
    (lab, name, { flags }) => lab.restart(name, flags.isSet('kill') ? 'SIGKILL' : 'SIGTERM'),
    { kill: { type: 'boolean', summary: 'with SIGKILL' } },
  ),
  hostVerb('wipe', 'Empty the disk of a host and start it as a new machine', 'wiped', (lab, name) =>
    lab.wipe(name),
  ),
  hostVerb('pause', 'Freeze every process of a host', 'paused', (lab, name) => lab.pause(name)),
  hostVerb('resume', 'Let a frozen host go on', 'goes on', (lab, name) => lab.resume(name)),
  {
    path: ['lab', 'add'],
    summary: 'Start one more host from the same cloud-config',
    flags: labNameFlag,
    examples: ['muster lab add'],
    run: async (invocation) => {
      const lab = await labOf(invocation)
      invocation.terminal.stdout.write(`${await lab.add()}\n`)
    },
  },
  {
    path: ['lab', 'partition'],
    summary: 'Lose what hosts send each other',
    description: `'A,B / C,D' loses everything between the two sides; 'A,B > C' loses what A and B send to C, and C is
still heard by them. Hosts that are not named keep all their links. Partitions add up until \`heal\`.`,
    positionals: [{ name: 'HOSTS / HOSTS', rest: true }],
    flags: {
      loss: { type: 'string', value: 'PERCENT', default: '100', summary: 'share that is lost' },
      ...labNameFlag,
    },
    examples: [
      'muster lab partition h1,h2 / h3,h4,h5',
      "muster lab partition 'h1 > h2'",
      'muster lab partition --loss 20 h1 / h2,h3',
    ],
    run: async (invocation) => {
      const { parsePartition } = await import('../../lab/network-faults.ts')
      const partition = parsePartition(invocation.words)
      const loss = wholeNumber('loss', invocation.flags.text('loss') ?? '', 1, 100)
      const lab = await labOf(invocation)
      await lab.partition(partition, loss)
      const sign = partition.direction === 'both' ? '/' : '>'
      const sides = `${partition.left.join(', ')} ${sign} ${partition.right.join(', ')}`
      invocation.terminal.stderr.write(`${sides}: ${loss} % is lost\n`)
    },
  },
  {
    path: ['lab', 'heal'],
    summary: 'End all partitions and losses',
    flags: labNameFlag,
    examples: ['muster lab heal'],
    run: async (invocation) => {
      await (await labOf(invocation)).heal()
      invocation.terminal.stderr.write('all links are whole\n')
    },
  },
  {
    path: ['lab', 'logs'],
    summary: "Print the agents' logs, of one host or of all",
    positionals: [{ name: 'HOST', optional: true }],
    flags: {
      tail: { type: 'string', short: 'n', value: 'LINES', summary: 'the last lines only' },
      ...labNameFlag,
    },
    examples: ['muster lab logs h1', 'muster lab logs --tail 20'],
    run: async ({ words, flags, terminal, ...rest }) => {
      const lab = await labOf({ words, flags, terminal, ...rest })
      const tail = flags.text('tail')
      const lines = tail === undefined ? Number.POSITIVE_INFINITY : wholeNumber('tail', tail, 1, 1_000_000)
      const names = words.length > 0 ? words : lab.hosts.map((each) => each.name)
      for (const name of names) {
        const text = lab.log(name, lines)
        const shown = names.length === 1 ? text : text.replaceAll(/^/gm, `${name}  `)
        if (text !== '') terminal.stdout.write(`${shown}\n`)
      }
    },
  },
]
