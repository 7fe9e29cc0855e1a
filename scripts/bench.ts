import { spawnSync } from 'node:child_process'
import os from 'node:os'
import { setTimeout as sleep } from 'node:timers/promises'
import { createLab } from '../src/lab/lab.ts'

// Speed and size, measured on real agents in a lab; the machine is named, and no test depends on a figure here.
//   npm run bench -- [--runs N] [--idle SECONDS]

const runs = numberAfter('--runs', 3)
const idleSeconds = numberAfter('--idle', 60)
const hosts = 5

process.stdout.write(
  `machine: ${os.cpus().length} x ${os.cpus()[0]?.model ?? '?'}, Node ${process.version}, load ${os.loadavg()[0]?.toFixed(1)}\n`,
)
measureStart()
const chartered: number[] = []
const active: number[] = []
for (let run = 1; run <= runs; run++) await measureFormation(run)
report(`charter certified, ${hosts} hosts (s)`, chartered)
report(`active with 3 etcd voters, ${hosts} hosts (s)`, active)

async function measureFormation(run: number): Promise<void> {
  const lab = await createLab({ name: `bench-${run}`, nodes: hosts, expect: hosts })
  try {
    const begin = performance.now()
    await lab.await('chartered', { timeoutMs: 120_000 })
    chartered.push((performance.now() - begin) / 1_000)
    await lab.await('active', { timeoutMs: 300_000 })
    active.push((performance.now() - begin) / 1_000)
    if (run === runs) await measureIdle(lab)
  } finally {
    await lab.down()
  }
}

/** Resident memory, and the control traffic that each host sends while nothing happens. */
async function measureIdle(lab: Awaited<ReturnType<typeof createLab>>): Promise<void> {
  await sleep(15_000)
  const before = await controlBytes(lab)
  await sleep(idleSeconds * 1_000)
  const after = await controlBytes(lab)
  const bits = after.map((bytes, index) => ((bytes - (before[index] ?? 0)) * 8) / idleSeconds / 1_000)
  report(`libp2p control traffic sent per host, ${idleSeconds} s after active (kbit/s)`, bits)
  const memory = agentMemoryMiB(lab.state.name)
  report('resident memory of an agent (MiB)', memory)
}

/** Bytes that TCP port 4710 and multicast sent: counted by nftables in each host, since k3s shares the link. */
async function controlBytes(lab: Awaited<ReturnType<typeof createLab>>): Promise<number[]> {
  const rules =
    'add table inet bench; add chain inet bench out { type filter hook output priority 0; }; ' +
    'add counter inet bench control; ' +
    'add rule inet bench out oifname eth0 tcp sport 4710 counter name control; ' +
    'add rule inet bench out oifname eth0 tcp dport 4710 counter name control; ' +
    'add rule inet bench out oifname eth0 udp dport != 4711 counter name control'
  const counts: number[] = []
  for (const { name } of lab.hosts) {
    const listed = await lab.exec(name, ['nft', '-j', 'list', 'counter', 'inet', 'bench', 'control'])
    const found = /"bytes": (\d+)/.exec(listed.stdout)
    if (found === null) await lab.exec(name, ['nft', rules])
    counts.push(Number(found?.[1] ?? 0))
  }
  return counts
}

function agentMemoryMiB(labName: string): number[] {
  const { stdout } = spawnSync('ps', ['-eo', 'rss,args'], { encoding: 'utf8' })
  return stdout
    .split('\n')
    .filter((line) => line.includes(` agent --root `) && line.includes(`/${labName}/`))
    .map((line) => Number(line.trim().split(/\s+/)[0]) / 1_024)
}

function measureStart(): void {
  const times = Array.from({ length: 5 }, () => {
    const begin = performance.now()
    spawnSync(process.execPath, ['src/cli/main.ts', 'version'], { stdio: 'ignore' })
    return performance.now() - begin
  })
  report('`muster version` from source (ms)', times)
}

function report(what: string, values: readonly number[]): void {
  const sorted = values.toSorted((a, b) => a - b)
  const median = sorted[Math.floor(sorted.length / 2)] ?? Number.NaN
  process.stdout.write(
    `${what}: p50 ${median.toFixed(1)}, min ${sorted[0]?.toFixed(1)}, max ${sorted.at(-1)?.toFixed(1)}, n ${sorted.length}\n`,
  )
}

function numberAfter(flag: string, otherwise: number): number {
  const at = process.argv.indexOf(flag)
  return at === -1 ? otherwise : Number(process.argv[at + 1])
}
