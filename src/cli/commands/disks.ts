import { apiVersion } from '../../agent/api/resources.ts'
import type { DiskChoice, RankedDisk } from '../../core/install/disk-choice.ts'
import { systemPaths } from '../../core/install/layout.ts'
import type { SlotStatus } from '../../core/install/slots.ts'
import { type ExitCode, MusterError } from '../../errors.ts'
import { type Column, formatTable } from '../../table.ts'
import type { OnProgress, Progress } from '../../install/steps.ts'
import { socketOf } from '../agent-access.ts'
import { usage } from '../arguments.ts'
import { agentFlags, type Command, type Flag, type Invocation, outputFlag } from '../command.ts'
import { formatOf, printResource } from '../render.ts'
import { leaveCluster } from './leaving.ts'

const rootFlag: Readonly<Record<'root', Flag>> = {
  root: { type: 'string', value: 'DIR', summary: 'a directory that is taken for the machine ($MUSTER_ROOT)' },
}
const keyFlag: Readonly<Record<'key', Flag>> = {
  key: {
    type: 'string',
    value: 'FILE',
    multiple: true,
    summary: "a public key that may sign images, instead of the system's own",
  },
}
const rebootFlag: Readonly<Record<'reboot', Flag>> = {
  reboot: { type: 'boolean', summary: 'restart the machine afterwards' },
}

/** Images on disks: install, upgrade, go back, look, and reset. */
export const diskCommands: readonly Command[] = [
  {
    path: ['install'],
    summary: 'Install this machine from its medium, on the disk that the configuration or the rules choose',
    description: `Without a device the rules choose, and fail closed: never a disk that is removable or on USB, in use, too small or that
holds data, unless \`install.wipe: foreign\` says so. The ranked table is shown. The image's signature is checked before
the first byte is written, and everything is read back; the partition table comes last, so that an installation cut
short counts as none. A machine that is installed already is given back to its disk. A plain file as \`--device\` becomes
the image of an installed disk.`,
    flags: {
      unattended: {
        type: 'boolean',
        summary: 'as the medium does at boot: nothing unless install.auto is true',
      },
      device: {
        type: 'string',
        value: 'PATH',
        summary: '`auto`, a disk, a name below /dev/disk/by-*, or a plain file',
      },
      source: {
        type: 'string',
        value: 'REF',
        summary: '`dir:` or `file:` of an image instead of the medium',
      },
      config: {
        type: 'string',
        value: 'FILE',
        multiple: true,
        summary: 'cloud-config instead of the one of this boot',
      },
      wipe: { type: 'boolean', summary: 'data of other systems may be overwritten (install.wipe: foreign)' },
      force: { type: 'boolean', summary: 'replace an installation of muster, with all its data' },
      'dry-run': { type: 'boolean', summary: 'show the table and what would be done' },
      ...rebootFlag,
      poweroff: { type: 'boolean', summary: 'switch off afterwards' },
      'no-reboot': { type: 'boolean', summary: 'do neither, whatever the configuration says' },
      ...keyFlag,
      ...rootFlag,
    },
    examples: [
      'muster install --dry-run',
      'muster install --device /dev/disk/by-id/nvme-X',
      'muster install --unattended',
    ],
    run: install,
  },
  {
    path: ['upgrade'],
    summary: 'Install another image beside the running one, to be started at the next boot',
    description: `REF is \`dir:PATH\` with the files of an image (or a mounted medium) or \`file:PATH\` with a tar of them. The slot that
is neither running nor the last good one is written and read back; one rename puts it in place. It has three tries to
become healthy; then the machine is back on the present image, and the new one is never tried again. An upgrade that
was cut short is simply run again.`,
    flags: {
      source: { type: 'string', value: 'REF', summary: 'the image: `dir:PATH` or `file:PATH`' },
      force: { type: 'boolean', summary: 'take an image again that this machine rejected' },
      ...rebootFlag,
      ...keyFlag,
      ...agentFlags,
      ...outputFlag,
    },
    examples: ['muster upgrade --source file:/var/tmp/muster-1.2.0.tar --reboot'],
    run: upgrade,
  },
  {
    path: ['rollback'],
    summary: 'Go back to the former image at the next boot, and never start the present one again',
    flags: {
      reason: {
        type: 'string',
        value: 'TEXT',
        default: 'rolled back by hand',
        summary: 'what `muster slots` says of it',
      },
      ...rebootFlag,
      ...rootFlag,
    },
    examples: ['muster rollback --reboot'],
    run: async (invocation) => {
      const { endWith, runRollback } = await import('../../install/commands.ts')
      const root = rootOf(invocation)
      const { from, to } = await runRollback(root, invocation.flags.text('reason') ?? '')
      invocation.terminal.stderr.write(`version ${to} is started at the next boot; ${from} is rejected\n`)
      if (invocation.flags.isSet('reboot')) await endWith('reboot', root)
    },
  },
  {
    path: ['slots'],
    summary:
      'Show the images on this machine: which runs, which is good, which comes next, which were rejected',
    flags: { ...outputFlag, ...rootFlag },
    examples: ['muster slots', 'muster slots -o json'],
    run: slots,
  },
  {
    path: ['reset'],
    summary: 'Forget data, identity or the whole installation at the next boot',
    description: `Levels: \`soft\` applies the configuration anew, \`data\` removes everything of k3s, \`factory\` also what
\`install.bind_mounts\` names, key, machine id and SSH keys, \`reinstall\` the installation itself, for a medium to make
anew that is there and installs by itself. At \`factory\` and \`reinstall\` a machine leaves the cluster first, at
\`data\` an etcd member does. Where that is refused or not certified in time, or no agent is there to be asked, the
reset is refused. With --force it is not: \`data\` and \`factory\` then keep etcd's data as a backup on the data
partition, \`reinstall\` keeps nothing.`,
    flags: {
      level: {
        type: 'string',
        value: 'LEVEL',
        choices: ['soft', 'data', 'factory', 'reinstall'],
        summary: 'what is forgotten',
      },
      force: { type: 'boolean', summary: 'also when the machine could not leave, or no medium is there' },
      cancel: { type: 'boolean', summary: 'take back what was asked for and not carried out yet' },
      timeout: {
        type: 'string',
        value: 'TIME',
        default: '900',
        summary: 'give up leaving after, in seconds or as 15m',
      },
      ...rebootFlag,
      ...agentFlags,
    },
    examples: ['muster reset --level data --reboot', 'muster reset --level factory', 'muster reset --cancel'],
    run: reset,
  },
]

