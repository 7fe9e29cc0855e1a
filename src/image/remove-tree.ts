import { existsSync, readFileSync, realpathSync, rmSync } from 'node:fs'
import { MusterError } from '../errors.ts'

/**
 * Removes a directory that a Debian root was made in. Such a build has the machine's own /proc, /sys and devices mounted
 * inside, and one that runs or was killed still has: removing it would reach through them. Throws ERR_IMAGE_COMMAND
 * then, and removes nothing.
 */
export function removeTree(directory: string): void {
  if (!existsSync(directory)) return
  const mounts = mountsBelow(readFileSync('/proc/self/mounts', 'utf8'), realpathSync(directory))
  if (mounts.length > 0) {
    throw new MusterError('ERR_IMAGE_COMMAND', {
      command: `remove ${directory}`,
      detail: `a build that runs, or was killed, has ${mounts.join(', ')} mounted; unmount them first`,
    })
  }
  rmSync(directory, { recursive: true, force: true })
}

/** Mount points at or below a directory, of a text like /proc/self/mounts. */
export function mountsBelow(text: string, directory: string): string[] {
  return text
    .split('\n')
    .map((line) =>
      (line.split(' ')[1] ?? '').replaceAll(/\\(\d{3})/g, (_, octal: string) =>
        String.fromCodePoint(Number.parseInt(octal, 8)),
      ),
    )
    .filter((path) => path === directory || path.startsWith(`${directory}/`))
}
