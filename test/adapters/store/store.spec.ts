// Proves that the file store and the fake keep the port's promises (shared suite), and what the file store
// does with real files: modes, lock, damage, foreign formats, clones and the errors that name them.
import { execFile } from 'node:child_process'
import { chmod, mkdir, mkdtemp, readdir, readFile, rm, stat, truncate, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { encodeCopy } from '../../../src/adapters/store/document.ts'
import { emptyChain } from '../../../src/adapters/store/chain-log.ts'
import type { OpenedState } from '../../../src/adapters/store/open-state.ts'
import { openState } from '../../../src/adapters/store/open-state.ts'
import type { BirthRecord } from '../../../src/core/identity/birth.ts'
import { unknownBirth } from '../../../src/core/identity/birth.ts'
import type { Write } from '../../../src/core/ports.ts'
import { createMemoryDisk, createMemoryStore } from '../../../src/testing/memory-store.ts'
import { storeSuite } from '../../../src/testing/store-suite.ts'

let root: string
let directory: string
let seeds = 0

beforeEach(async () => {
  root = await mkdtemp(join(tmpdir(), 'muster-store-'))
  directory = join(root, 'state')
})
afterEach(() => rm(root, { recursive: true, force: true }))

const open = (birth: BirthRecord = unknownBirth): Promise<OpenedState> =>
  openState({ directory, birth, createSeed: () => new Uint8Array(32).fill((seeds += 1)) })

/** Opens, lets `act` write, closes. */
async function using<T>(act: (opened: OpenedState) => Promise<T>, birth?: BirthRecord): Promise<T> {
  const opened = await open(birth)
  try {
    return await act(opened)
  } finally {
    await opened.store.close()
  }
}

const put = (key: 'boot' | 'plan', n: number): Write => ({ op: 'put', key, value: { n } })
const append = (n: number): Write => ({ op: 'append', log: 'chain', value: { n } })

describe('the file store', () => {
  it.each(storeSuite)('$name', async ({ run }) => {
    const harness = { open: async () => (await open()).store }
    await expect(run(harness)).resolves.toBeUndefined()
  })
})

describe('the memory store', () => {
  it.each(storeSuite)('$name', async ({ run }) => {
    const disk = createMemoryDisk()
    const harness = { open: async () => createMemoryStore(disk) }
    await expect(run(harness)).resolves.toBeUndefined()
  })
})

describe('a state directory', () => {
  it('is made for its owner alone, and so are its files', async () => {
    await using(({ store }) => store.persist([put('boot', 1), append(1)]))
    expect((await stat(directory)).mode & 0o777).toBe(0o700)
    const names = (await readdir(directory)).toSorted()
    expect(names).toEqual(['a.state', 'b.state', 'chain.log', 'lock'])
    const modes = await Promise.all(
      names.map(async (name) => (await stat(join(directory, name))).mode & 0o777),
    )
    expect(modes).toEqual(names.map(() => 0o600))
  })

  it('that others may read is closed to them', async () => {
    await mkdir(directory, { mode: 0o755 })
    await chmod(directory, 0o755)
    await using(async () => undefined)
    expect((await stat(directory)).mode & 0o777).toBe(0o700)
  })

  it('keeps its identity across starts', async () => {
    const first = await using(async (opened) => opened)
    const second = await using(async (opened) => opened)
    expect([first.created, second.created]).toEqual([true, false])
    expect(second.seed).toEqual(first.seed)
    expect(second.repairs).toEqual([])
  })

  it('is refused to a second agent, with the first one’s process id', async () => {
    const { store } = await open()
    await expect(open()).rejects.toMatchObject({ code: 'ERR_STATE_LOCKED', details: { pid: process.pid } })
    await store.close()
    await using(async ({ created }) => expect(created).toBe(false))
  })

  it('is free again after its agent was killed', async () => {
    const script = `
      import { openState } from ${JSON.stringify(join(import.meta.dirname, '../../../src/adapters/store/open-state.ts'))}
      const birth = ${JSON.stringify(unknownBirth)}
      const { store } = await openState({ directory: ${JSON.stringify(directory)}, birth, createSeed: () => new Uint8Array(32) })
      await store.persist([{ op: 'put', key: 'boot', value: { n: 5 } }])
      process.kill(process.pid, 'SIGKILL')`
    const run = promisify(execFile)(process.execPath, ['--input-type=module', '-e', script])
    await expect(run).rejects.toMatchObject({ signal: 'SIGKILL' })
    await using(async ({ store, created }) => {
      expect(created).toBe(false)
      expect((await store.load()).values).toEqual({ boot: { n: 5 } })
    })
  })
})

describe('damage', () => {
  it.each(['a.state', 'b.state'])('of %s alone is mended from the other copy', async (name) => {
    const { seed } = await using(async (opened) => {
      await opened.store.persist([put('boot', 1)])
      return opened
    })
    const path = join(directory, name)
    const whole = await readFile(path)
    for (const at of [0, 9, 15, 21, 30, whole.length - 1]) {
      const rotten = Buffer.from(await readFile(path))
      rotten[at]! ^= 1
      await writeFile(path, rotten)
      await using(async (opened) => {
        expect(opened.seed).toEqual(seed)
        expect(opened.repairs).toHaveLength(1)
        expect((await opened.store.load()).values).toEqual({ boot: { n: 1 } })
      })
      await using(async ({ repairs }) => expect(repairs).toEqual([]))
    }
  })

  it('of both copies is a new identity, said so, with the old files put aside', async () => {
    const { seed } = await using(async (opened) => {
      await opened.store.persist([put('boot', 1), append(1)])
      return opened
    })
    for (const name of ['a.state', 'b.state']) await truncate(join(directory, name), 70)
    await using(async (opened) => {
      expect(opened.seed).not.toEqual(seed)
      expect(opened.loss).toMatchObject({ kind: 'damaged' })
      expect(opened.loss!.reason).toContain('a.state: its length is wrong')
      expect(await opened.store.load()).toEqual({ values: {}, chain: [] })
    })
    expect((await readdir(directory)).filter((name) => name.includes('damaged')).toSorted()).toEqual([
      'a.state.damaged-1',
      'b.state.damaged-1',
      'chain.log.damaged-1',
    ])
    await using(async ({ loss, created }) => expect([loss, created]).toEqual([undefined, false]))
  })

  it('of the chain is refused loudly and changes nothing', async () => {
    await using(({ store }) => store.persist([append(1), append(2)]))
    const path = join(directory, 'chain.log')
    const whole = await readFile(path)
    await truncate(path, whole.length - 1)
    await expect(open()).rejects.toMatchObject({
      code: 'ERR_STATE_DAMAGED',
      message: expect.stringContaining('chain.log: it is damaged after 1 of 2 records'),
    })
    await rm(path)
    await expect(open()).rejects.toMatchObject({ code: 'ERR_STATE_DAMAGED' })
    // Brought back from a copy, with a torn tail behind it, all is well.
    await writeFile(path, Buffer.concat([whole, whole.subarray(0, 11)]))
    await using(async ({ store }) => {
      expect((await store.load()).chain).toEqual([{ n: 1 }, { n: 2 }])
      await store.persist([append(3)])
    })
    await using(async ({ store }) => expect((await store.load()).chain).toHaveLength(3))
  })

  it('is not what a newer format is', async () => {
    await using(async () => undefined)
    const document = { seed: new Uint8Array(32), birth: unknownBirth, chain: emptyChain, values: {} }
    const newer = Buffer.from(encodeCopy(document, 99))
    const { createHash } = await import('node:crypto')
    newer.writeUInt32BE(2, 8)
    createHash('sha256').update(newer.subarray(0, 24)).update(newer.subarray(56)).digest().copy(newer, 24)
    await writeFile(join(directory, 'a.state'), newer)
    await expect(open()).rejects.toMatchObject({ code: 'ERR_STATE_FORMAT', details: { found: 2, known: 1 } })
  })
})

describe('another machine', () => {
  const here: BirthRecord = {
    machineId: 'm',
    productUuid: 'uuid-1',
    macs: ['52:54:00:00:00:01'],
    diskSerial: 's1',
  }
  const there: BirthRecord = {
    machineId: 'm',
    productUuid: 'uuid-2',
    macs: ['52:54:00:00:00:02'],
    diskSerial: 's2',
  }

  it('before the charter is a clone: a new key, the old state put aside', async () => {
    const { seed } = await using(async (opened) => opened, here)
    const clone = await using(async (opened) => opened, there)
    expect(clone.seed).not.toEqual(seed)
    expect(clone.loss).toMatchObject({ kind: 'cloned' })
    expect(await readdir(directory)).toContain('a.state.cloned-1')
  })

  it('after the charter is quarantine, until the birth record is adopted', async () => {
    const { seed } = await using(async (opened) => {
      await opened.store.persist([put('plan', 1), append(0)])
      return opened
    }, here)
    await using(async (opened) => {
      expect(opened.decision.kind).toBe('quarantine')
      expect(opened.seed).toEqual(seed)
      expect((await opened.store.load()).chain).toEqual([{ n: 0 }])
      await opened.store.adoptBirth(there)
    }, there)
    await using(async ({ decision }) => expect(decision.kind).toBe('keep'), there)
  })

  it('can be told to become somebody new', async () => {
    const { seed } = await using(async (opened) => {
      await opened.store.persist([put('plan', 1), append(0)])
      await opened.store.abandon()
      return opened
    }, here)
    await using(async (opened) => {
      expect(opened.seed).not.toEqual(seed)
      expect(opened.loss?.reason).toContain('chain.log.cloned-1')
    }, there)
  })

  it('with a replaced part is the same one, and the record is rewritten', async () => {
    await using(async () => undefined, here)
    const repaired = { ...here, diskSerial: 's9' }
    await using(async ({ decision }) => expect(decision).toMatchObject({ rewriteBirth: true }), repaired)
    await using(async ({ decision }) => expect(decision).toMatchObject({ rewriteBirth: false }), repaired)
  })
})

describe('errors', () => {
  it('name a path that is no directory', async () => {
    await writeFile(directory, '')
    await expect(open()).rejects.toMatchObject({
      code: 'ERR_STATE_UNREADABLE',
      message: expect.stringContaining('not a directory'),
    })
  })

  it('leave a file alone that stands where the directory should be', async () => {
    await writeFile(directory, 'precious', { mode: 0o644 })
    await expect(open()).rejects.toMatchObject({ code: 'ERR_STATE_UNREADABLE' })
    expect((await stat(directory)).mode & 0o777).toBe(0o644)
  })

  it.skipIf(process.platform !== 'linux')('name a place where nothing can be made', async () => {
    directory = '/proc/muster-state/deep'
    await expect(open()).rejects.toMatchObject({ code: 'ERR_STATE_UNREADABLE' })
  })

  it.skipIf(process.getuid?.() !== 0)(
    'name a full disk, and the state from before is whole (skipped without root: it mounts a small tmpfs)',
    async () => {
      const script = `
        import { openState } from ${JSON.stringify(join(import.meta.dirname, '../../../src/adapters/store/open-state.ts'))}
        const init = { directory: ${JSON.stringify(directory)}, birth: ${JSON.stringify(unknownBirth)}, createSeed: () => new Uint8Array(32) }
        const put = (bytes) => [{ op: 'put', key: 'plan', value: { bytes: new Uint8Array(bytes) } }]
        const first = await openState(init)
        await first.store.persist(put(10))
        const code = await first.store.persist(put(400_000)).catch((error) => error.code)
        await first.store.persist(put(20))
        await first.store.close()
        const second = await openState(init)
        const { values } = await second.store.load()
        console.log(JSON.stringify([code, second.created, values.plan.bytes.length]))`
      await mkdir(directory)
      // The mount lives in the child's own mount namespace and ends with it.
      const { stdout } = await promisify(execFile)('unshare', [
        '--mount',
        'sh',
        '-c',
        'mount -t tmpfs -o size=512k none "$1" && exec "$2" --input-type=module -e "$3"',
        'sh',
        directory,
        process.execPath,
        script,
      ])
      expect(JSON.parse(stdout)).toEqual(['ERR_STATE_FULL', false, 20])
    },
  )
})