async function install(invocation: Invocation): Promise<ExitCode> {
  const { flags, terminal } = invocation
  const { runInstall, endWith } = await import('../../install/commands.ts')
  const { formatDiagnostic } = await import('../../config/index.ts')
  const root = rootOf(invocation)
  const say = sayOn(invocation, 'install')
  const ends = ['reboot', 'poweroff', 'no-reboot'].filter((name) => flags.isSet(name))
  if (ends.length > 1) throw usage(`say one of --${ends.join(' and --')}`)
  const { InstallProgressFile } = await import('../../machine/install-progress.ts')
  const screen = flags.isSet('unattended') ? new InstallProgressFile(root) : undefined
  const tell = progressOn(say)
  const report = await runInstall({
    root,
    configFiles: flags.texts('config'),
    device: flags.text('device'),
    source: flags.text('source'),
    force: flags.isSet('force'),
    wipe: flags.isSet('wipe'),
    afterwards: ({ reboot: 'reboot', poweroff: 'poweroff', 'no-reboot': 'nothing' } as const)[ends[0] ?? ''],
    keys: flags.texts('key'),
    dryRun: flags.isSet('dry-run'),
    unattended: flags.isSet('unattended'),
    onProgress: (progress) => {
      tell(progress)
      screen?.note(progress)
    },
    say,
    onTable: (choice) => void terminal.stderr.write(diskTable(choice)),
    onDiagnostics: (diagnostics) => {
      for (const each of diagnostics) terminal.stderr.write(`${formatDiagnostic(each, { colour: false })}\n`)
    },
    runStage: async (stage) => {
      const { readFacts } = await import('../../machine/machine.ts')
      // Stages belong to a live system; a file that is made elsewhere has none.
      if (readFacts(root).mode === 'none') return
      const [{ applyStage }, { openMachine }] = await Promise.all([
        import('../../machine/apply.ts'),
        import('../../machine/open.ts'),
      ])
      await applyStage(openMachine(root, say), stage)
    },
  }).catch((error: unknown) => {
    screen?.failed(error instanceof Error ? error.message : String(error))
    throw error
  })
  if (report.kind === 'skipped') say(report.reason)
  else if (report.kind === 'boot-installed')
    say(`${report.disk} is installed already: starting it. Remove the medium`)
  else if (report.kind !== 'dry-run') {
    say(`done: version ${report.receipt.version} on ${report.disk}, machine ${report.receipt.fingerprint}`)
  }
  if (report.afterwards !== 'nothing') say(`next: ${report.afterwards}`)
  await endWith(report.afterwards, root)
  return 0
}

