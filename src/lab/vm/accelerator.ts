import { spawn } from 'node:child_process'
import { accessSync, constants } from 'node:fs'
import { acceleratorArguments } from './qemu.ts'

export type Accelerator = 'kvm' | 'tcg'

/** A kernel with KVM says its first word within a second; more than this, and it never will. */
const firstWordMs = 6_000

/**
 * Whether KVM works here, found out by starting a kernel: some hosts have a /dev/kvm on which no kernel ever
 * gets to its first line. `MUSTER_VM_ACCELERATOR` decides without a look.
 */
export async function findAccelerator(kernel: string | undefined): Promise<Accelerator> {
  const decided = process.env['MUSTER_VM_ACCELERATOR']
  if (decided === 'kvm' || decided === 'tcg') return decided
  try {
    accessSync('/dev/kvm', constants.R_OK | constants.W_OK)
  } catch {
    return 'tcg'
  }
  if (kernel === undefined) return 'tcg'
  return (await startsWithKvm(kernel)) ? 'kvm' : 'tcg'
}

function startsWithKvm(kernel: string): Promise<boolean> {
  const child = spawn(
    'qemu-system-x86_64',
    [
      ...['-nodefaults', '-no-user-config', '-display', 'none', '-machine', 'q35', '-m', '256', '-no-reboot'],
      ...acceleratorArguments('kvm'),
      ...['-serial', 'stdio', '-kernel', kernel],
      ...['-append', 'console=ttyS0 earlyprintk=serial panic=-1'],
    ],
    { stdio: ['ignore', 'pipe', 'ignore'] },
  )
  return new Promise((resolve) => {
    let said = ''
    const decide = (works: boolean): void => {
      clearTimeout(timer)
      child.kill('SIGKILL')
      resolve(works)
    }
    const timer = setTimeout(() => decide(false), firstWordMs)
    child.stdout.setEncoding('utf8').on('data', (text: string) => {
      said += text
      if (/Linux version \d/.test(said)) decide(true)
    })
    child.on('error', () => decide(false))
    child.on('exit', () => decide(/Linux version \d/.test(said)))
  })
}
