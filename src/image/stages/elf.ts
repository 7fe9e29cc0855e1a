import { existsSync, realpathSync } from 'node:fs'
import { join } from 'node:path'
import { MusterError } from '../../errors.ts'
import { runProgram } from '../run.ts'

/** Where Debian keeps libraries, below a root. */
const libraryDirectories = ['lib/x86_64-linux-gnu', 'usr/lib/x86_64-linux-gnu', 'lib64', 'usr/lib', 'lib']

/**
 * Shared libraries that a program of another root needs, and those need in turn, as paths inside of it; the loader
 * is one of them. Read from the files themselves: nothing of that root is run.
 */
export async function librariesOf(root: string, program: string): Promise<readonly string[]> {
  const found = new Map<string, string>()
  const toRead = [program]
  for (let path = toRead.pop(); path !== undefined; path = toRead.pop()) {
    const headers = await runProgram(['objdump', '-p', realpathSync(join(root, path))])
    const names = [...headers.matchAll(/^\s+NEEDED\s+(\S+)/gm)].map((match) => match[1] ?? '')
    for (const name of names.filter((each) => !found.has(each))) {
      const directory = libraryDirectories.find((each) => existsSync(join(root, each, name)))
      if (directory === undefined)
        throw new MusterError('ERR_IMAGE_CONTENT', {
          detail: `${path} needs ${name}, which the root has not`,
        })
      found.set(name, `${directory}/${name}`)
      toRead.push(`${directory}/${name}`)
    }
  }
  return [...new Set(['lib64/ld-linux-x86-64.so.2', ...found.values()])].toSorted()
}
