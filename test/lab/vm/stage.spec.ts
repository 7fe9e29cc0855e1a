// Proves that a machine's serial console is read as a person would read it: which boot it is, what for, and what went wrong.
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { readConsole, viewConsole } from '../../../src/lab/vm/stage.ts'

const boot = (mode: string, rest = ''): string =>
  `BdsDxe: starting Boot0001 "UEFI Misc Device"\r\n[    0.0] Kernel command line: muster.mode=${mode} muster.root=ab\r\n${rest}`

describe('viewConsole', () => {
  it.each([
    { text: '', view: { stage: 'firmware', note: '', boots: 0 } },
    { text: 'BdsDxe: starting Boot0001 "CD"\r\n', view: { stage: 'firmware', note: '', boots: 1 } },
    { text: boot('live'), view: { stage: 'live', note: '', boots: 1 } },
    {
      text: boot('live', 'muster install: writing muster-a\r\nmuster install: verifying muster-a\r\n'),
      view: { stage: 'installing', note: 'verifying muster-a', boots: 1 },
    },
    {
      text: `${boot('live', 'muster install: done\r\n')}${boot('installed')}`,
      view: { stage: 'installed', note: '', boots: 2 },
    },
    { text: boot('recovery'), view: { stage: 'recovery', note: '', boots: 1 } },
    {
      text: boot(
        'installed',
        '[    3.1] muster: this boot has failed: no slot holds it; starting again in 5 s\r\n',
      ),
      view: { stage: 'installed', note: 'no slot holds it; starting again in 5 s', boots: 1 },
    },
  ])('sees $view.stage at boot $view.boots', ({ text, view }) => {
    expect(viewConsole(text)).toEqual({ ...view, agent: '', hasPanicked: false })
  })

  it('sees a panic of the newest boot alone', () => {
    const panic = '[    4.2] Kernel panic - not syncing: Attempted to kill init!\r\n'
    const screen = 'muster: phase: k3s: starting\r\n[ 1.2] usb\r\nmuster: plan: 1 granted\r\n'
    expect(viewConsole(boot('installed', screen)).agent).toBe(
      'muster: phase: k3s: starting\nmuster: plan: 1 granted',
    )
    expect(viewConsole(boot('installed', screen) + boot('installed')).agent).toBe('')
    expect(viewConsole(boot('installed', panic))).toMatchObject({
      hasPanicked: true,
      note: 'the kernel panicked',
    })
    expect(viewConsole(boot('installed', panic) + boot('installed'))).toMatchObject({
      hasPanicked: false,
      boots: 2,
    })
  })
})

describe('readConsole', () => {
  it('takes the end of a log, without what moves a terminal', () => {
    const directory = mkdtempSync(join(tmpdir(), 'muster-console-'))
    try {
      const path = join(directory, 'console.log')
      expect(readConsole(path)).toBe('')
      writeFileSync(path, 'first\u001B[2J\u001B[01;01H\u001B[=3hsecond\0')
      expect(readConsole(path)).toBe('firstsecond')
      expect(readConsole(path, 7)).toBe('second')
    } finally {
      rmSync(directory, { recursive: true, force: true })
    }
  })
})
