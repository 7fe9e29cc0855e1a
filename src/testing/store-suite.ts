import assert from 'node:assert/strict'
import type { Store, Write } from '../core/ports.ts'

/** What a store under test is opened on: the same state each time, as after a restart of the agent. */
export interface StoreHarness {
  open(): Promise<Store>
}

/** One promise of the port, to be run in any test runner: `for (const c of storeSuite) it(c.name, …)`. */
export interface StoreCase {
  readonly name: string
  run(harness: StoreHarness): Promise<void>
}

const put = (key: Extract<Write, { op: 'put' }>['key'], value: object): Write => ({ op: 'put', key, value })
const append = (value: object): Write => ({ op: 'append', log: 'chain', value })

/** Writes, closes, opens again and hands the new store to `check`. */
async function afterRestart(
  harness: StoreHarness,
  write: (store: Store) => Promise<void>,
  check: (store: Store) => Promise<void>,
): Promise<void> {
  const before = await harness.open()
  await write(before)
  await before.close()
  const after = await harness.open()
  await check(after)
  await after.close()
}

/** Everything that port `Store` promises, apart from crashes, which only a store on a disk can have. */
export const storeSuite: readonly StoreCase[] = [
  {
    name: 'is empty at first',
    async run(harness) {
      const store = await harness.open()
      assert.deepEqual(await store.load(), { values: {}, chain: [] })
      await store.close()
    },
  },
  {
    name: 'keeps values and the chain across a restart',
    run: (harness) =>
      afterRestart(
        harness,
        async (store) => {
          await store.persist([put('boot', { counter: 1, nonce: 'ab' }), append({ generation: 0 })])
          await store.persist([put('seen', { ids: ['x', 'y'] }), append({ generation: 1 })])
        },
        async (store) =>
          assert.deepEqual(await store.load(), {
            values: { boot: { counter: 1, nonce: 'ab' }, seen: { ids: ['x', 'y'] } },
            chain: [{ generation: 0 }, { generation: 1 }],
          }),
      ),
  },
  {
    name: 'keeps the last of several values of one key',
    run: (harness) =>
      afterRestart(
        harness,
        async (store) => {
          await store.persist([put('register', { promised: 1 }), put('register', { promised: 2 })])
          await store.persist([put('register', { promised: 3 })])
        },
        async (store) => assert.deepEqual((await store.load()).values['register'], { promised: 3 }),
      ),
  },
  {
    name: 'appends in the order of the writes, and takes none twice',
    run: (harness) =>
      afterRestart(
        harness,
        async (store) => {
          await store.persist([append({ n: 0 }), append({ n: 1 })])
          await store.persist([put('boot', { counter: 1 })])
          await store.persist([append({ n: 2 })])
        },
        async (store) => assert.deepEqual((await store.load()).chain, [{ n: 0 }, { n: 1 }, { n: 2 }]),
      ),
  },
  {
    name: 'keeps bytes, nulls, nesting and numbers beyond 32 bits',
    async run(harness) {
      const value = { bytes: Uint8Array.of(0, 255), none: null, deep: [{ list: [[], {}] }], big: 2 ** 48 }
      await afterRestart(
        harness,
        (store) => store.persist([put('plan', value)]),
        async (store) => assert.deepEqual((await store.load()).values['plan'], value),
      )
    },
  },
  {
    name: 'carries out calls that overlap one after another',
    run: (harness) =>
      afterRestart(
        harness,
        async (store) => {
          const calls = Array.from({ length: 8 }, (_, n) =>
            store.persist([put('register', { n }), append({ n })]),
          )
          await Promise.all(calls)
        },
        async (store) => {
          const { values, chain } = await store.load()
          assert.deepEqual(values['register'], { n: 7 })
          assert.deepEqual(
            chain,
            Array.from({ length: 8 }, (_, n) => ({ n })),
          )
        },
      ),
  },
  {
    name: 'keeps what was asked, not what the caller made of the object afterwards',
    async run(harness) {
      const store = await harness.open()
      const value = { n: 1 }
      const persisted = store.persist([put('boot', value)])
      value.n = 2
      await persisted
      assert.deepEqual((await store.load()).values['boot'], { n: 1 })
      const loaded = (await store.load()).values['boot'] as { n: number }
      loaded.n = 3
      assert.deepEqual((await store.load()).values['boot'], { n: 1 })
      await store.close()
    },
  },
  {
    name: 'refuses a value that could not be read back, and keeps nothing of that call',
    run: (harness) =>
      afterRestart(
        harness,
        async (store) => {
          await store.persist([put('boot', { n: 1 })])
          await assert.rejects(
            store.persist([put('boot', { n: 2 }), append({ n: 2 }), put('plan', { hole: undefined })]),
          )
        },
        async (store) => assert.deepEqual(await store.load(), { values: { boot: { n: 1 } }, chain: [] }),
      ),
  },
  {
    name: 'takes a call without writes',
    async run(harness) {
      const store = await harness.open()
      await store.persist([])
      assert.deepEqual(await store.load(), { values: {}, chain: [] })
      await store.close()
    },
  },
  {
    name: 'refuses everything after close, and closes twice without complaint',
    async run(harness) {
      const store = await harness.open()
      await store.close()
      await store.close()
      await assert.rejects(store.persist([put('boot', { n: 1 })]))
      await assert.rejects(store.load())
    },
  },
]
