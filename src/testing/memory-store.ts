import { decode, encode } from 'cborg'
import { invariant } from '../core/model/invariant.ts'
import type { Store, StoredState, Write } from '../core/ports.ts'

/** What a memory store leaves behind when it is closed or its host crashes: hand it to the next one. */
export interface MemoryDisk {
  readonly values: Map<string, Uint8Array>
  readonly chain: Uint8Array[]
}

/** An empty disk. */
export function createMemoryDisk(): MemoryDisk {
  return { values: new Map(), chain: [] }
}

/**
 * Fake of port `Store` without files. Values go through the real encoding, so that a test meets the same
 * refusals and never shares objects with the code under test.
 */
export function createMemoryStore(disk: MemoryDisk = createMemoryDisk()): Store {
  let closed = false
  return {
    async load(): Promise<StoredState> {
      invariant(!closed, 'the store is closed')
      return {
        values: Object.fromEntries([...disk.values].map(([key, encoded]) => [key, decodeValue(encoded)])),
        chain: disk.chain.map(decodeValue),
      }
    },
    async persist(writes: readonly Write[]): Promise<void> {
      invariant(!closed, 'the store is closed')
      const encoded = writes.map((write) => ({ write, bytes: encode(write.value) }))
      // All are readable before the first is kept: all or nothing.
      for (const { bytes } of encoded) decodeValue(bytes)
      for (const { write, bytes } of encoded) {
        if (write.op === 'put') disk.values.set(write.key, bytes)
        else disk.chain.push(bytes)
      }
    },
    async close(): Promise<void> {
      closed = true
    },
  }
}

function decodeValue(encoded: Uint8Array): unknown {
  return decode(encoded, { strict: true, allowUndefined: false })
}
