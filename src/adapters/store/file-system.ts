import { chmod, mkdir, open, readdir, readFile, rename, rm, stat } from 'node:fs/promises'
import { dirname, resolve } from 'node:path'
import { acquireLock } from './lock.ts'

/** An exclusive hold on a file. It ends with the process, however that ends. */
export interface Lock {
  release(): Promise<void>
}

/**
 * The few file system calls that the store makes, so that a test can stop the machine at every one of them.
 * Failures are Node's own errors with their `code`.
 */
export interface FileSystem {
  /** Makes a directory for its owner alone (0700), or makes an existing one so. */
  ensureDirectory(path: string): Promise<void>
  /** Names in a directory. */
  list(path: string): Promise<readonly string[]>
  /** The whole file, or undefined where there is none. */
  read(path: string): Promise<Uint8Array | undefined>
  /** Makes or replaces a file (0600). Its bytes, not yet its name, are durable when it resolves. */
  writeSynced(path: string, bytes: Uint8Array): Promise<void>
  /** Cuts the file at `offset`, makes it if need be (0600), appends. The bytes are durable when it resolves. */
  appendSynced(path: string, offset: number, bytes: Uint8Array): Promise<void>
  /** Replaces `to` in one step. Not durable before `syncDirectory`. */
  rename(from: string, to: string): Promise<void>
  /** Removes a file if it is there. */
  remove(path: string): Promise<void>
  /** Makes the names in a directory durable. */
  syncDirectory(path: string): Promise<void>
  /** Takes a lock, or yields the holder's process id (0: unknown) where somebody has it. */
  lock(path: string): Promise<Lock | { readonly heldBy: number }>
}

/** The real file system. */
export const nodeFileSystem: FileSystem = {
  async ensureDirectory(path) {
    await makeDirectory(resolve(path), 0o700)
    if (!(await stat(path)).isDirectory()) {
      throw Object.assign(new Error(`not a directory: ${path}`), { code: 'ENOTDIR' })
    }
    await chmod(path, 0o700)
  },
  list: (path) => readdir(path),
  async read(path) {
    try {
      return await readFile(path)
    } catch (error) {
      if (isCode(error, 'ENOENT')) return undefined
      throw error
    }
  },
  async writeSynced(path, bytes) {
    await using file = await open(path, 'w', 0o600)
    await file.writeFile(bytes)
    await file.sync()
  },
  async appendSynced(path, offset, bytes) {
    // `a` would write at the end, wherever a torn write left that.
    await using file = await openOrMake(path)
    await file.truncate(offset)
    let written = 0
    while (written < bytes.length) {
      const result = await file.write(bytes, written, bytes.length - written, offset + written)
      written += result.bytesWritten
    }
    await file.sync()
  },
  rename,
  remove: (path) => rm(path, { force: true }),
  syncDirectory,
  lock: acquireLock,
}

/** Whether an error is the file system's own with this code. */
export function isCode(error: unknown, ...codes: readonly string[]): boolean {
  return error instanceof Error && 'code' in error && codes.includes(String(error.code))
}

/**
 * Makes a directory and the ones above it, each with a durable name: an identity must not vanish with the
 * directory that it was made in. (Node's own recursive mkdir does not sync, and spins for ever where a
 * filesystem answers ENOENT although the parent is there, as /proc does.)
 */
async function makeDirectory(path: string, mode: number): Promise<void> {
  const parent = dirname(path)
  try {
    await mkdir(path, { mode })
  } catch (error) {
    if (isCode(error, 'EEXIST')) return
    if (!isCode(error, 'ENOENT') || parent === path) throw error
    await makeDirectory(parent, 0o755)
    await mkdir(path, { mode })
  }
  await syncDirectory(parent)
}

async function syncDirectory(path: string): Promise<void> {
  await using directory = await open(path, 'r')
  await directory.sync()
}

async function openOrMake(path: string): ReturnType<typeof open> {
  try {
    return await open(path, 'r+')
  } catch (error) {
    if (!isCode(error, 'ENOENT')) throw error
    return open(path, 'wx+', 0o600)
  }
}
