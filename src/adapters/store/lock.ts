import { open } from 'node:fs/promises'
import koffi from 'koffi'
import type { Lock } from './file-system.ts'

// flock(2) from the C library that Node itself is linked with: the kernel drops it with the process, so a
// kill -9 or a power cut leaves nothing stale, and it holds across network namespaces.
const lockExclusive = 2
const lockNonBlocking = 4

interface Flock {
  (descriptor: number, operation: number): number
}

let flock: Flock | undefined

/** Takes an exclusive lock on a file (made if need be), or yields the process id that its holder wrote there. */
export async function acquireLock(path: string): Promise<Lock | { readonly heldBy: number }> {
  flock ??= koffi.load(null).func('int flock(int descriptor, int operation)') as Flock
  const file = await open(path, 'a+', 0o600)
  if (flock(file.fd, lockExclusive | lockNonBlocking) !== 0) {
    const holder = await file.readFile('utf8')
    await file.close()
    return { heldBy: Number.parseInt(holder, 10) || 0 }
  }
  await file.truncate(0)
  await file.writeFile(`${process.pid}\n`)
  return { release: () => file.close() }
}
