import type { FileSystem, Lock } from '../../../src/adapters/store/file-system.ts'

/** The machine stopped in the middle of a call. */
export class CrashError extends Error {
  override readonly name = 'CrashError'
}

interface Inode {
  /** What a read sees before the crash. */
  current: Uint8Array
  /** What is known to be on the disk. */
  durable: Uint8Array
}

type NameChange =
  | { readonly op: 'link'; readonly name: string; readonly inode: Inode }
  | { readonly op: 'unlink'; readonly name: string }
  | { readonly op: 'rename'; readonly from: string; readonly to: string; readonly inode: Inode }

/** Files by name, as a disk holds them while the power is off. */
export type DiskImage = ReadonlyMap<string, Uint8Array>

/**
 * A file system of one directory that can stop at any step of any call and then tells every disk that may
 * be found afterwards: each unsynced file may be old, new or torn, and any subset of the name changes since
 * the last directory sync may have reached the disk, in no particular order.
 */
export class CrashingFileSystem implements FileSystem {
  readonly #names = new Map<string, Inode>()
  readonly #durableNames = new Map<string, Inode>()
  #pending: NameChange[] = []
  #stepsLeft: number
  #crashed = false
  /** Steps taken so far. */
  steps = 0
  /** Fails the call that makes this step, once, with this code; the machine goes on. */
  failAt: { readonly step: number; readonly code: string } | undefined

  constructor(image: DiskImage = new Map(), crashAfterSteps: number = Number.POSITIVE_INFINITY) {
    for (const [name, bytes] of image) {
      const inode: Inode = { current: bytes, durable: bytes }
      this.#names.set(name, inode)
      this.#durableNames.set(name, inode)
    }
    this.#stepsLeft = crashAfterSteps
  }

  /** Every disk that may be found after a power cut now. */
  possibleImages(): readonly DiskImage[] {
    const images: DiskImage[] = []
    for (let subset = 0; subset < 2 ** this.#pending.length; subset += 1) {
      const names = new Map(this.#durableNames)
      this.#pending.forEach((change, index) => {
        if ((subset >> index) % 2 === 1) applyChange(names, change)
      })
      for (const pick of ['durable', 'current', 'torn'] as const) {
        images.push(new Map([...names].map(([name, inode]) => [name, contentAfterCrash(inode, pick)])))
      }
    }
    return images
  }

  /** Files as they are read now. */
  image(): DiskImage {
    return new Map([...this.#names].map(([name, inode]) => [name, inode.current]))
  }

  async ensureDirectory(): Promise<void> {
    this.#step()
  }

  async list(): Promise<readonly string[]> {
    this.#step()
    return [...this.#names.keys()]
  }

  async read(path: string): Promise<Uint8Array | undefined> {
    this.#step()
    return this.#names.get(nameOf(path))?.current
  }

  async writeSynced(path: string, bytes: Uint8Array): Promise<void> {
    const inode = this.#open(path)
    this.#step()
    inode.current = new Uint8Array()
    this.#step()
    inode.current = bytes
    this.#step()
    inode.durable = bytes
  }

  async appendSynced(path: string, offset: number, bytes: Uint8Array): Promise<void> {
    const inode = this.#open(path)
    this.#step()
    inode.current = inode.current.slice(0, offset)
    this.#step()
    inode.current = Buffer.concat([inode.current, bytes])
    this.#step()
    inode.durable = inode.current
  }

  async rename(from: string, to: string): Promise<void> {
    this.#step()
    const inode = this.#names.get(nameOf(from))
    if (inode === undefined) throw Object.assign(new Error('no such file'), { code: 'ENOENT' })
    this.#change({ op: 'rename', from: nameOf(from), to: nameOf(to), inode })
  }

  async remove(path: string): Promise<void> {
    this.#step()
    if (this.#names.has(nameOf(path))) this.#change({ op: 'unlink', name: nameOf(path) })
  }

  async syncDirectory(): Promise<void> {
    this.#step()
    for (const change of this.#pending) applyChange(this.#durableNames, change)
    this.#pending = []
  }

  async lock(): Promise<Lock> {
    return { release: async () => {} }
  }

  #open(path: string): Inode {
    this.#step()
    const known = this.#names.get(nameOf(path))
    if (known !== undefined) return known
    const inode: Inode = { current: new Uint8Array(), durable: new Uint8Array() }
    this.#change({ op: 'link', name: nameOf(path), inode })
    return inode
  }

  #change(change: NameChange): void {
    applyChange(this.#names, change)
    this.#pending.push(change)
  }

  #step(): void {
    if (this.#crashed || this.#stepsLeft <= 0) {
      this.#crashed = true
      throw new CrashError('the power is gone')
    }
    this.#stepsLeft -= 1
    this.steps += 1
    if (this.failAt?.step === this.steps)
      throw Object.assign(new Error('injected'), { code: this.failAt.code })
  }
}

function applyChange(names: Map<string, Inode>, change: NameChange): void {
  if (change.op === 'unlink') names.delete(change.name)
  else if (change.op === 'link') names.set(change.name, change.inode)
  else {
    names.delete(change.from)
    names.set(change.to, change.inode)
  }
}

function contentAfterCrash(inode: Inode, pick: 'durable' | 'current' | 'torn'): Uint8Array {
  if (pick === 'durable' || inode.current === inode.durable) return inode.durable
  if (pick === 'current') return inode.current
  // Half of what was to be written arrived, and the file got its full length first: the rest reads as zeros.
  const torn = new Uint8Array(inode.current.length)
  torn.set(inode.current.subarray(0, Math.floor((inode.durable.length + inode.current.length) / 2)))
  return torn
}

function nameOf(path: string): string {
  return path.slice(path.lastIndexOf('/') + 1)
}
