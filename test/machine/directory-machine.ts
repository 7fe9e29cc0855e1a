import { mkdirSync, mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import type { ProgramOptions, ProgramResult } from '../../src/core/ports.ts'
import type { Machine, MachineMode } from '../../src/machine/machine.ts'

/** A directory that looks like a machine, with programs that do nothing but to be noted. */
export class DirectoryMachine implements Machine {
  readonly root: string = mkdtempSync(join(tmpdir(), 'muster-machine-'))
  readonly ran: string[][] = []
  readonly said: string[] = []
  /** What a program answers, by the beginning of its command line; others succeed. */
  readonly programs: Map<string, (argv: readonly string[]) => Partial<ProgramResult> | void> = new Map()
  /** What a URL answers; others are not reached. */
  readonly web: Map<string, string> = new Map()

  constructor(mode: MachineMode = 'installed') {
    this.file(
      '/etc/passwd',
      'root:x:0:0:root:/root:/bin/bash\ndaemon:x:1:1:daemon:/usr/sbin:/usr/sbin/nologin\n',
    )
    this.file('/etc/group', 'root:x:0:\ndaemon:x:1:\nsudo:x:27:\nshadow:x:42:\n')
    this.file('/etc/shadow', 'root:*:19000:0:99999:7:::\ndaemon:*:19000:0:99999:7:::\n')
    this.file('/etc/gshadow', 'root:*::\ndaemon:*::\nsudo:*::\nshadow:*::\n')
    this.file('/etc/machine-id', '0123456789abcdef0123456789abcdef\n')
    this.file('/usr/lib/os-release', 'ID=muster\nID_LIKE=debian\nVERSION_ID="12"\nIMAGE_VERSION=1.0.0\n')
    this.file('/proc/cmdline', 'quiet\n')
    if (mode !== 'none') this.file('/run/muster/boot.json', JSON.stringify({ mode, imageId: 'a'.repeat(64) }))
    if (mode === 'installed') {
      mkdirSync(join(this.root, 'config'))
      mkdirSync(join(this.root, 'persist'))
    }
  }

  readonly say = (line: string): void => void this.said.push(line)

  readonly run = async (argv: readonly string[], _options?: ProgramOptions): Promise<ProgramResult> => {
    this.ran.push([...argv])
    const line = argv.join(' ')
    const known = [...this.programs].find(([start]) => line.startsWith(start))?.[1](argv) ?? {}
    return { exitCode: 0, stdout: '', stderr: '', truncated: false, ...known }
  }

  readonly fetch = async (url: string): Promise<Uint8Array> => {
    const answer = this.web.get(url)
    if (answer === undefined) throw new Error('there is no network')
    return Buffer.from(answer)
  }

  file(path: string, text: string): void {
    mkdirSync(dirname(join(this.root, path)), { recursive: true })
    writeFileSync(join(this.root, path), text)
  }

  read(path: string): string {
    return readFileSync(join(this.root, path), 'utf8')
  }

  mode(path: string): number {
    return statSync(join(this.root, path)).mode & 0o7777
  }

  /** A reboot: what the image has is new, what lies on the disk is there. */
  reboot(): void {
    for (const path of ['etc', 'run', 'home', 'root'])
      rmSync(join(this.root, path), { recursive: true, force: true })
    const fresh = new DirectoryMachine('installed')
    for (const path of [
      '/etc/passwd',
      '/etc/group',
      '/etc/shadow',
      '/etc/gshadow',
      '/etc/machine-id',
      '/run/muster/boot.json',
    ])
      this.file(path, fresh.read(path))
    fresh.remove()
  }

  remove(): void {
    rmSync(this.root, { recursive: true, force: true })
  }
}
