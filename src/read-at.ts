import { readSync } from 'node:fs'

/** Exactly so many bytes of an open file or device, or undefined where it is shorter. Throws what the system does. */
export function readAt(descriptor: number, offset: number, bytes: number): Buffer | undefined {
  const buffer = Buffer.alloc(bytes)
  let done = 0
  while (done < bytes) {
    const count = readSync(descriptor, buffer, done, bytes - done, offset + done)
    if (count === 0) return undefined
    done += count
  }
  return buffer
}
