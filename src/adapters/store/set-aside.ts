import { join } from 'node:path'
import type { FileSystem } from './file-system.ts'

/** The two copies of the state document, in the order in which they are written. */
export const copyNames = ['a.state', 'b.state'] as const

/** The log of certified headers. */
export const chainName = 'chain.log'

/** What files are called that were put aside, for example `a.state.damaged-1`. */
export const asideName = /\.(damaged|cloned)-\d+$/

/**
 * Renames what is there, documents first: without them the chain alone makes no identity.
 * Nothing is ever deleted: a person may find in it what we do not.
 */
export async function setAside(
  fileSystem: FileSystem,
  directory: string,
  why: 'damaged' | 'cloned',
): Promise<void> {
  const names = await fileSystem.list(directory)
  let number = 1
  while (names.some((name) => name.endsWith(`.${why}-${number}`))) number += 1
  for (const group of [copyNames, [chainName]]) {
    for (const name of group.filter((present) => names.includes(present))) {
      await fileSystem.rename(join(directory, name), join(directory, `${name}.${why}-${number}`))
    }
    // A chain must not be gone before its document is: that would look like a damaged state.
    await fileSystem.syncDirectory(directory)
  }
}
