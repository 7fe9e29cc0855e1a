import {
  chmodSync,
  chownSync,
  closeSync,
  existsSync,
  fsyncSync,
  mkdirSync,
  openSync,
  readFileSync,
  readdirSync,
  renameSync,
  rmSync,
  writeFileSync,
} from 'node:fs'
import { dirname, join } from 'node:path'
import { posix } from 'node:path'

// Files of a machine below a root. All calls are synchronous: at boot there is nothing else to do meanwhile, and one
// start of the program is what the boot waits for.

/** A path of the machine below its root; `..` does not lead out of it. */
export function under(root: string, path: string): string {
  return root === '' ? path : join(root, posix.normalize(`/${path}`))
}

/** The text of a file, or undefined where there is none, or a directory. */
export function readIfThere(root: string, path: string): string | undefined {
  try {
    return readFileSync(under(root, path), 'utf8')
  } catch (error) {
    if (isMissing(error) || (error as NodeJS.ErrnoException).code === 'EISDIR') return undefined
    throw error
  }
}

export function exists(root: string, path: string): boolean {
  return existsSync(under(root, path))
}

/** Names in a directory, sorted; none where it is not there. */
export function namesIn(root: string, path: string): readonly string[] {
  try {
    return readdirSync(under(root, path)).toSorted()
  } catch (error) {
    if (isMissing(error)) return []
    throw error
  }
}

/** Numbers of a user and a group. */
export interface Ids {
  readonly uid: number
  readonly gid: number
}

export interface WriteOptions {
  readonly mode: number
  readonly ids?: Ids | undefined
  /** Survives a power cut once this returns: for what lies on a disk. */
  readonly durable?: boolean
}

/** Writes a whole file: whoever reads it sees the old one or the new one. Directories above it are made. */
export function writeWhole(
  root: string,
  path: string,
  content: string | Uint8Array,
  options: WriteOptions,
): void {
  const file = under(root, path)
  mkdirSync(dirname(file), { recursive: true })
  const temporary = `${file}.muster-new`
  rmSync(temporary, { force: true })
  const handle = openSync(temporary, 'wx', options.mode)
  try {
    writeFileSync(handle, content)
    if (options.durable === true) fsyncSync(handle)
  } finally {
    closeSync(handle)
  }
  // The mode of `open` is cut by the umask, and a change of owner takes away set-uid bits: owner first.
  if (options.ids !== undefined) chownSync(temporary, options.ids.uid, options.ids.gid)
  chmodSync(temporary, options.mode)
  renameSync(temporary, file)
  if (options.durable === true) syncDirectory(dirname(file))
}

/** Makes a directory with its mode and owner; those above it are made as usual. */
export function makeDirectory(root: string, path: string, options: WriteOptions): void {
  const directory = under(root, path)
  mkdirSync(directory, { recursive: true })
  if (options.ids !== undefined) chownSync(directory, options.ids.uid, options.ids.gid)
  chmodSync(directory, options.mode)
}

function syncDirectory(path: string): void {
  const handle = openSync(path, 'r')
  try {
    fsyncSync(handle)
  } finally {
    closeSync(handle)
  }
}

function isMissing(error: unknown): boolean {
  const code = (error as NodeJS.ErrnoException).code
  return code === 'ENOENT' || code === 'ENOTDIR'
}