async function upgrade(invocation: Invocation): Promise<void> {
  const { flags, terminal } = invocation
  const source = flags.text('source')
  if (source === undefined) throw usage('name the image: --source dir:PATH or --source file:PATH')
  const { runUpgrade, endWith } = await import('../../install/commands.ts')
  const { healthBaseline } = await import('../../machine/health.ts')
  const root = rootOf(invocation)
  const result = await runUpgrade({
    root,
    source,
    force: flags.isSet('force'),
    keys: flags.texts('key'),
    baseline: await healthBaseline(root, socketOf(invocation)),
    onProgress: progressOn(sayOn(invocation, 'upgrade')),
  })
  const resource = { apiVersion, kind: 'Upgrade', ...result } as const
  await printResource(terminal, formatOf(invocation), resource, () =>
    result.changed
      ? `version ${result.version} is in slot ${result.slot}; it is started at the next boot\n`
      : `nothing to do: ${result.reason}\n`,
  )
  if (flags.isSet('reboot') && result.changed) await endWith('reboot', root)
}

const slotColumns: readonly Column<SlotStatus>[] = [
  { title: 'SLOT', of: ({ slot }) => slot },
  { title: 'VERSION', of: ({ version }) => version || '-' },
  { title: 'IMAGE', of: ({ imageId }) => imageId.slice(0, 12) || '-' },
  { title: 'RUNNING', of: ({ running }) => (running ? 'yes' : '-') },
  { title: 'GOOD', of: ({ good }) => (good ? 'yes' : '-') },
  { title: 'TRIES LEFT', of: ({ triesLeft }) => (triesLeft === null ? '-' : String(triesLeft)) },
  { title: 'NEXT', of: ({ next }) => (next ? 'yes' : '-') },
  { title: 'REJECTED', of: ({ rejected }) => rejected || '-' },
  { title: 'ENTRY', of: ({ entry }) => entry || '-', wide: true },
]

async function slots(invocation: Invocation): Promise<void> {
  const { readSlots } = await import('../../install/commands.ts')
  const report = await readSlots(rootOf(invocation))
  const resource = { apiVersion, kind: 'Slots', ...report } as const
  await printResource(invocation.terminal, formatOf(invocation), resource, (wide) => {
    const table = formatTable(
      slotColumns.filter((column) => wide || column.wide !== true),
      report.slots,
    )
    const gone = report.rejected.filter(
      ({ imageId }) => !report.slots.some((slot) => slot.imageId === imageId),
    )
    const lines = gone.map(
      ({ version, imageId, reason }) => `rejected: ${version} (${imageId.slice(0, 12)}): ${reason}\n`,
    )
    return `${table}${lines.join('')}`
  })
}

