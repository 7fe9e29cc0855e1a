import { access, constants, mkdir, open, readdir, rename, rm, stat, statfs } from 'node:fs/promises'
import { join } from 'node:path'
import type { BootEntries } from '../../core/ports.ts'
import { MusterError } from '../../errors.ts'

export interface BootEntriesInit {
  /** The directory on the mounted ESP. */
  readonly directory: string
  /** Forget what the kernel keeps in memory before a file is read back. Slows the whole machine for a moment. */
  readonly dropCaches: boolean
}

/** Port `BootEntries` on a mounted file system. Throws ERR_ESP_FULL, ERR_DISK. */
export function createBootEntries({ directory, dropCaches }: BootEntriesInit): BootEntries {
  const written = new Set<string>()
  const path = (name: string): string => {
    if (name.includes('/') || name === '' || name.startsWith('.'))
      throw new TypeError(`no name of an entry: ${name}`)
    return join(directory, name)
  }
  return {
    list: () =>
      guarded(directory, async () => {
        await mkdir(directory, { recursive: true })
        const names = await readdir(directory)
        return Promise.all(
          names.toSorted().map(async (name) => ({ name, bytes: (await stat(path(name))).size })),
        )
      }),
    freeBytes: () =>
      guarded(directory, async () => {
        const { bavail, bsize } = await statfs(directory)
        return bavail * bsize
      }),
    read: (name, bytesMax) =>
      guarded(directory, async () => {
        const file = await open(path(name), 'r')
        try {
          const { size } = await file.stat()
          const bytes = Buffer.alloc(Math.min(size, bytesMax ?? size))
          await file.read(bytes, 0, bytes.length, 0)
          return bytes
        } finally {
          await file.close()
        }
      }),
    write: (name, content) =>
      guarded(directory, async () => {
        await mkdir(directory, { recursive: true })
        const file = await open(path(name), 'w')
        written.add(name)
        try {
          for await (const chunk of content) await file.writeFile(chunk)
        } finally {
          await file.close()
        }
      }),
    rename: (from, to) =>
      guarded(directory, async () => {
        if (await exists(path(to))) throw new Error(`${to} is there already`)
        await rename(path(from), path(to))
        if (written.delete(from)) written.add(to)
      }),
    remove: (name) =>
      guarded(directory, async () => {
        await rm(path(name))
        written.delete(name)
      }),
    sync: () =>
      guarded(directory, async () => {
        for (const name of written) await syncFile(path(name))
        written.clear()
        await syncFile(directory)
        if (dropCaches) await dropCachesOfKernel()
      }),
  }
}

async function syncFile(path: string): Promise<void> {
  const file = await open(path, 'r')
  try {
    await file.sync()
  } finally {
    await file.close()
  }
}

/** Clean pages only; where it is not allowed, what is read back comes from memory. */
async function dropCachesOfKernel(): Promise<void> {
  try {
    const file = await open('/proc/sys/vm/drop_caches', 'w')
    await file.writeFile('1')
    await file.close()
  } catch {
    // A container may not; then there is one check less.
  }
}

async function exists(path: string): Promise<boolean> {
  return access(path, constants.F_OK).then(
    () => true,
    () => false,
  )
}

async function guarded<T>(directory: string, work: () => Promise<T>): Promise<T> {
  try {
    return await work()
  } catch (error) {
    if (error instanceof MusterError) throw error
    const { code, message } = error as NodeJS.ErrnoException
    if (code === 'ENOSPC') throw new MusterError('ERR_ESP_FULL', { detail: message }, { cause: error })
    throw new MusterError('ERR_DISK', { disk: directory, detail: message }, { cause: error })
  }
}
