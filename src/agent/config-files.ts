import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import type { ConfigSource } from '../config/index.ts'
import { MusterError } from '../errors.ts'

/** Where cloud-config files lie on a machine. */
const configDirectory = '/etc/muster'

/**
 * The files named, or every `*.yaml` and `*.yml` of the configuration directory below `root`, in alphabetical
 * order. Throws ERR_CONFIG_UNREADABLE for a file that was named or found and cannot be read.
 */
export function readConfigFiles(configFiles: readonly string[], root: string): ConfigSource[] {
  const paths = configFiles.length > 0 ? configFiles : filesIn(join(root, configDirectory))
  return paths.map((path) => {
    try {
      return { path, text: readFileSync(path, 'utf8') }
    } catch (error) {
      throw new MusterError('ERR_CONFIG_UNREADABLE', { path }, { cause: error })
    }
  })
}

function filesIn(directory: string): string[] {
  try {
    return readdirSync(directory)
      .filter((name) => /\.ya?ml$/.test(name))
      .toSorted()
      .map((name) => join(directory, name))
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return []
    throw new MusterError('ERR_CONFIG_UNREADABLE', { path: directory }, { cause: error })
  }
}