async function reset(invocation: Invocation): Promise<ExitCode> {
  const { flags, terminal, signal } = invocation
  const root = rootOf(invocation)
  if (flags.isSet('cancel')) {
    const { cancelReset } = await import('../../install/running.ts')
    await cancelReset(root)
    terminal.stderr.write('no reset is asked for\n')
    return 0
  }
  const { checkReset, isMember, runReset, endWith } = await import('../../install/commands.ts')
  const level = (['soft', 'data', 'factory', 'reinstall'] as const).find(
    (each) => each === flags.text('level'),
  )
  if (level === undefined) throw usage('say how much is forgotten: --level soft, data, factory or reinstall')
  const force = flags.isSet('force')
  const { requireMounted } = await import('../../install/mounted.ts')
  // Before anybody is told goodbye: what cannot be seen cannot be removed either, and a machine that cannot be reset stays a member.
  if (level === 'data' || level === 'factory') await requireMounted(root, systemPaths.persistent)
  await checkReset({ root, level, force })
  // A new identity, or a member without its data, is another machine for the cluster.
  const mustLeave =
    level === 'factory' || level === 'reinstall' || (level === 'data' && (await isMember(root)))
  const left = mustLeave && (await leaveIfPossible(invocation, force))
  // Told to end while it left: nothing more is done.
  if (signal.aborted) return 1
  const { hasIdentity } = await import('../../install/reset.ts')
  if (mustLeave && !left && !force && !(await isMember(root)) && (await hasIdentity(root)))
    throw new MusterError('ERR_RESET_NOT_LEFT', { level })
  await runReset({ root, level, left, force })
  terminal.stderr.write(`reset ${level} is carried out at the next boot\n`)
  if (flags.isSet('reboot')) await endWith('reboot', root)
  return 0
}

async function leaveIfPossible(invocation: Invocation, force: boolean): Promise<boolean> {
  try {
    return (await leaveCluster(invocation)) === 0
  } catch (error) {
    // Without an agent nobody can be told; whether that matters, what lies on the disk decides.
    const isAway = error instanceof MusterError && error.code === 'ERR_AGENT_UNREACHABLE'
    if (!isAway && !force) throw error
    invocation.terminal.stderr.write(`the cluster was not left: ${(error as Error).message}\n`)
    return false
  }
}

function rootOf({ flags, terminal }: Invocation): string {
  return flags.text('root') ?? terminal.environment['MUSTER_ROOT'] ?? ''
}

/** Lines for the console, each with the same beginning: the console of a machine is all that there is to look at. */
function sayOn({ terminal }: Invocation, verb: string): (line: string) => void {
  return (line) => void terminal.stderr.write(`muster ${verb}: ${line}\n`)
}

/** Between two lines about the bytes of one step. */
const progressEveryBytes = 64 * 1_024 * 1_024

function progressOn(say: (line: string) => void): OnProgress {
  let toldBytes = 0
  return ({ number, of, title, bytes }: Progress) => {
    if (bytes !== undefined && bytes - toldBytes < progressEveryBytes) return
    toldBytes = bytes ?? 0
    say(`[${number}/${of}] ${title}${bytes === undefined ? '' : `: ${Math.round(bytes / 2 ** 20)} MiB`}`)
  }
}

function diskTable({ table }: DiskChoice): string {
  const columns: readonly Column<RankedDisk>[] = [
    { title: 'DISK', of: ({ disk }) => disk.path },
    { title: 'SIZE', of: ({ disk }) => `${(disk.sizeBytes / 2 ** 30).toFixed(1)} GiB` },
    { title: 'BUS', of: ({ disk }) => disk.transport || '-' },
    { title: 'MODEL', of: ({ disk }) => [disk.model, disk.serial].filter(Boolean).join(' ') || '-' },
    { title: 'CONTENT', of: ({ content }) => content },
    {
      title: 'VERDICT',
      of: ({ eligible, reason }) => `${eligible ? 'may be taken' : 'left alone'}: ${reason}`,
    },
  ]
  return formatTable(columns, table)
}
