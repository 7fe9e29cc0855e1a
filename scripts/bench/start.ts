import { spawn, spawnSync } from 'node:child_process'
import { once } from 'node:events'
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { newNetwork } from '../../src/agent/api/operator.ts'
import { defaults } from '../../src/config/index.ts'
import { labCloudConfig } from '../../src/lab/cloud-config.ts'
import type { Figure } from './figures.ts'

/** How long an agent may take before it counts as one that does not start. */
const giveUpMs = 60_000

/**
 * First starts of an agent, each with an empty disk and in its own network namespace: from the exec of Node
 * until the agent says that it is up, which it does when its ports are open and before it notifies systemd.
 */
export async function measureAgentStart(program: string, what: string, runs: number): Promise<Figure> {
  const values: number[] = []
  for (let run = 0; run < runs; run++) values.push(await startOnce(program))
  return { what, unit: 's', values }
}

/** Start to end of a command that does nothing else. */
export function measureCommand(program: string, what: string, runs: number): Figure {
  const values = Array.from({ length: runs }, () => {
    const begin = performance.now()
    const { status } = spawnSync(process.execPath, [program, 'version'], { stdio: 'ignore' })
    if (status !== 0) throw new Error(`${program} version ended with ${status}`)
    return (performance.now() - begin) / 1_000
  })
  return { what, unit: 's', values }
}

async function startOnce(program: string): Promise<number> {
  const root = mkdtempSync(join(tmpdir(), 'muster-bench-'))
  try {
    for (const directory of ['etc/muster', 'run', 'var/lib'])
      mkdirSync(join(root, directory), { recursive: true })
    writeFileSync(join(root, 'etc/machine-id'), `${'a'.repeat(32)}\n`)
    writeFileSync(join(root, 'etc/hostname'), 'bench\n')
    const { token } = newNetwork({ name: 'bench' })
    writeFileSync(
      join(root, 'etc/muster/config.yaml'),
      labCloudConfig({ token, expect: 5, controlPlane: 3, mdns: true, peers: [] }),
    )
    return await timeUntilUp(program, root)
  } finally {
    rmSync(root, { recursive: true, force: true })
  }
}

async function timeUntilUp(program: string, root: string): Promise<number> {
  const user = process.getuid?.() === 0 ? [] : ['--user', '--map-root-user']
  const network =
    'ip link set lo up && ip link add eth0 type veth peer name far && ip link set far up && ' +
    'ip link set eth0 up && ip addr add 10.77.0.1/24 dev eth0 && echo go && exec "$@"'
  const agent = [process.execPath, program, 'agent', '--root', root, '--services', 'process']
  const child = spawn(
    'unshare',
    ['--net', ...user, 'sh', '-c', network, 'sh', ...agent, '--k3s', '/none', '--log-format', 'json'],
    { stdio: ['ignore', 'pipe', 'pipe'] },
  )
  const ended = once(child, 'exit')
  const deadline = setTimeout(() => child.kill('SIGKILL'), giveUpMs)
  try {
    await once(child.stdout, 'data')
    const begin = performance.now()
    let log = ''
    for await (const part of child.stderr) {
      log += String(part)
      if (log.includes('"reason":"Started"')) break
    }
    const seconds = (performance.now() - begin) / 1_000
    if (child.exitCode !== null || !listens(child.pid ?? 0))
      throw new Error(`the agent did not start:\n${log}`)
    return seconds
  } finally {
    clearTimeout(deadline)
    child.kill('SIGKILL')
    await ended
  }
}

/** Whether the agent's port is open: state 0A of /proc/net/tcp, in the network namespace of the process. */
function listens(pid: number): boolean {
  const port = defaults.port.toString(16).toUpperCase().padStart(4, '0')
  return new RegExp(`:${port} \\S+ 0A `).test(readFileSync(`/proc/${pid}/net/tcp`, 'utf8'))
}
