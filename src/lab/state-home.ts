import {
  lstatSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmdirSync,
  writeFileSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { MusterError } from '../errors.ts'

/** What the state of every kind of lab has. */
export interface NamedState {
  readonly name: string
  readonly directory: string
}

/** Where one kind of lab keeps its labs, each in a directory of its name with one JSON document. */
export class StateHome<State extends NamedState> {
  readonly #prefix: string
  readonly #variable: string
  readonly #file: string

  /** Labs lie in `/tmp/PREFIX-UID`, or where the environment variable says; the document is FILE. */
  constructor(prefix: string, variable: string, file: string) {
    this.#prefix = prefix
    this.#variable = variable
    this.#file = file
  }

  /** Where the labs of this user are. `/tmp`, since disks and logs are too large for a runtime directory. */
  directory(): string {
    const uid = process.getuid?.() ?? 0
    return process.env[this.#variable] ?? join(tmpdir(), `${this.#prefix}-${uid}`)
  }

  /** Makes the user's own directory for labs and refuses one that somebody else put there. */
  claim(): string {
    const directory = this.directory()
    mkdirSync(directory, { recursive: true, mode: 0o700 })
    const found = lstatSync(directory)
    if (!found.isDirectory() || found.uid !== process.getuid?.()) {
      throw new MusterError('ERR_STATE_UNREADABLE', {
        path: directory,
        detail: 'it belongs to somebody else',
      })
    }
    return directory
  }

  /** Removes the directory after the last lab, unless somebody chose that directory. */
  release(): void {
    if (process.env[this.#variable] === undefined && this.names().length === 0) rmdirSync(this.directory())
  }

  /** Directory of one lab. Throws ERR_USAGE for a name that cannot be one. */
  directoryOf(name: string): string {
    if (!/^[a-z0-9][a-z0-9-]{0,31}$/.test(name)) {
      throw new MusterError('ERR_USAGE', {
        detail: `'${name}' is no name for a lab: use a-z, 0-9 and -, at most 32`,
      })
    }
    return join(this.directory(), name)
  }

  /** Names of the labs that have left a state, sorted. */
  names(): string[] {
    try {
      return readdirSync(this.directory(), { withFileTypes: true })
        .filter((entry) => entry.isDirectory())
        .map((entry) => entry.name)
        .toSorted()
    } catch {
      return []
    }
  }

  /** State of a lab, or undefined when there is none of that name. */
  load(name: string): State | undefined {
    try {
      return JSON.parse(readFileSync(join(this.directoryOf(name), this.#file), 'utf8')) as State
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined
      throw error
    }
  }

  /** Replaces the state on disk at once, so that a reader never sees half of it. */
  save(state: State): void {
    const path = join(state.directory, this.#file)
    const temporary = `${path}.${process.pid}`
    writeFileSync(temporary, `${JSON.stringify(state, undefined, 2)}\n`, { mode: 0o600 })
    renameSync(temporary, path)
  }
}
