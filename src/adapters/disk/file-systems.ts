import { spawn } from 'node:child_process'
import { createWriteStream } from 'node:fs'
import { chmod, mkdir, mkdtemp, open, rm, stat } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { Readable } from 'node:stream'
import { pipeline } from 'node:stream/promises'
import { tmpdir } from 'node:os'
import type { FileSystemImage, FileSystemImages, NewFile, RunProgram } from '../../core/ports.ts'
import { MusterError } from '../../errors.ts'
import { mke2fsCommand } from './mke2fs.ts'

const pieceBytes = 1_024 * 1_024
const toolTimeoutMs = 5 * 60_000

/**
 * Port `FileSystemImages` in temporary files, by mkfs.vfat with mtools and by mke2fs: neither needs a mount, so that
 * what is made is known before it lies on a disk. Throws ERR_PROGRAM, and what a file's content throws.
 */
export function createFileSystems({ run }: { readonly run: RunProgram }): FileSystemImages {
  return {
    async build({ type, bytes, sectorBytes, label, files }) {
      const directory = await mkdtemp(join(tmpdir(), 'muster-fs-'))
      const path = join(directory, 'image')
      try {
        const file = await open(path, 'w')
        await file.truncate(bytes)
        await file.close()
        const make = { path, sectorBytes, label, files }
        if (type === 'vfat') await buildVfat(run, make)
        else await buildExt4(run, make, join(directory, 'tree'))
        return await imageOf(path, type === 'vfat', () => rm(directory, { recursive: true, force: true }))
      } catch (error) {
        await rm(directory, { recursive: true, force: true })
        throw error
      }
    },
  }
}

interface Making {
  readonly path: string
  readonly sectorBytes: number
  readonly label: string
  readonly files: readonly NewFile[]
}

async function buildVfat(run: RunProgram, { path, sectorBytes, label, files }: Making): Promise<void> {
  // Of a plain file the tool cannot know the sectors.
  await tool(run, ['mkfs.vfat', '-F', '32', '-S', String(sectorBytes), '-n', label, path])
  const made = new Set<string>()
  for (const { path: target, content } of files) {
    const ancestors = content === undefined ? [...directoriesOf(target), target] : directoriesOf(target)
    for (const directory of ancestors.filter((each) => !made.has(each))) {
      await tool(run, ['mmd', '-i', path, `::/${directory}`])
      made.add(directory)
    }
    // From its standard input: a copy in between would cost memory, where a live system has all its files.
    if (content !== undefined) await feed(['mcopy', '-i', path, '-', `::/${target}`], content())
  }
}

async function buildExt4(
  run: RunProgram,
  { path, sectorBytes, label, files }: Making,
  tree: string,
): Promise<void> {
  await mkdir(tree)
  for (const { path: target, mode, content } of files) {
    const full = join(tree, target)
    await mkdir(content === undefined ? full : dirname(full), { recursive: true })
    if (content !== undefined) await pipeline(Readable.from(content()), createWriteStream(full, { mode }))
    await chmod(full, mode)
  }
  await tool(run, [...mke2fsCommand(label, sectorBytes, 'root_owner=0:0'), '-d', tree, path])
  await rm(tree, { recursive: true })
}

/** On FAT everything in use lies at the front; ext4 is written whole, or stale blocks would pass for its own. */
async function imageOf(
  path: string,
  isFrontOnly: boolean,
  close: () => Promise<void>,
): Promise<FileSystemImage> {
  const { size } = await stat(path)
  const end = isFrontOnly ? await endOfContent(path, size) : size
  return {
    async *pieces() {
      const file = await open(path, 'r')
      try {
        for (let offset = 0; offset < end; offset += pieceBytes) {
          const bytes = Buffer.alloc(Math.min(pieceBytes, end - offset))
          await file.read(bytes, 0, bytes.length, offset)
          yield { offset, bytes }
        }
      } finally {
        await file.close()
      }
    },
    close,
  }
}

async function endOfContent(path: string, size: number): Promise<number> {
  const file = await open(path, 'r')
  const zeros = Buffer.alloc(pieceBytes)
  const bytes = Buffer.alloc(pieceBytes)
  try {
    for (let offset = Math.floor((size - 1) / pieceBytes) * pieceBytes; offset >= 0; offset -= pieceBytes) {
      const { bytesRead } = await file.read(bytes, 0, pieceBytes, offset)
      if (!bytes.subarray(0, bytesRead).equals(zeros.subarray(0, bytesRead))) return offset + bytesRead
    }
    return 0
  } finally {
    await file.close()
  }
}

function directoriesOf(path: string): readonly string[] {
  const parts = path.split('/').slice(0, -1)
  return parts.map((_, index) => parts.slice(0, index + 1).join('/'))
}

async function tool(run: RunProgram, argv: readonly string[]): Promise<void> {
  const { exitCode, stderr } = await run(argv, { timeoutMs: toolTimeoutMs, environment: mtoolsEnvironment })
  if (exitCode !== 0) throw new MusterError('ERR_PROGRAM', { program: argv[0] ?? '', detail: stderr.trim() })
}

/** No complaints about sizes that are no multiple of a track, and no configuration of the machine's own. */
const mtoolsEnvironment = { MTOOLS_SKIP_CHECK: '1', MTOOLSRC: '/dev/null' }

/** Runs a program and gives it a stream to read. */
async function feed(argv: readonly [string, ...string[]], content: AsyncIterable<Uint8Array>): Promise<void> {
  const [program, ...rest] = argv
  const child = spawn(program, rest, {
    stdio: ['pipe', 'ignore', 'pipe'],
    env: { ...process.env, ...mtoolsEnvironment },
  })
  let stderr = ''
  child.stderr.on('data', (chunk: Buffer) => {
    stderr = `${stderr}${chunk.toString()}`.slice(-4_096)
  })
  const ended = new Promise<number>((done, failed) => {
    child.on('error', failed)
    child.on('close', (code) => done(code ?? 1))
  })
  // Whoever fails first is the cause: the source's own error, or the program that stopped reading.
  const [fed, exit] = await Promise.allSettled([pipeline(Readable.from(content), child.stdin), ended])
  if (exit.status === 'rejected') {
    throw new MusterError('ERR_PROGRAM', { program, detail: String(exit.reason) }, { cause: exit.reason })
  }
  if (fed.status === 'rejected' && fed.reason instanceof MusterError) throw fed.reason
  if (exit.value !== 0 || fed.status === 'rejected') {
    throw new MusterError('ERR_PROGRAM', { program, detail: stderr.trim() || `exit code ${exit.value}` })
  }
}
