import { accessSync, constants } from 'node:fs'
import { namespaceObstacle } from '../../../src/lab/namespaces.ts'

const isRoot = process.getuid?.() === 0
const obstacle = (await namespaceObstacle(!isRoot)) ?? (isRoot ? undefined : tunObstacle())

/** Whether labs cannot be made here. */
export const isSkipped: boolean = obstacle !== undefined

/** Ends a test's title: says the reason aloud where it is skipped. */
export const skipNote: string = obstacle === undefined ? '' : ` (SKIPPED: ${obstacle})`

function tunObstacle(): string | undefined {
  try {
    accessSync('/dev/net/tun', constants.R_OK | constants.W_OK)
    return undefined
  } catch {
    return '/dev/net/tun cannot be opened'
  }
}
