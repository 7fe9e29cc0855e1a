import type { SlotStatus } from '../../../src/core/install/slots.ts'
import { readConsole, viewConsole } from '../../../src/lab/vm/stage.ts'
import type { VmLab } from '../../../src/lab/vm/vm-lab.ts'
import { isoOf, type VariantName, versionOf } from './images.ts'
import { mustExec, patienceMs, vmUntil } from './machines.ts'

/** What `muster slots` of a machine says. */
export interface SlotsAnswer {
  readonly slots: readonly SlotStatus[]
  readonly rejected: readonly {
    readonly version: string
    readonly imageId: string
    readonly reason: string
  }[]
}

export async function readSlots(lab: VmLab, machine: string): Promise<SlotsAnswer> {
  return JSON.parse(await mustExec(lab, machine, ['muster', 'slots', '-o', 'json'])) as SlotsAnswer
}

/** Version of the image that a machine runs. */
export function runningVersion({ slots }: SlotsAnswer): string {
  return slots.find(({ running }) => running)?.version ?? ''
}

/** Waits until the running image is this one and was found good, after at least so many boots in all. */
export async function becomesGood(
  lab: VmLab,
  machine: string,
  name: VariantName,
  boots: number,
  seconds = 240,
): Promise<SlotsAnswer> {
  return vmUntil(lab, `${name} is good`, seconds, async () => {
    const { stage, boots: seen } = viewConsole(readConsole(lab.paths(machine).console))
    if (seen < boots || stage !== 'installed') return undefined
    // The machine may be about to start anew: a silent one is asked again. An emulated one needs long to start
    // a Node, and would do nothing else if it were asked for its slots all the time.
    const isHealthy = await lab
      .exec(machine, ['systemctl', 'is-active', '--quiet', 'muster-health.service'])
      .then(
        ({ code }) => code === 0,
        () => false,
      )
    if (!isHealthy) return undefined
    const answer = await readSlots(lab, machine).catch(() => undefined)
    const running = answer?.slots.find((slot) => slot.running)
    return running?.version === versionOf(name) && running.good ? answer : undefined
  })
}

/** Restarts a machine in an orderly way, as an administrator does. It may be gone before it has answered: its boots are counted. */
export async function restart(lab: VmLab, machine: string): Promise<void> {
  await lab.exec(machine, ['systemctl', 'reboot', '--no-block']).catch(() => undefined)
}

/** Puts the ISO of another image into the drive and upgrades from it; the machine restarts. Returns what was said. */
export async function upgrade(
  lab: VmLab,
  machine: string,
  name: VariantName,
): Promise<{ readonly code: number; readonly said: string }> {
  await lab.insert(machine, isoOf(name))
  // The newest medium is the one that was put in last; a device node comes when the kernel has seen it.
  const script = `set -e
n=0
until dev=$(for d in /dev/sr*; do [ "$(dd if=$d bs=2048 skip=16 count=1 2>/dev/null | head -c 6 | tail -c 5)" = CD001 ] || continue
  mkdir -p /run/upgrade; mount -o ro $d /run/upgrade
  if grep -q '"version":"${versionOf(name)}"' /run/upgrade/muster/manifest.json; then echo $d; exit; fi
  umount /run/upgrade; done) && [ -n "$dev" ]; do n=$((n+1)); [ $n -lt 60 ]; sleep 0.5; done
muster upgrade --source dir:/run/upgrade/muster
umount /run/upgrade`
  const { code, stdout, stderr } = await lab.exec(machine, ['sh', '-c', script], {
    timeoutMs: patienceMs(lab, 240),
  })
  return { code, said: stdout + stderr }
}
