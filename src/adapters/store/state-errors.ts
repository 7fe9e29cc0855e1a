import { MusterError } from '../../errors.ts'
import { isCode } from './file-system.ts'

const words: Readonly<Record<string, string>> = {
  EACCES: 'permission denied',
  EPERM: 'permission denied',
  EROFS: 'the filesystem is mounted read-only',
  ENOTDIR: 'it is not a directory',
  EEXIST: 'it is not a directory',
  EISDIR: 'a file was expected where a directory is',
  EIO: 'the disk reports a read or write error',
  ENOENT: 'it does not exist',
  EMFILE: 'too many files are open',
  ENFILE: 'too many files are open',
}

/** A failed file system call as an error that names the directory and what to do. */
export function stateError(directory: string, error: unknown): MusterError {
  if (error instanceof MusterError) return error
  if (isCode(error, 'ENOSPC', 'EDQUOT')) {
    return new MusterError('ERR_STATE_FULL', { path: directory }, { cause: error })
  }
  return new MusterError(
    'ERR_STATE_UNREADABLE',
    { path: directory, detail: wordsFor(error) },
    { cause: error },
  )
}

/** What a failed call means, in words. */
export function wordsFor(error: unknown): string {
  const code = error instanceof Error && 'code' in error ? String(error.code) : ''
  const known = words[code]
  return known === undefined ? String(error instanceof Error ? error.message : error) : `${known} (${code})`
}
