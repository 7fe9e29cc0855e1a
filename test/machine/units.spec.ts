// Proves the image's units: systemd itself reads them without a complaint or a cycle, they start programs with flags
// that exist, keep what the overlay and k3s need, and nothing that a person waits for stands behind the agent.
import { spawnSync } from 'node:child_process'
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { afterAll, describe, expect, it } from 'vitest'
import { agentUnit, deviceUnit, packagedAgent } from '../../src/machine/agent-unit.ts'
import { healthTimeoutSeconds } from '../../src/machine/boot-units.ts'
import { maskedUnits, unitFiles } from '../../src/machine/units.ts'
import { findCommand, parseCommand } from '../../src/cli/arguments.ts'
import { commands } from '../../src/cli/commands.ts'

const directory = mkdtempSync(join(tmpdir(), 'muster-units-'))
afterAll(() => {
  rmSync(directory, { recursive: true })
})

const files = unitFiles()
const units = files.filter(({ path }) => /^\/usr\/lib\/systemd\/system\/[^/]+\.(service|timer)$/.test(path))
const nameOf = (path: string): string => path.split('/').at(-1) ?? ''
const textOf = (name: string): string => units.find(({ path }) => nameOf(path) === name)?.text ?? ''
const lines = (name: string, key: string): string[] =>
  [...textOf(name).matchAll(new RegExp(`^${key}=(.*)$`, 'gm'))].map(([, value]) => value ?? '')
const hasAnalyzer = spawnSync('systemd-analyze', ['--version']).status === 0

