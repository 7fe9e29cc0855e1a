import { rmSync } from 'node:fs'
import { Readable } from 'node:stream'
import { runProgram } from '../run.ts'
import { type NewEntry, readTar, tarBytes, tarEnd } from '../tar.ts'

/** What of the root is left out and what comes on top of it. */
export interface RootContent {
  readonly base: Readable
  /** Files on top, which take the place of those of the base. */
  readonly files: readonly NewEntry[]
}

/**
 * Writes a squashfs of a tar stream with our files on top. Nothing is unpacked, and the same content gives the same
 * bytes: all times are `epochSeconds`, owners and order come with the streams. Padded to 4096 bytes. Throws
 * ERR_IMAGE_COMMAND.
 */
export async function makeSquashfs(
  content: RootContent,
  output: string,
  options: { readonly epochSeconds: number; readonly compression: number },
): Promise<void> {
  rmSync(output, { force: true })
  await runProgram(
    [
      ...[
        'mksquashfs',
        '-',
        output,
        '-tar',
        '-root-mode',
        '0755',
        '-noappend',
        '-quiet',
        '-no-progress',
        '-reproducible',
      ],
      ...['-comp', 'zstd', '-Xcompression-level', String(options.compression), '-b', '128K'],
      ...['-mkfs-time', String(options.epochSeconds), '-all-time', String(options.epochSeconds)],
    ],
    { input: Readable.from(rootStream(content, options.epochSeconds)) },
  )
}

/** The base without what is replaced, then our entries: directories that neither has are made before what lies in them. */
async function* rootStream(content: RootContent, epochSeconds: number): AsyncGenerator<Buffer> {
  const ours = new Map(
    content.files.map((file) => [mergedUsr(file.path), { ...file, path: mergedUsr(file.path) }]),
  )
  const present = new Set<string>()
  for await (const entry of readTar(content.base)) {
    const replaced =
      ours.has(entry.path) && !(entry.type === '5' && ours.get(entry.path)?.kind === 'directory')
    if (replaced || isBelowReplaced(entry.path, ours)) continue
    if (entry.type === '5') present.add(entry.path)
    yield* entry.raw
  }
  for (const file of withDirectories([...ours.values()], present)) yield tarBytes(file, epochSeconds)
  yield tarEnd
}

/** On Debian these are links into /usr. */
function mergedUsr(path: string): string {
  return path.replace(/^(bin|sbin|lib|lib64)\//, 'usr/$1/')
}

/** A directory that becomes a link takes what was in it along. */
function isBelowReplaced(path: string, ours: ReadonlyMap<string, NewEntry>): boolean {
  return parentsOf(path).some((parent) => {
    const file = ours.get(parent)
    return file !== undefined && file.kind !== 'directory'
  })
}

/** Sorted by path, with the directories that are lacking; those that are `present` are left as they are. */
export function withDirectories(
  files: readonly NewEntry[],
  present: ReadonlySet<string>,
): readonly NewEntry[] {
  const all = new Map<string, NewEntry>()
  for (const file of files) {
    for (const parent of parentsOf(file.path)) {
      if (!present.has(parent) && !all.has(parent))
        all.set(parent, { path: parent, kind: 'directory', mode: 0o755 })
    }
    if (!(file.kind === 'directory' && present.has(file.path))) all.set(file.path, file)
  }
  return [...all.values()].toSorted((a, b) => Buffer.compare(Buffer.from(a.path), Buffer.from(b.path)))
}

function parentsOf(path: string): string[] {
  const parts = path.split('/')
  return parts.slice(1).map((_, index) => parts.slice(0, index + 1).join('/'))
}
