import { closeSync, existsSync, openSync, readFileSync, statSync } from 'node:fs'
import { join } from 'node:path'
import { readIsoFiles } from '../core/install/iso9660.ts'
import { imageFiles } from '../core/install/layout.ts'
import { MusterError } from '../errors.ts'
import { readAt } from '../read-at.ts'

/** The files of an image, wherever they lie: on an ISO, or in a directory. */
export interface Medium {
  readonly path: string
  readonly form: 'iso' | 'directory'
  /** Name below `muster/` to size, and to where it begins on the ISO. */
  readonly files: ReadonlyMap<string, { readonly bytes: number; readonly offset: number }>
  /** The first bytes of a file, the whole of it unless it is longer than `most`. */
  readonly read: (name: string, most?: number) => Buffer
}

/** Opens an ISO or a directory with an image's files. Throws ERR_IMAGE_UNKNOWN when it is neither. */
export function openMedium(path: string): Medium {
  if (!existsSync(path)) throw unknown(path, 'there is no such file')
  return statSync(path).isDirectory() ? openDirectory(path) : openIso(path)
}

function openIso(path: string): Medium {
  const found = withFile(path, (descriptor) =>
    readIsoFiles((offset, bytes) => readAt(descriptor, offset, bytes)),
  )
  if (found === undefined) throw unknown(path, 'it has no ISO 9660 file system that can be read')
  const prefix = `${imageFiles.directory}/`
  const files = new Map(
    found
      .filter((file) => file.path.startsWith(prefix))
      .map((file) => [file.path.slice(prefix.length), file]),
  )
  const medium: Medium = {
    path,
    form: 'iso',
    files,
    read: (name, most = Number.MAX_SAFE_INTEGER) => {
      const { offset, bytes } = fileOf(medium, name)
      const content = withFile(path, (descriptor) => readAt(descriptor, offset, Math.min(bytes, most)))
      if (content === undefined) throw unknown(path, `${name} is cut`)
      return content
    },
  }
  return checked(medium)
}

function openDirectory(path: string): Medium {
  const names = Object.values(imageFiles).filter((name) => existsSync(join(path, name)))
  const medium: Medium = {
    path,
    form: 'directory',
    files: new Map(names.map((name) => [name, { bytes: statSync(join(path, name)).size, offset: 0 }])),
    read: (name, most = Number.MAX_SAFE_INTEGER) => {
      const { bytes } = fileOf(medium, name)
      if (bytes <= most) return readFileSync(join(path, name))
      return withFile(join(path, name), (descriptor) => readAt(descriptor, 0, most)) ?? Buffer.alloc(0)
    },
  }
  return checked(medium)
}

/** Size and place of a file. Throws ERR_IMAGE_UNKNOWN where the medium has no such file. */
export function fileOf(medium: Medium, name: string): { readonly bytes: number; readonly offset: number } {
  const file = medium.files.get(name)
  if (file === undefined) throw unknown(medium.path, `it has no ${name}`)
  return file
}

function checked(medium: Medium): Medium {
  fileOf(medium, imageFiles.manifest)
  return medium
}

function withFile<T>(path: string, work: (descriptor: number) => T): T {
  const descriptor = openSync(path, 'r')
  try {
    return work(descriptor)
  } finally {
    closeSync(descriptor)
  }
}

function unknown(path: string, detail: string): MusterError {
  return new MusterError('ERR_IMAGE_UNKNOWN', { path, detail })
}
