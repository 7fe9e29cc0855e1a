import { createHash } from 'node:crypto'
import type { FileDigest } from '../core/install/manifest.ts'
import type { DiskTarget } from '../core/ports.ts'
import { MusterError } from '../errors.ts'

// Stages that bytes pass through on their way from a source to a disk, for it-pipe.

/** A stage: bytes in, bytes out. */
export type ByteStage = (source: AsyncIterable<Uint8Array>) => AsyncIterable<Uint8Array>

/** Pieces in which bytes are written and read back. */
export const chunkBytesDefault: number = 1_024 * 1_024

/** Passes bytes on, and throws ERR_IMAGE_DAMAGED at the end, or at the first byte too many, unless they are as signed. */
export function checkDigest(file: string, expected: FileDigest): ByteStage {
  return async function* (source) {
    const hash = createHash('sha256')
    let bytes = 0
    for await (const chunk of source) {
      bytes += chunk.byteLength
      if (bytes > expected.bytes)
        throw damaged(file, `it is longer than the ${expected.bytes} bytes that are signed`)
      hash.update(chunk)
      yield chunk
    }
    if (bytes < expected.bytes) throw damaged(file, `it is cut: ${bytes} of ${expected.bytes} bytes`)
    if (hash.digest('hex') !== expected.sha256) throw damaged(file, 'its hash is not the one that is signed')
  }
}

/** Passes bytes on that another stream has too, in pieces of the same sizes; throws ERR_IMAGE_DAMAGED where it has others. */
export function equalTo(other: AsyncIterable<Uint8Array>, file: string): ByteStage {
  return async function* (source) {
    const others = other[Symbol.asyncIterator]()
    let at = 0
    for await (const chunk of source) {
      const { value } = (await others.next()) as { readonly value: Uint8Array | undefined }
      if (value === undefined || Buffer.compare(chunk, value) !== 0)
        throw damaged(
          file,
          `within ${chunk.byteLength} bytes from byte ${at} it reads otherwise than its copy`,
        )
      at += chunk.byteLength
      yield chunk
    }
  }
}

/** Cuts a stream into pieces of one size; the last may be shorter. */
export function inChunks(size: number): ByteStage {
  return async function* (source) {
    let parts: Uint8Array[] = []
    let length = 0
    for await (const part of source) {
      parts.push(part)
      length += part.byteLength
      if (length < size) continue
      const all = Buffer.concat(parts)
      let at = 0
      for (; at + size <= length; at += size) yield all.subarray(at, at + size)
      parts = at === length ? [] : [all.subarray(at)]
      length -= at
    }
    if (length > 0) yield Buffer.concat(parts)
  }
}

/** Tells how many bytes have passed. */
export function countBytes(onBytes: (bytes: number) => void): ByteStage {
  return async function* (source) {
    for await (const chunk of source) {
      onBytes(chunk.byteLength)
      yield chunk
    }
  }
}

/** Reads a region of a disk as a stream. */
export async function* readRegion(
  disk: Pick<DiskTarget, 'read'>,
  region: { readonly offset: number; readonly bytes: number },
  chunkBytes: number,
): AsyncGenerator<Uint8Array> {
  for (let at = 0; at < region.bytes; at += chunkBytes) {
    yield await disk.read(region.offset + at, Math.min(chunkBytes, region.bytes - at))
  }
}

/** Takes everything and keeps nothing. */
export async function drain(source: AsyncIterable<Uint8Array>): Promise<void> {
  for await (const chunk of source) void chunk
}

/** One chunk as a stream. */
export function only(bytes: Uint8Array): () => AsyncIterable<Uint8Array> {
  return async function* () {
    yield bytes
  }
}

function damaged(file: string, detail: string): MusterError {
  return new MusterError('ERR_IMAGE_DAMAGED', { file, detail })
}
