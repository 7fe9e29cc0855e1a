// Proves that a crash at any step of any call leaves the old or the new state, never a mix and never a loss:
// a model disk stops at every step, and every disk that may be found afterwards is opened again.
import { expect, it } from 'vitest'
import type { OpenedState } from '../../../src/adapters/store/open-state.ts'
import { openState } from '../../../src/adapters/store/open-state.ts'
import { unknownBirth } from '../../../src/core/identity/birth.ts'
import type { StoredState, Write } from '../../../src/core/ports.ts'
import type { DiskImage } from './crashing-file-system.ts'
import { CrashError, CrashingFileSystem } from './crashing-file-system.ts'

const seed = new Uint8Array(32).fill(7)
const otherSeed = new Uint8Array(32).fill(8)

function open(fileSystem: CrashingFileSystem, createSeed = () => otherSeed): Promise<OpenedState> {
  return openState({ directory: '/state', birth: unknownBirth, createSeed, fileSystem })
}

async function stateOf(
  image: DiskImage,
): Promise<{ opened: OpenedState; state: StoredState; after: DiskImage }> {
  const fileSystem = new CrashingFileSystem(image)
  const opened = await open(fileSystem)
  return { opened, state: await opened.store.load(), after: fileSystem.image() }
}

/** A disk with a first state of two values and one chain record. */
async function firstDisk(): Promise<DiskImage> {
  const fileSystem = new CrashingFileSystem()
  const { store } = await open(fileSystem, () => seed)
  await store.persist([put('boot', 1), put('register', 1), append(0)])
  return fileSystem.image()
}

const put = (key: 'boot' | 'register' | 'seen', n: number): Write => ({ op: 'put', key, value: { n } })
const append = (n: number): Write => ({ op: 'append', log: 'chain', value: { n } })

const writes: readonly Write[] = [put('register', 2), put('seen', 2), append(1), append(2)]
const oldState: StoredState = { values: { boot: { n: 1 }, register: { n: 1 } }, chain: [{ n: 0 }] }
const newState: StoredState = {
  values: { boot: { n: 1 }, register: { n: 2 }, seen: { n: 2 } },
  chain: [{ n: 0 }, { n: 1 }, { n: 2 }],
}

/** Runs `act` on the disk again and again, stopping one step later each time, until it comes through. */
async function forEachCrash(
  image: DiskImage,
  act: (fileSystem: CrashingFileSystem) => Promise<void>,
  check: (found: DiskImage, finished: boolean) => Promise<void>,
): Promise<{ crashes: number; disks: number }> {
  let disks = 0
  for (let steps = 0; ; steps += 1) {
    const fileSystem = new CrashingFileSystem(image, steps)
    const finished = await act(fileSystem).then(
      () => true,
      (error: unknown) => {
        const cause = error instanceof Error && error.cause instanceof Error ? error.cause : error
        if (!(cause instanceof CrashError)) throw error
        return false
      },
    )
    for (const found of fileSystem.possibleImages()) {
      disks += 1
      await check(found, finished)
    }
    if (finished) return { crashes: steps, disks }
  }
}

it('a crash during a persist leaves the old state or the new one', async () => {
  const seen = { old: 0, new: 0 }
  const counts = await forEachCrash(
    await firstDisk(),
    async (fileSystem) => {
      const { store } = await open(fileSystem)
      await store.persist(writes)
    },
    async (found, finished) => {
      const { opened, state, after } = await stateOf(found)
      expect({ created: opened.created, loss: opened.loss, seed: opened.seed }).toEqual({
        created: false,
        loss: undefined,
        seed,
      })
      const isNew = state.chain.length === newState.chain.length
      expect(state).toEqual(isNew ? newState : oldState)
      // What was answered is there.
      if (finished) expect(isNew).toBe(true)
      seen[isNew ? 'new' : 'old'] += 1
      // What was once read is read again although one copy rots, whichever.
      for (const rotten of ['a.state', 'b.state']) {
        expect((await stateOf(new Map([...after, [rotten, new Uint8Array(80)]]))).state).toEqual(state)
      }
    },
  )
  expect(counts.crashes).toBeGreaterThan(15)
  expect(Math.min(seen.old, seen.new)).toBeGreaterThan(10)
})

it('a crash during the very first persist, which makes the chain’s file, leaves nothing or all of it', async () => {
  const fresh = new CrashingFileSystem()
  await open(fresh, () => seed)
  await forEachCrash(
    fresh.image(),
    async (fileSystem) => {
      const { store } = await open(fileSystem)
      await store.persist([put('boot', 1), append(0)])
    },
    async (found, finished) => {
      const { opened, state } = await stateOf(found)
      expect(opened.seed).toEqual(seed)
      const kept = { values: { boot: { n: 1 } }, chain: [{ n: 0 }] }
      if (finished || state.chain.length > 0) expect(state).toEqual(kept)
      else expect(state).toEqual({ values: {}, chain: [] })
    },
  )
})

