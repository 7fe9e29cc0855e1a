import { gunzipSync } from 'node:zlib'
import type { StageStep, StepFile, WriteFile } from '../config/index.ts'
import type { Action, Owner } from './actions.ts'
import { problem } from './actions.ts'

/** Largest file that a compressed text may become. */
const contentBytesMax = 64 * 1_024 * 1_024

/** The content of a file as its encoding says. Throws where it is not so encoded. */
export function decodeContent(content: string, encoding: string | undefined): Uint8Array | string {
  switch (encoding) {
    case undefined:
    case '':
    case 'text/plain':
      return content
    case 'b64':
    case 'base64':
      return fromBase64(content)
    case 'gz':
    case 'gzip':
      // Bytes in a YAML text are `!!binary`, which is base64 as well, or one character a byte.
      return gunzipSync(isBase64(content) ? fromBase64(content) : Buffer.from(content, 'latin1'), {
        maxOutputLength: contentBytesMax,
      })
    case 'gz+b64':
    case 'gz+base64':
    case 'gzip+base64':
      return gunzipSync(fromBase64(content), { maxOutputLength: contentBytesMax })
    default:
      throw new Error(`the encoding ${JSON.stringify(encoding)} is not known`)
  }
}

/** `"0644"`, `0644` and `644` are one mode: nobody writes modes in decimal. Undefined: no mode. */
export function modeOf(permissions: string | number | undefined, otherwise: number): number | undefined {
  if (permissions === undefined || permissions === '') return otherwise
  const digits = String(permissions).replace(/^0o/, '')
  if (!/^[0-7]{1,5}$/.test(digits)) return undefined
  const mode = Number.parseInt(digits, 8)
  return mode <= 0o7777 ? mode : undefined
}

/** `user:group`, `user` or `:group`; undefined where nothing is said. */
export function ownerOf(text: string | undefined): Owner | undefined {
  if (text === undefined || text === '') return undefined
  const [user = '', group] = text.split(':')
  return { ...(user === '' ? {} : { user }), ...(group === undefined || group === '' ? {} : { group }) }
}

/** `write_files:`; those that are `defer`red belong to the end of the boot stage. */
export function planWriteFiles(files: readonly WriteFile[], deferred: boolean): readonly Action[] {
  return files.flatMap((file, index) => {
    if ((file.defer === true) !== deferred) return []
    const owner = ownerOf(file.owner)
    return fileAction(`write_files.${index}`, file, { owner, append: file.append === true })
  })
}

/** `files:` of a step. */
export function planStepFiles(step: StageStep, where: string): readonly Action[] {
  return (step.files ?? []).flatMap((file, index) =>
    fileAction(`${where}.files.${index}`, file, { owner: stepOwner(file), append: false }),
  )
}

/** `directories:` of a step. */
export function planDirectories(step: StageStep, where: string): readonly Action[] {
  return (step.directories ?? []).map((directory, index): Action => {
    const reason = `${where}.directories.${index}`
    const mode = modeOf(directory.permissions, 0o755)
    if (mode === undefined) return noMode(reason, directory.permissions)
    if (!directory.path.startsWith('/')) return notAbsolute(reason, directory.path)
    return { kind: 'directory', reason, path: directory.path, mode, ...withOwner(stepOwner(directory)) }
  })
}

/** `downloads:` of a step. */
export function planDownloads(step: StageStep, where: string): readonly Action[] {
  return (step.downloads ?? []).map((download, index): Action => {
    const reason = `${where}.downloads.${index}`
    const mode = modeOf(download.permissions, 0o644)
    if (mode === undefined) return noMode(reason, download.permissions)
    if (!/^https?:\/\//.test(download.url))
      return problem(reason, `${download.url} is no address of a web server`)
    if (!download.path.startsWith('/')) return notAbsolute(reason, download.path)
    const name = new URL(download.url).pathname.split('/').at(-1) ?? ''
    const path = download.path.endsWith('/') ? `${download.path}${name}` : download.path
    const timeoutMs =
      (download.timeout === undefined || download.timeout === 0 ? 60 : download.timeout) * 1_000
    return {
      kind: 'fetch',
      reason,
      url: download.url,
      path,
      mode,
      timeoutMs,
      ...withOwner(stepOwner(download)),
    }
  })
}

function fileAction(
  reason: string,
  file: WriteFile | StepFile,
  { owner, append }: { readonly owner: Owner | undefined; readonly append: boolean },
): Action[] {
  const mode = modeOf(file.permissions, 0o644)
  if (mode === undefined) return [noMode(reason, file.permissions)]
  if (!file.path.startsWith('/')) return [notAbsolute(reason, file.path)]
  try {
    const content = decodeContent(file.content ?? '', file.encoding)
    return [{ kind: 'file', reason, path: file.path, content, mode, append, ...withOwner(owner) }]
  } catch (error) {
    const detail = error instanceof Error ? error.message : String(error)
    return [problem(reason, `${file.path}: the content is not \`${file.encoding}\`: ${detail}`)]
  }
}

function stepOwner(file: Pick<StepFile, 'owner' | 'group' | 'owner_string'>): Owner | undefined {
  if (file.owner_string !== undefined) return ownerOf(file.owner_string)
  if (file.owner === undefined && file.group === undefined) return undefined
  return {
    ...(file.owner === undefined ? {} : { user: file.owner }),
    ...(file.group === undefined ? {} : { group: file.group }),
  }
}

function withOwner(owner: Owner | undefined): { owner?: Owner } {
  return owner === undefined ? {} : { owner }
}

function noMode(reason: string, permissions: string | number | undefined): Action {
  return problem(reason, `${JSON.stringify(permissions)} are no permissions; write them as "0644"`)
}

function notAbsolute(reason: string, path: string): Action {
  return problem(reason, `${JSON.stringify(path)} is not an absolute path`)
}

function isBase64(text: string): boolean {
  return /^[A-Za-z0-9+/\s]+={0,2}\s*$/.test(text)
}

function fromBase64(text: string): Buffer {
  if (!isBase64(text) && text.trim() !== '') throw new Error('it is no base64')
  return Buffer.from(text.replaceAll(/\s/g, ''), 'base64')
}