describe('the units of the image', () => {
  it.skipIf(!hasAnalyzer)('are understood by systemd, without a cycle (needs systemd-analyze)', () => {
    const own = join(directory, 'system')
    mkdirSync(own)
    for (const { path, text } of units) writeFileSync(join(own, nameOf(path)), text)
    const { stdout, stderr } = spawnSync(
      'systemd-analyze',
      [
        'verify',
        '--man=no',
        '--generators=no',
        '--recursive-errors=no',
        ...units.map(({ path }) => join(own, nameOf(path))),
      ],
      { env: { ...process.env, SYSTEMD_UNIT_PATH: `${own}:/lib/systemd/system` }, encoding: 'utf8' },
    )
    const complaints = `${stdout}${stderr}`
      .split('\n')
      .filter((line) => line.includes('muster') || /cycle/.test(line))
      // The program itself is in the image only.
      .filter((line) => !line.includes('/usr/bin/muster is not executable'))
    expect(complaints).toEqual([])
  })

  it('are enabled exactly where they have an [Install] section', () => {
    for (const { path, text, enable } of units) {
      expect({ path, enable }).toEqual({ path, enable: text.includes('[Install]') })
    }
  })

  it('give a device as long to appear as a program to start, so that a slow machine has its serial login', () => {
    const settings = files.find(({ path }) => path.includes('/system.conf.d/'))?.text ?? ''
    const of = (key: string): string => new RegExp(`^${key}=(.*)$`, 'm').exec(settings)?.[1] ?? ''
    // systemd's own limit of 90 s was seen to end before an emulated machine's udev had named its serial line.
    expect(of('DefaultDeviceTimeoutSec')).toBe('5min')
    expect(of('DefaultTimeoutStartSec')).toBe('5min')
  })

  it('let no one wait for the agent but k3s, for an agent without a token never says READY', () => {
    for (const { path, text } of units) {
      if (nameOf(path) === 'muster-device.service') continue
      const after = [...text.matchAll(/^After=(.*)$/gm)].flatMap(([, list]) => (list ?? '').split(' '))
      expect({ path, waits: after.includes('muster.service') }).toEqual({ path, waits: false })
    }
  })

  it('keep boot-complete.target away from a boot that failed', () => {
    expect(lines('muster-health.service', 'RequiredBy')).toEqual(['boot-complete.target'])
    expect(lines('muster-health.service', 'Before')).toContain('boot-complete.target')
    expect(lines('muster-health.service', 'FailureAction')).toEqual(['reboot'])
    // The check gives up by itself before systemd does.
    const own = Number(/--timeout (\d+)/.exec(textOf('muster-health.service'))?.[1])
    expect(Number(lines('muster-health.service', 'TimeoutStartSec')[0])).toBeGreaterThan(own)
    // multi-user.target would wait for a unit with default dependencies that it wants.
    expect(lines('muster-health.service', 'DefaultDependencies')).toEqual(['no'])
  })

  it('install in a live system only, and run the agent and the health check in an installed one only', () => {
    expect(lines('muster-install.service', 'ConditionPathExists')).toEqual(['/run/muster/live'])
    expect(lines('muster-install.service', 'ConditionKernelCommandLine')).toEqual(['muster.mode=live'])
    for (const name of ['muster.service', 'muster-health.service'])
      expect(lines(name, 'ConditionPathExists')).toContain('!/run/muster/live')
  })

  it('never leave a boot without its configuration because the machine is slow', () => {
    expect(Number(lines('muster-early.service', 'TimeoutStartSec')[0])).toBeGreaterThanOrEqual(1_800)
    // Killed, it begins again; ended with a note of what failed, it does not.
    expect(lines('muster-early.service', 'Restart')).toEqual(['on-abnormal'])
  })

  it('mask nothing that they name', () => {
    const masked = new Set(maskedUnits)
    expect(masked.size).toBe(maskedUnits.length)
    for (const { path, text } of units) {
      for (const [, list] of text.matchAll(/^(?:After|Before|Wants|Requires|WantedBy|RequiredBy)=(.*)$/gm)) {
        for (const name of (list ?? '').split(' '))
          expect({ path, name, masked: masked.has(name) }).toEqual({ path, name, masked: false })
      }
    }
  })

  it('lie below /usr/lib, where a configuration in /etc wins', () => {
    for (const { path } of files) expect(dirname(path)).toMatch(/^\/usr\/lib\//)
    expect(new Set(files.map(({ path }) => path)).size).toBe(files.length)
  })
})

describe('what the units start', () => {
  it('are commands and flags that exist', () => {
    for (const { path, text } of units) {
      for (const [, line] of text.matchAll(/^ExecStart=\/usr\/bin\/muster (.*)$/gm)) {
        const found = findCommand(commands, (line ?? '').split(' '))
        expect({ path, line, found: found !== undefined }).toEqual({ path, line, found: true })
        expect(() => parseCommand(found!.command, found!.rest)).not.toThrow()
      }
    }
  })
})

describe('the agent as a service', () => {
  it('keeps what the overlay and k3s need', () => {
    for (const unit of [agentUnit(), textOf('muster.service')]) {
      for (const line of [
        'Type=notify',
        'NotifyAccess=main',
        'Restart=always',
        'WatchdogSec=120',
        'StateDirectory=muster',
      ])
        expect(unit.split('\n')).toContain(line)
      expect(unit).toMatch(/^CapabilityBoundingSet=.*CAP_NET_ADMIN/m)
      expect(unit).toMatch(/^RestrictAddressFamilies=.*AF_NETLINK/m)
      // Each would take /dev/net/tun or k3s' unit directory away.
      expect(unit).not.toMatch(
        /^(PrivateDevices|ProtectClock|ProtectSystem|DevicePolicy|MemoryDenyWriteExecute)=/m,
      )
    }
    expect(deviceUnit('muster0')).toContain('ip tuntap add dev muster0 mode tun')
  })

  it('may take as long to start as the health check waits for it', () => {
    // 90 s were seen to end every start on an emulated machine that shared its processors: it never had an agent.
    const [limit] = lines('muster.service', 'TimeoutStartSec')
    expect(Number(limit)).toBeGreaterThanOrEqual(healthTimeoutSeconds)
  })

  it('starts the agent with flags that it knows', () => {
    const words = /^ExecStart=(.*)$/m.exec(agentUnit())?.[1]?.split(' ') ?? []
    const found = findCommand(commands, words.slice(1))
    expect(found?.command.path).toEqual(['agent'])
    expect(parseCommand(found!.command, found!.rest).words).toEqual([])
  })

  it('quotes what systemd would read otherwise', () => {
    const unit = agentUnit({
      ...packagedAgent,
      command: ['/usr/bin/muster', 'agent', '--config', '/etc/my $conf/100%"x"'],
    })
    expect(unit).toContain(String.raw`--config "/etc/my $$conf/100%%\"x\""`)
  })
})
