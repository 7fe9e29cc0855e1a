import { mkdir, open, readFile, rename } from 'node:fs/promises'
import { dirname } from 'node:path'
import type { TextFile } from '../../core/ports.ts'
import { MusterError } from '../../errors.ts'

/** Port `TextFile` on a journalled file system: written beside it, synced, renamed, and the directory synced. Throws ERR_DISK. */
export function createTextFile(path: string): TextFile {
  return {
    async load() {
      try {
        return await readFile(path, 'utf8')
      } catch (error) {
        if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined
        throw failed(path, error)
      }
    },
    async save(text) {
      try {
        await mkdir(dirname(path), { recursive: true })
        const beside = `${path}.new`
        await withFile(beside, 'w', async (file) => {
          await file.writeFile(text)
          await file.sync()
        })
        await rename(beside, path)
        await withFile(dirname(path), 'r', (directory) => directory.sync())
      } catch (error) {
        throw failed(path, error)
      }
    },
  }
}

async function withFile(
  path: string,
  flags: string,
  work: (file: Awaited<ReturnType<typeof open>>) => Promise<void>,
): Promise<void> {
  const file = await open(path, flags)
  try {
    await work(file)
  } finally {
    await file.close()
  }
}

function failed(path: string, error: unknown): MusterError {
  return new MusterError('ERR_DISK', { disk: path, detail: (error as Error).message }, { cause: error })
}
