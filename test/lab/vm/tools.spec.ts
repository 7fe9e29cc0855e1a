// Proves that a lab of machines gets what it lacks by itself, and names all of it where it cannot.
import { chmodSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'
import { provideVmTools } from '../../../src/lab/vm/tools.ts'

describe('the tools of a lab of machines', () => {
  let root: string
  let places: { code: string; variables: string }[]
  let asked: (readonly string[])[]
  const nothing = (): void => undefined
  beforeEach(() => {
    root = mkdtempSync(join(tmpdir(), 'muster-vm-tools-'))
    mkdirSync(join(root, 'bin'))
    vi.stubEnv('PATH', join(root, 'bin'))
    places = [
      { code: join(root, 'a.fd'), variables: join(root, 'absent.fd') },
      { code: join(root, 'b.fd'), variables: join(root, 'c.fd') },
    ]
    asked = []
  })
  afterEach(() => {
    vi.unstubAllEnvs()
    rmSync(root, { recursive: true, force: true })
  })

  function putFirmware(): void {
    for (const name of ['a.fd', 'b.fd', 'c.fd']) writeFileSync(join(root, name), '')
  }

  /** Whether QEMU is found depends on the host as well: it is looked for where Debian puts it. */
  function putQemu(): void {
    writeFileSync(join(root, 'bin/qemu-system-x86_64'), '')
    chmodSync(join(root, 'bin/qemu-system-x86_64'), 0o755)
  }

  it('are left alone where the host has them', async () => {
    putQemu()
    putFirmware()
    const install = (packages: readonly string[]): Promise<string> => {
      asked.push(packages)
      return Promise.resolve('')
    }
    // The first place has only half of what a machine needs.
    expect(await provideVmTools(nothing, install, places)).toEqual(places[1])
    expect(asked).toEqual([])
  })

  it('are installed, and what is installed is told', async () => {
    putQemu()
    const said: string[] = []
    const install = (packages: readonly string[]): Promise<string> => {
      asked.push(packages)
      putFirmware()
      return Promise.resolve('')
    }
    const found = await provideVmTools((line) => said.push(line), install, places)
    expect(found).toEqual(places[1])
    expect(asked).toEqual([['ovmf']])
    expect(said).toEqual(["getting ovmf from Debian's packages"])
  })

  it('that cannot be got are named, with the reason and what to type', async () => {
    putQemu()
    await expect(
      provideVmTools(nothing, () => Promise.resolve('only root can install them'), places),
    ).rejects.toMatchObject({
      code: 'ERR_LAB_TOOLS',
      message: expect.stringContaining('UEFI firmware, which could not be installed: only root'),
      hint: 'On Debian: apt-get install ovmf.',
    })
    await expect(provideVmTools(nothing, () => Promise.resolve(''), places)).rejects.toThrow(
      'it was not found afterwards',
    )
  })
})
