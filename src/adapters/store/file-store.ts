import { join } from 'node:path'
import { MusterError } from '../../errors.ts'
import type { BirthRecord } from '../../core/identity/birth.ts'
import type { Codec } from '../../core/model/codec.ts'
import { decodeStrict, encodeCanonical } from '../../core/model/codec.ts'
import type { Store, StoredState, Write } from '../../core/ports.ts'
import { encodeRecords } from './chain-log.ts'
import type { StateDocument } from './document.ts'
import { encodeCopy } from './document.ts'
import type { FileSystem, Lock } from './file-system.ts'
import { chainName, copyNames, setAside } from './set-aside.ts'
import { stateError, wordsFor } from './state-errors.ts'

const temporary = (name: string): string => `${name}.tmp`

const anything: Codec<unknown> = { read: (value) => value }

/** What a store starts from. */
export interface FileStoreInit {
  readonly directory: string
  readonly fileSystem: FileSystem
  readonly lock: Lock
  readonly document: StateDocument
  readonly sequence: number
  readonly chain: readonly Uint8Array[]
}

/**
 * Port `Store` over one document in two synced copies and an append-only log. Made by `openState`.
 *
 *   persist:  append to chain.log, sync
 *             write a.state.tmp, sync · write b.state.tmp, sync      a failure up to here changes nothing
 *             rename a · sync directory · rename b · sync directory  a failure from here on: unsure, stop
 */
export class FileStore implements Store {
  readonly #directory: string
  readonly #fileSystem: FileSystem
  readonly #lock: Lock
  #document: StateDocument
  #sequence: number
  readonly #chain: Uint8Array[]
  /** The last call's end: calls are carried out one after another. */
  #last: Promise<void> = Promise.resolve()
  #failure: MusterError | undefined
  #closed = false

  constructor(init: FileStoreInit) {
    this.#directory = init.directory
    this.#fileSystem = init.fileSystem
    this.#lock = init.lock
    this.#document = init.document
    this.#sequence = init.sequence
    this.#chain = [...init.chain]
  }

  async load(): Promise<StoredState> {
    this.#assertUsable()
    const entries = Object.entries(this.#document.values)
    return {
      values: Object.fromEntries(entries.map(([key, encoded]) => [key, decodeStrict(anything, encoded)])),
      chain: this.#chain.map((encoded) => decodeStrict(anything, encoded)),
    }
  }

  async persist(writes: readonly Write[]): Promise<void> {
    // Encoded now, before the first await: what the caller changes afterwards is not what it asked to keep.
    const values: Record<string, Uint8Array> = {}
    const payloads: Uint8Array[] = []
    for (const write of writes) {
      if (write.op === 'put') values[write.key] = encodeReadable(write.value)
      else payloads.push(encodeReadable(write.value))
    }
    await this.#enqueue(() => this.#write({ values, payloads }))
  }

  /** Makes the machine of now the one that the identity was born on. */
  adoptBirth(birth: BirthRecord): Promise<void> {
    return this.#enqueue(() => this.#write({ birth }))
  }

  /** Writes both copies anew, whatever state they are in. Used at the opening, before anybody reads. */
  rewrite(): Promise<void> {
    return this.#enqueue(() => this.#write({}))
  }

  /** Puts the state aside and closes the store: the next opening makes a new identity and says why. */
  async abandon(): Promise<void> {
    await this.#enqueue(() => setAside(this.#fileSystem, this.#directory, 'cloned'))
    await this.close()
  }

  async close(): Promise<void> {
    if (this.#closed) return
    this.#closed = true
    await this.#last
    await this.#lock.release()
  }

  #enqueue(job: () => Promise<void>): Promise<void> {
    if (this.#closed) return Promise.reject(this.#unreadable('the store is closed'))
    const done = this.#last.then(job)
    this.#last = done.catch(() => undefined)
    return done
  }

  async #write(change: {
    readonly values?: Readonly<Record<string, Uint8Array>>
    readonly payloads?: readonly Uint8Array[]
    readonly birth?: BirthRecord
  }): Promise<void> {
    if (this.#failure !== undefined) throw this.#failure
    const payloads = change.payloads ?? []
    const records = encodeRecords(this.#document.chain, payloads)
    const document: StateDocument = {
      seed: this.#document.seed,
      birth: change.birth ?? this.#document.birth,
      chain: records.mark,
      values: { ...this.#document.values, ...change.values },
    }
    const sequence = this.#sequence + 1
    try {
      if (payloads.length > 0) await this.#append(records.bytes)
      await this.#prepare(encodeCopy(document, sequence))
    } catch (error) {
      await this.#discard()
      throw stateError(this.#directory, error)
    }
    try {
      await this.#replace()
    } catch (error) {
      const detail = wordsFor(error)
      this.#failure = new MusterError('ERR_STATE_UNSURE', { path: this.#directory, detail }, { cause: error })
      throw this.#failure
    }
    this.#document = document
    this.#sequence = sequence
    this.#chain.push(...payloads)
  }

  async #append(bytes: Uint8Array): Promise<void> {
    const offset = this.#document.chain.bytes
    await this.#fileSystem.appendSynced(join(this.#directory, chainName), offset, bytes)
    // The first record made the file: its name must be as durable as its bytes before a document counts on it.
    if (offset === 0) await this.#fileSystem.syncDirectory(this.#directory)
  }

  async #prepare(copy: Uint8Array): Promise<void> {
    for (const name of copyNames) {
      await this.#fileSystem.writeSynced(join(this.#directory, temporary(name)), copy)
    }
  }

  async #replace(): Promise<void> {
    for (const name of copyNames) {
      const path = join(this.#directory, name)
      await this.#fileSystem.rename(temporary(path), path)
      await this.#fileSystem.syncDirectory(this.#directory)
    }
  }

  /** Gives back the space of a persist that failed. The next one overwrites what cannot be removed now. */
  async #discard(): Promise<void> {
    for (const name of copyNames) {
      await this.#fileSystem.remove(join(this.#directory, temporary(name))).catch(() => undefined)
    }
  }

  #assertUsable(): void {
    if (this.#failure !== undefined) throw this.#failure
    if (this.#closed) throw this.#unreadable('the store is closed')
  }

  #unreadable(detail: string): MusterError {
    return new MusterError('ERR_STATE_UNREADABLE', { path: this.#directory, detail })
  }
}

/** Canonical bytes that are proved to be readable: a value that only fails at the next start is lost. */
function encodeReadable(value: object): Uint8Array {
  const encoded = encodeCanonical(value)
  decodeStrict(anything, encoded)
  return encoded
}
