import { spawn } from 'node:child_process'
import { setTimeout as sleep } from 'node:timers/promises'
import { MusterError } from '../errors.ts'
import { address4Of, address6Of, gateway, hostDevice, macOf, type NetworkMode } from './addresses.ts'
import { commandLineOf, descendantsOf, pidChain, type ProcessReference, referenceTo } from './processes.ts'
import { mustRun, run } from './run.ts'
import { labEnvironment } from './tools.ts'

// One mechanism for root and for ordinary users: a holder process per namespace set, and nsenter.
//
//   this machine
//   └── lab init          own net (the switch: bridge `lab0`), pid, mount, uts; as an ordinary user: own user
//       ├── host h1 init  own net (eth0 on the bridge), pid, mount, uts
//       ├── host h2 init
//       └── …
//
// Everything that ever runs in the lab is in a pid namespace below the lab's. When a host's init is
// killed the kernel kills that host whole, as a power cut would; when the lab's init is killed, all of it,
// with links, mounts and rules. Nothing outside is changed, so nothing outside needs putting back.

/** A set of namespaces that can be entered. */
export interface Enclosure {
  readonly init: ProcessReference
  readonly rootless: boolean
  /** Where tools were unpacked; empty: the machine has them. */
  readonly toolRoot: string
}

const bridgeDevice = 'lab0'

/** The holder: ignores polite signals and collects orphans, as a machine's first process must. */
const holderScript = 'trap : TERM INT HUP; while :; do sleep 3600 & wait $!; done'

/** The command that runs `command` inside. */
export function enterCommand(enclosure: Enclosure, command: readonly string[]): string[] {
  return [
    'nsenter',
    `--target=${enclosure.init.pid}`,
    ...(enclosure.rootless ? ['--user', '--preserve-credentials'] : []),
    '--mount',
    '--net',
    '--pid',
    '--uts',
    '--',
    ...command,
  ]
}

/** Runs a command inside to its end. Throws ERR_LAB_COMMAND when it fails. */
export function runInside(enclosure: Enclosure, command: readonly string[], input = ''): Promise<string> {
  return mustRun(enterCommand(enclosure, command), { input, environment: labEnvironment(enclosure.toolRoot) })
}

/** Whether this user can make namespaces here; if not, why. */
export async function namespaceObstacle(rootless: boolean): Promise<string | undefined> {
  const probe = await run(['unshare', ...unshareFlags(rootless), 'mount', '-t', 'proc', 'proc', '/proc'])
  return probe.code === 0 ? undefined : probe.stderr.trim().split('\n').at(-1)
}

/** Makes the lab's outer namespaces with the switch in them. */
export async function startSwitch(
  rootless: boolean,
  network: NetworkMode,
  toolRoot: string,
): Promise<Enclosure> {
  const init = await startHolder(['unshare', ...unshareFlags(rootless), 'sh', '-c', holderScript])
  const enclosure = { init, rootless, toolRoot }
  const addresses =
    network === 'default-route'
      ? `addr add ${gateway.address4}/24 dev ${bridgeDevice}
addr add ${gateway.address6}/64 dev ${bridgeDevice} nodad
`
      : ''
  await enterScript(enclosure, 'mount -t proc proc /proc')
  // Without snooping the bridge floods multicast to every port, as a plain switch does.
  await enterBatch(
    enclosure,
    `link set lo up
link add ${bridgeDevice} type bridge mcast_snooping 0 forward_delay 0
link set ${bridgeDevice} up
${addresses}`,
  )
  return enclosure
}

/** Makes one host's namespaces and plugs them into the switch. */
export async function startHostNamespaces(
  outer: Enclosure,
  host: { readonly name: string; readonly index: number },
  network: NetworkMode,
): Promise<ProcessReference> {
  const unshare = ['unshare', '--net', '--mount', '--pid', '--uts', '--fork', 'sh', '-c', holderScript]
  const init = await startHolder(enterCommand(outer, unshare))
  const enclosure = { ...outer, init }
  const pidInLab = pidChain(init.pid).at(-2)
  const port = `port${host.index}`
  // After a power cut the kernel takes its time to remove the old link: unplug it by hand.
  await enterScript(outer, `ip link del ${port} 2>/dev/null || true`)
  await enterBatch(
    outer,
    `link add ${port} type veth peer name ${hostDevice} netns ${pidInLab} address ${macOf(host.index)}
link set ${port} master ${bridgeDevice}
link set ${port} up
`,
  )
  // Duplicate address detection would only delay: addresses here are unique by construction.
  await enterScript(
    enclosure,
    `mount -t proc proc /proc && hostname ${host.name}
echo 0 > /proc/sys/net/ipv6/conf/${hostDevice}/accept_dad`,
  )
  await enterBatch(enclosure, hostNetwork(host.index, network))
  return init
}

/** Input of `ip -batch` that gives a host its addresses and routes. */
export function hostNetwork(index: number, network: NetworkMode): string {
  const lines = ['link set lo up', `link set ${hostDevice} up`]
  if (network !== 'ipv6-only') lines.push(`addr add ${address4Of(index)}/24 dev ${hostDevice}`)
  lines.push(`addr add ${address6Of(index)}/64 dev ${hostDevice} nodad`)
  if (network === 'default-route') {
    lines.push(`route add default via ${gateway.address4}`, `route add ::/0 via ${gateway.address6}`)
  }
  return `${lines.join('\n')}\n`
}

/** Runs `ip -batch` inside. */
async function enterBatch(enclosure: Enclosure, batch: string): Promise<void> {
  await runInside(enclosure, ['ip', '-batch', '-'], batch)
}

async function enterScript(enclosure: Enclosure, script: string): Promise<void> {
  await runInside(enclosure, ['sh', '-ec', script])
}

function unshareFlags(rootless: boolean): string[] {
  return [...(rootless ? ['--user', '--map-root-user'] : []), '--net', '--mount', '--pid', '--uts', '--fork']
}

/**
 * Starts a holder and waits until it is there: the first descendant that is process 1 of its namespace and
 * runs the shell. Before that, `unshare` may still have to map users and to make mounts private.
 */
async function startHolder(command: readonly string[]): Promise<ProcessReference> {
  const [program = '', ...args] = command
  const child = spawn(program, args, { detached: true, stdio: 'ignore', cwd: '/' })
  // A program that is not there shows in the pid that the child never had.
  child.on('error', () => undefined)
  child.unref()
  const giveUpAt = performance.now() + 20_000
  while (child.pid !== undefined && child.exitCode === null && performance.now() < giveUpAt) {
    const outerDepth = pidChain(child.pid).length
    const pid = descendantsOf(child.pid).find((candidate) => {
      const chain = pidChain(candidate)
      return chain.at(-1) === 1 && chain.length > outerDepth && commandLineOf(candidate)[0] === 'sh'
    })
    const init = pid === undefined ? undefined : referenceTo(pid)
    if (init !== undefined) return init
    await sleep(10)
  }
  child.kill('SIGKILL')
  throw new MusterError('ERR_LAB_RIGHTS', { detail: `${command.join(' ')} did not start` })
}
