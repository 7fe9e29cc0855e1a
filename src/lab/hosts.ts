import { randomBytes } from 'node:crypto'
import { existsSync, mkdirSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { MusterError } from '../errors.ts'
import { type Enclosure, runInside, startHostNamespaces } from './namespaces.ts'
import { faultRules } from './network-faults.ts'
import { commandLineOf, descendantsOf, isAlive, isStopped, referenceTo, signal } from './processes.ts'
import { hostOf, type LabHost, type LabState, updateLabState } from './state.ts'

/** How a host's agent is. `off`: the whole host is switched off. */
export type AgentState = 'running' | 'paused' | 'stopped' | 'off'

/** The outer namespaces of a lab, for entering. */
export function switchOf(state: Pick<LabState, 'init' | 'rootless' | 'toolRoot'>): Enclosure {
  return { init: state.init, rootless: state.rootless, toolRoot: state.toolRoot }
}

/** A host's namespaces, for entering. Throws ERR_LAB_HOST_OFF when it is switched off. */
export function enclosureOf(state: LabState, host: LabHost): Enclosure {
  if (!isAlive(host.init)) throw new MusterError('ERR_LAB_HOST_OFF', { name: host.name })
  return { ...switchOf(state), init: host.init }
}

/** Path of the agent's API socket of a host. */
export function socketOf(host: LabHost): string {
  return join(host.root, 'run/muster/agent.sock')
}

/** Path of the agent's log of a host. */
export function logOf(host: LabHost): string {
  return join(host.root, 'var/log/muster.log')
}

/** Makes a machine as it stands after its first boot: files, and a link to the switch. No agent yet. */
export async function makeHost(
  state: Omit<LabState, 'hosts'>,
  index: number,
  cloudConfig: string,
): Promise<LabHost> {
  const name = `h${index}`
  const root = join(state.directory, name)
  for (const directory of ['etc/muster', 'var/lib', 'var/log', 'run']) {
    mkdirSync(join(root, directory), { recursive: true, mode: 0o700 })
  }
  writeFileSync(join(root, 'etc/machine-id'), `${randomBytes(16).toString('hex')}\n`)
  writeFileSync(join(root, 'etc/hostname'), `${name}\n`)
  writeFileSync(join(root, 'etc/muster/config.yaml'), cloudConfig, { mode: 0o600 })
  return {
    name,
    index,
    root,
    init: await startHostNamespaces(switchOf(state), { name, index }, state.network),
  }
}

/** Starts the agent as a process that outlives this one, switching the host on first if need be. */
export async function startAgent(labName: string, hostName: string): Promise<void> {
  const { state, host } = await switchOn(labName, hostName)
  if (agentPid(state, host) !== undefined) return
  // The environment is the one of the agent's unit, as far as it matters here.
  const agent = ['env', 'MALLOC_ARENA_MAX=1', ...state.program, 'agent', '--root', host.root]
  agent.push('--services', 'process')
  if (state.k3s !== '') agent.push('--k3s', state.k3s)
  // The shell ends at once, and the agent becomes the host's own: it has no parent outside the lab.
  const script = 'log=$1; shift; cd /; setsid "$@" </dev/null >>"$log" 2>&1 &'
  await runInside(enclosureOf(state, host), ['sh', '-c', script, 'sh', logOf(host), ...agent])
  // An agent that ends at once is seen by whoever waits for it, and its log says why.
  await trueWithin(() => agentPid(state, host) !== undefined, 2_000)
}

/** Ends the agent alone, at once (`SIGKILL`) or in an orderly way; k3s goes on, as under systemd. */
export async function endAgent(state: LabState, host: LabHost, how: 'SIGKILL' | 'SIGTERM'): Promise<void> {
  const pid = agentPid(state, host)
  if (pid === undefined) return
  signal(pid, how)
  // A stopped process gets its SIGTERM only when it goes on.
  if (how === 'SIGTERM') signal(pid, 'SIGCONT')
  if (await trueWithin(() => agentPid(state, host) !== pid, 15_000)) return
  signal(pid, 'SIGKILL')
  await trueWithin(() => agentPid(state, host) !== pid, 5_000)
}

/** Pulls the plug: every process of the host, its links and devices are gone at once; the disk stays. */
export async function cutPower(host: LabHost): Promise<void> {
  if (!isAlive(host.init)) return
  signal(host.init.pid, 'SIGKILL')
  await trueWithin(() => !isAlive(host.init), 10_000)
}

/** Makes the host forget everything but its cloud-config: a new machine with an old name. */
export async function wipeHost(host: LabHost): Promise<void> {
  await cutPower(host)
  for (const directory of ['var', 'run', 'etc/rancher']) {
    rmSync(join(host.root, directory), { recursive: true, force: true })
  }
  for (const directory of ['var/lib', 'var/log', 'run']) {
    mkdirSync(join(host.root, directory), { recursive: true, mode: 0o700 })
  }
  writeFileSync(join(host.root, 'etc/machine-id'), `${randomBytes(16).toString('hex')}\n`)
}

/** Stops every process of a host where it stands, or lets it go on. */
export async function setPaused(state: LabState, host: LabHost, paused: boolean): Promise<void> {
  enclosureOf(state, host)
  const pids = descendantsOf(host.init.pid)
  for (const pid of pids) signal(pid, paused ? 'SIGSTOP' : 'SIGCONT')
  await trueWithin(
    () => pids.every((pid) => isStopped(pid) === paused || referenceTo(pid) === undefined),
    5_000,
  )
}

/** How the agent of a host is. */
export function agentState(state: LabState, host: LabHost): AgentState {
  if (!isAlive(host.init)) return 'off'
  const pid = agentPid(state, host)
  if (pid === undefined) return 'stopped'
  return isStopped(pid) ? 'paused' : 'running'
}

/** The agent's process id as seen from here: known by its command line, so that no record can be stale. */
export function agentPid(state: LabState, host: LabHost): number | undefined {
  if (!isAlive(host.init)) return undefined
  const expected = [...state.program, 'agent', '--root', host.root]
  return descendantsOf(host.init.pid).find((pid) => {
    const found = commandLineOf(pid)
    return expected.every((word, position) => found[position] === word)
  })
}

/** Makes a host's links lose what the lab's faults say. */
export async function applyFaults(state: LabState, host: LabHost): Promise<void> {
  if (!isAlive(host.init)) return
  await runInside(enclosureOf(state, host), ['nft', '-f', '-'], faultRules(state.faults, host.index))
}

/** Gives a host that is off its namespaces and its link again, with the faults that hold. */
async function switchOn(labName: string, hostName: string): Promise<{ state: LabState; host: LabHost }> {
  const before = updateLabState(labName, (state) => state)
  const found = hostOf(before, hostName)
  if (isAlive(found.init)) return { state: before, host: found }
  const socket = socketOf(found)
  if (existsSync(socket)) rmSync(socket)
  const host = { ...found, init: await startHostNamespaces(switchOf(before), found, before.network) }
  const state = updateLabState(labName, (latest) => ({
    ...latest,
    hosts: latest.hosts.map((candidate) => (candidate.name === hostName ? host : candidate)),
  }))
  await applyFaults(state, host)
  return { state, host }
}

async function trueWithin(holds: () => boolean, timeoutMs: number): Promise<boolean> {
  const giveUpAt = performance.now() + timeoutMs
  while (!holds()) {
    if (performance.now() > giveUpAt) return false
    await sleep(20)
  }
  return true
}
