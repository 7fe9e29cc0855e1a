import { bootUnits } from './boot-units.ts'
import { systemFiles } from './system-files.ts'

export { maskedUnits } from './boot-units.ts'

/** A file that the image builder writes into the root. */
export interface ImageFile {
  /** Absolute, as on the machine. */
  readonly path: string
  readonly text: string
  /** A unit whose `[Install]` section is to be carried out. */
  readonly enable: boolean
}

/** Every unit of a muster machine and every file of settings beside them. */
export function unitFiles(): readonly ImageFile[] {
  return [
    ...bootUnits.map(({ name, text, enable }) => ({ path: `/usr/lib/systemd/system/${name}`, text, enable })),
    ...systemFiles.map(({ path, text }) => ({ path, text, enable: false })),
  ]
}
