import { createHash } from 'node:crypto'
import { createReadStream, statSync } from 'node:fs'
import { pipeline } from 'node:stream/promises'
import { MusterError } from '../../errors.ts'
import { runProgram } from '../run.ts'

/** What a boot entry has to know of an image. */
export interface Verity {
  /** The root hash, 64 hex digits: the image id. */
  readonly imageId: string
  /** Data blocks of 4096 bytes. */
  readonly blocks: number
  /** 64 hex digits. */
  readonly salt: string
}

const blockBytes = 4_096

/**
 * Appends dm-verity's superblock and hash tree to a squashfs, which has whole blocks. Salt and UUID are drawn from
 * the content, so that the same content gives the same bytes. Throws ERR_IMAGE_COMMAND.
 */
export async function addVerity(file: string): Promise<Verity> {
  const { size } = statSync(file)
  if (size % blockBytes !== 0)
    throw new MusterError('ERR_IMAGE_CONTENT', { detail: `${file} has no whole blocks` })
  const blocks = size / blockBytes
  const salt = await sha256Of(file)
  const uuid = createHash('sha256').update(`muster verity ${salt}`).digest('hex')
  const said = await runProgram([
    'veritysetup',
    'format',
    ...['--hash=sha256', `--data-block-size=${blockBytes}`, `--hash-block-size=${blockBytes}`],
    ...[`--data-blocks=${blocks}`, `--hash-offset=${size}`, `--salt=${salt}`, `--uuid=${asUuid(uuid)}`],
    file,
    file,
  ])
  const imageId = /^Root hash:\s+([0-9a-f]{64})$/m.exec(said)?.[1]
  if (imageId === undefined)
    throw new MusterError('ERR_IMAGE_COMMAND', { command: 'veritysetup format', detail: said })
  return { imageId, blocks, salt }
}

/** SHA-256 of a file, 64 hex digits. */
export async function sha256Of(file: string): Promise<string> {
  const hash = createHash('sha256')
  await pipeline(createReadStream(file, { highWaterMark: 4 * 1_024 * 1_024 }), hash)
  return hash.digest('hex')
}

/** The first 128 bits of a hash as a UUID (version 4 in form). */
export function asUuid(hex: string): string {
  const digits = `${hex.slice(0, 12)}4${hex.slice(13, 16)}8${hex.slice(17, 32)}`
  return digits.replace(/^(.{8})(.{4})(.{4})(.{4})(.{12})$/, '$1-$2-$3-$4-$5')
}
