import { existsSync } from 'node:fs'
import { mkdir, readFile, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import type { RunProgram, ServiceManager, ServiceState, ServiceUnit } from '../../core/ports.ts'
import { MusterError } from '../../errors.ts'

/**
 * Where the units are written. They last one boot on purpose: after a reboot nothing starts before the agent
 * has read its plan and the overlay is up, and a read-only /etc is no obstacle.
 */
const runtimeDirectory = '/run/systemd/system'

/** Services as units of systemd. All calls return at once (`--no-block`). Throws ERR_SERVICE. */
export function systemdServices(
  components: { readonly exec: RunProgram },
  init: { readonly directory?: string; readonly searched?: readonly string[] } = {},
): ServiceManager {
  const directory = init.directory ?? runtimeDirectory
  const searched = [directory, ...(init.searched ?? unitDirectories)]
  const systemctl = async (name: string, ...args: readonly string[]): Promise<string> => {
    const result = await components.exec(['systemctl', ...args], { timeoutMs: 20_000 })
    if (result.exitCode === 0) return result.stdout
    throw new MusterError('ERR_SERVICE', { name, action: args[0] ?? '', detail: result.stderr.trim() })
  }
  const state = async (name: string): Promise<ServiceState> => {
    // Looked at often: where no unit of that name lies, no program need be started to be told so.
    if (!searched.some((each) => existsSync(join(each, `${name}.service`)))) return readState(name, absent)
    const output = await systemctl(name, 'show', `${name}.service`, `--property=${properties.join(',')}`)
    return readState(name, output)
  }
  return {
    state,
    async start(unit: ServiceUnit): Promise<void> {
      const path = join(directory, `${unit.name}.service`)
      const text = unitText(unit)
      const changed = (await readFile(path, 'utf8').catch(() => '')) !== text
      if (changed) {
        await mkdir(directory, { recursive: true })
        await writeFile(path, text, { mode: 0o644 })
        await systemctl(unit.name, 'daemon-reload')
      }
      // A unit that failed too often is refused a start until it is forgiven.
      if ((await state(unit.name)).state === 'failed') {
        await systemctl(unit.name, 'reset-failed', `${unit.name}.service`)
      }
      await systemctl(unit.name, changed ? 'restart' : 'start', '--no-block', `${unit.name}.service`)
    },
    async stop(name: string): Promise<void> {
      if ((await state(name)).state === 'absent') return
      // Waits: what follows renames the data, and no process may still write them.
      const result = await components.exec(['systemctl', 'stop', `${name}.service`], { timeoutMs: 120_000 })
      if (result.exitCode !== 0) {
        throw new MusterError('ERR_SERVICE', { name, action: 'stopped', detail: result.stderr.trim() })
      }
      await rm(join(directory, `${name}.service`), { force: true })
      await systemctl(name, 'daemon-reload')
    },
  }
}

/** Where else systemd finds units: somebody may have installed k3s by hand. */
const unitDirectories = [
  '/etc/systemd/system',
  '/run/systemd/generator',
  '/usr/local/lib/systemd/system',
  '/usr/lib/systemd/system',
  '/lib/systemd/system',
]

/** What `systemctl show` says of a unit that is not there. */
const absent = 'LoadState=not-found\n'

const properties = ['LoadState', 'ActiveState', 'MainPID', 'NRestarts', 'Result', 'StatusText'] as const

/** The unit of a service, after k3s' own install.sh: pods outlive a restart (`KillMode=process`). */
export function unitText(unit: ServiceUnit): string {
  const environment = Object.entries(unit.environment).map(
    ([name, value]) => `Environment=${quote(`${name}=${value}`)}`,
  )
  return [
    '# Written by muster at each start of the unit.',
    '[Unit]',
    `Description=${unit.description}`,
    'After=network.target muster.service time-sync.target',
    ...(unit.unlessExists === undefined ? [] : [`ConditionPathExists=!${unit.unlessExists}`]),
    '',
    '[Service]',
    'Type=notify',
    'KillMode=process',
    'Delegate=yes',
    'LimitNOFILE=1048576',
    'LimitNPROC=infinity',
    'LimitCORE=infinity',
    'TasksMax=infinity',
    'TimeoutStartSec=0',
    'Restart=always',
    'RestartSec=5s',
    ...environment,
    'ExecStartPre=-/sbin/modprobe br_netfilter',
    'ExecStartPre=-/sbin/modprobe overlay',
    `ExecStart=${unit.command.map(quote).join(' ')}`,
    '',
  ].join('\n')
}

/** One word of a unit file: `%` and `$` mean something to systemd, and so does a space. */
function quote(word: string): string {
  const escaped = word.replaceAll('\\', '\\\\').replaceAll('"', '\\"').replaceAll('%', '%%')
  return `"${escaped.replaceAll('$', '$$$$')}"`
}

/** Reads the output of `systemctl show`. */
export function readState(name: string, output: string): ServiceState {
  const values = new Map(
    output.split('\n').map((line): [string, string] => {
      const at = line.indexOf('=')
      return [line.slice(0, at), line.slice(at + 1)]
    }),
  )
  const active = values.get('ActiveState') ?? ''
  const result = values.get('Result') ?? ''
  const pid = Number(values.get('MainPID') ?? '0')
  return {
    name,
    state: values.get('LoadState') === 'not-found' ? 'absent' : (stateNames[active] ?? 'stopped'),
    pid: pid > 0 ? pid : undefined,
    restarts: Number(values.get('NRestarts') ?? '0'),
    detail: values.get('StatusText') || (result === 'success' ? '' : result),
  }
}

const stateNames: Readonly<Record<string, ServiceState['state']>> = {
  active: 'running',
  activating: 'starting',
  reloading: 'running',
  deactivating: 'running',
  failed: 'failed',
  inactive: 'stopped',
}