it('a crash after a crash, while the copies are mended, loses nothing either', async () => {
  const found = new Set<DiskImage>()
  await forEachCrash(
    await firstDisk(),
    async (fileSystem) => {
      const { store } = await open(fileSystem)
      await store.persist(writes)
    },
    async (image) => void found.add(image),
  )
  for (const image of found) {
    const before = (await stateOf(image)).state
    await forEachCrash(
      image,
      async (fileSystem) => {
        await open(fileSystem)
      },
      async (again) => {
        const { opened, state } = await stateOf(again)
        expect(opened.created).toBe(false)
        // Before the first mending is done, nobody has read the state: either is right then.
        expect([oldState, newState]).toContainEqual(state)
        if (before.chain.length === 1) expect(state).toEqual(oldState)
      },
    )
  }
})

it('work goes on after any crash: the next persist is kept whole', async () => {
  await forEachCrash(
    await firstDisk(),
    async (fileSystem) => {
      const { store } = await open(fileSystem)
      await store.persist(writes)
    },
    async (found) => {
      const fileSystem = new CrashingFileSystem(found)
      const { store } = await open(fileSystem)
      const { chain } = await store.load()
      await store.persist([put('register', 9), append(9)])
      const { state } = await stateOf(fileSystem.image())
      expect(state.chain).toEqual([...chain, { n: 9 }])
      expect(state.values['register']).toEqual({ n: 9 })
    },
  )
})

it('a crash during the first start is a first start again, or the identity that was made', async () => {
  const { crashes } = await forEachCrash(
    new Map(),
    async (fileSystem) => {
      await open(fileSystem, () => seed)
    },
    async (found, finished) => {
      const { opened } = await stateOf(found)
      expect(opened.loss).toBeUndefined()
      expect(opened.seed).toEqual(opened.created ? otherSeed : seed)
      if (finished) expect(opened.created).toBe(false)
    },
  )
  expect(crashes).toBeGreaterThan(8)
})

it('a crash while a damaged state is put aside never brings the old key back, and is reported', async () => {
  const damaged = new Map(await firstDisk())
  damaged.set('a.state', new Uint8Array(100))
  damaged.set('b.state', new Uint8Array(0))
  await forEachCrash(
    damaged,
    async (fileSystem) => {
      await open(fileSystem)
    },
    async (found, finished) => {
      const { opened, state } = await stateOf(found)
      expect(opened.seed).toEqual(otherSeed)
      expect(state).toEqual({ values: {}, chain: [] })
      if (opened.created) expect(opened.loss?.kind).toBe('damaged')
      if (finished) expect(opened.created).toBe(false)
    },
  )
})

it.each(['ENOSPC', 'EIO'])('%s at any step is a coded error, and the state stays whole', async (code) => {
  const image = await firstDisk()
  const clean = new CrashingFileSystem(image)
  const { store: cleanStore } = await open(clean)
  const opening = clean.steps
  await cleanStore.persist(writes)
  const codes = new Set<unknown>()
  for (let step = opening + 1; step <= clean.steps; step += 1) {
    const fileSystem = new CrashingFileSystem(image)
    const { store } = await open(fileSystem)
    fileSystem.failAt = { step, code }
    const error: unknown = await store.persist(writes).catch((reason: unknown) => reason)
    const errorCode = (error as { code: string }).code
    codes.add(errorCode)
    const { opened, state } = await stateOf(fileSystem.image())
    expect(opened.created).toBe(false)
    if (errorCode === 'ERR_STATE_UNSURE') {
      // The names may or may not have changed: the store says nothing more until it is opened again.
      expect([oldState, newState]).toContainEqual(state)
      await expect(store.persist(writes)).rejects.toMatchObject({ code: 'ERR_STATE_UNSURE' })
      await expect(store.load()).rejects.toMatchObject({ code: 'ERR_STATE_UNSURE' })
    } else {
      expect(state).toEqual(oldState)
      expect(await store.load()).toEqual(oldState)
      await store.persist(writes)
      expect((await stateOf(fileSystem.image())).state).toEqual(newState)
    }
  }
  expect(codes).toEqual(
    new Set([code === 'EIO' ? 'ERR_STATE_UNREADABLE' : 'ERR_STATE_FULL', 'ERR_STATE_UNSURE']),
  )
})
