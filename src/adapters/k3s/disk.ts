import { mkdir, open, readFile, readdir, rename, rm, stat } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { ownedPaths } from '../../core/k3s/files.ts'
import type { FileIntent } from '../../core/k3s/types.ts'

/** Writes a file so that after a crash it is there whole or not at all. Creates its directory. */
export async function writeDurably(path: string, content: string, mode: number): Promise<void> {
  await mkdir(dirname(path), { recursive: true, mode: 0o755 })
  const temporary = `${path}.muster-new`
  const file = await open(temporary, 'w', mode)
  try {
    await file.chmod(mode)
    await file.writeFile(content)
    await file.sync()
  } finally {
    await file.close()
  }
  await rename(temporary, path)
  await syncDirectory(dirname(path))
}

/** Makes renames in a directory survive a power cut. */
export async function syncDirectory(path: string): Promise<void> {
  const directory = await open(path, 'r')
  try {
    await directory.sync()
  } finally {
    await directory.close()
  }
}

/** The content, or undefined where there is no such file. */
export async function readIfThere(path: string): Promise<string | undefined> {
  try {
    return await readFile(path, 'utf8')
  } catch (error) {
    if (isMissing(error)) return undefined
    throw error
  }
}

/** Whether a path exists. */
export async function exists(path: string): Promise<boolean> {
  try {
    await stat(path)
    return true
  } catch (error) {
    if (isMissing(error)) return false
    throw error
  }
}

/** Names in a directory; none where it does not exist. */
export async function namesIn(path: string): Promise<readonly string[]> {
  try {
    return (await readdir(path)).toSorted()
  } catch (error) {
    if (isMissing(error)) return []
    throw error
  }
}

function isMissing(error: unknown): boolean {
  return error instanceof Error && 'code' in error && (error.code === 'ENOENT' || error.code === 'ENOTDIR')
}

/** Our files as they lie under a root, for `fingerprintOf`. */
export async function readOwned(root: string): Promise<readonly FileIntent[]> {
  const found: FileIntent[] = []
  for (const path of ownedPaths) {
    const content = await readIfThere(join(root, path))
    if (content === undefined) continue
    found.push({ path, content, mode: (await stat(join(root, path))).mode & 0o777 })
  }
  return found
}

/** Makes our files on the disk exactly these. Says whether anything was different. */
export async function writeOwned(root: string, files: readonly FileIntent[]): Promise<boolean> {
  const before = await readOwned(root)
  let changed = false
  for (const file of files) {
    const held = before.find((entry) => entry.path === file.path)
    if (held?.content === file.content && held.mode === file.mode) continue
    await writeDurably(join(root, file.path), file.content, file.mode)
    changed = true
  }
  for (const stale of before.filter((entry) => !files.some((file) => file.path === entry.path))) {
    await rm(join(root, stale.path))
    changed = true
  }
  return changed
}
