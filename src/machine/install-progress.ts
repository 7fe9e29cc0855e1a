import { systemPaths } from '../core/install/layout.ts'
import type { InstallProgress } from './console-view.ts'
import { writeWhole } from './rooted-files.ts'

/** Between two notes about the bytes of one step. */
const noteEveryMs = 1_000

/** Writes down how far an installation is, for the console. */
export class InstallProgressFile {
  readonly #root: string
  #last: InstallProgress = { title: 'beginning', number: 1, of: 1 }
  #notedAt = -noteEveryMs

  constructor(root: string) {
    this.#root = root
  }

  readonly note = (progress: InstallProgress): void => {
    const isNew = progress.number !== this.#last.number
    this.#last = progress
    if (!isNew && performance.now() - this.#notedAt < noteEveryMs) return
    this.#notedAt = performance.now()
    this.#write(progress)
  }

  failed(error: string): void {
    this.#write({ ...this.#last, error })
  }

  #write({ title, number, of, bytes, error }: InstallProgress): void {
    const text = JSON.stringify({ title, number, of, bytes, error })
    writeWhole(this.#root, systemPaths.progress, `${text}\n`, { mode: 0o644 })
  }
}
