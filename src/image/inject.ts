import {
  closeSync,
  copyFileSync,
  constants,
  fsyncSync,
  openSync,
  renameSync,
  rmSync,
  writeSync,
} from 'node:fs'
import { imageFiles, mediumConfigBytes } from '../core/install/layout.ts'
import { MusterError } from '../errors.ts'
import { fileOf, openMedium } from './medium.ts'
import { paddedConfig } from './medium-config.ts'

/**
 * Puts a cloud-config, which the caller has checked, into a finished ISO: its place on the medium has a fixed size, and these
 * bytes alone are written. With another `output` the ISO stays as it is, and the copy gets its name when it is
 * whole. Throws ERR_IMAGE_UNKNOWN, ERR_IMAGE_CONFIG_SIZE.
 */
export function injectConfig(iso: string, config: string, output: string = iso): void {
  const medium = openMedium(iso)
  if (medium.form !== 'iso')
    throw new MusterError('ERR_IMAGE_UNKNOWN', { path: iso, detail: 'it is a directory' })
  const place = fileOf(medium, imageFiles.config)
  if (place.bytes !== mediumConfigBytes) {
    const detail = `${imageFiles.config} has ${place.bytes} bytes instead of ${mediumConfigBytes}`
    throw new MusterError('ERR_IMAGE_UNKNOWN', { path: iso, detail })
  }
  const bytes = paddedConfig(config, mediumConfigBytes)
  if (output === iso) {
    writeAt(iso, bytes, place.offset)
    return
  }
  const part = `${output}.part`
  try {
    copyFileSync(iso, part, constants.COPYFILE_FICLONE)
    writeAt(part, bytes, place.offset)
    renameSync(part, output)
  } finally {
    rmSync(part, { force: true })
  }
}

function writeAt(path: string, bytes: Buffer, offset: number): void {
  const descriptor = openSync(path, 'r+')
  try {
    for (let done = 0; done < bytes.length;) {
      done += writeSync(descriptor, bytes, done, bytes.length - done, offset + done)
    }
    fsyncSync(descriptor)
  } finally {
    closeSync(descriptor)
  }
}
