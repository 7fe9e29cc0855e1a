import { MusterError } from '../errors.ts'

/** A cloud-config as a medium holds it: filled up with line feeds. Throws ERR_IMAGE_CONFIG_SIZE. */
export function paddedConfig(text: string, bytes: number): Buffer {
  const content = Buffer.from(text === '' || text.endsWith('\n') ? text : `${text}\n`)
  if (content.length > bytes)
    throw new MusterError('ERR_IMAGE_CONFIG_SIZE', { bytes: content.length, most: bytes })
  return Buffer.concat([content, Buffer.alloc(bytes - content.length, '\n')])
}
