import { closeSync, openSync } from 'node:fs'
import { readIsoFiles } from '../../core/install/iso9660.ts'
import { imageFiles } from '../../core/install/layout.ts'
import { readAt } from '../../read-at.ts'

/**
 * A file of the directory `muster` of a medium, a device or an ISO, without a mount. Undefined where there is no medium that can
 * be read, no such file, or one larger than `bytesMax`.
 */
export function readMediumFile(path: string, name: string, bytesMax: number): Uint8Array | undefined {
  let descriptor: number | undefined
  try {
    descriptor = openSync(path, 'r')
    const medium = descriptor
    const read = (offset: number, bytes: number): Uint8Array | undefined => readAt(medium, offset, bytes)
    const wanted = `${imageFiles.directory}/${name}`
    const found = readIsoFiles(read)?.find((file) => file.path === wanted)
    return found === undefined || found.bytes > bytesMax ? undefined : read(found.offset, found.bytes)
  } catch {
    // A drive without a disc, or a disc with scratches: nothing to install from.
    return undefined
  } finally {
    if (descriptor !== undefined) closeSync(descriptor)
  }
}
