import { constants } from 'node:fs'
import type { FileHandle } from 'node:fs/promises'
import { open, readFile, realpath, stat } from 'node:fs/promises'
import { basename } from 'node:path'
import type { DiskMode, DiskRegion, DiskTarget, RunProgram } from '../../core/ports.ts'
import { MusterError } from '../../errors.ts'
import { mke2fsCommand } from './mke2fs.ts'

/** Making a file system on a slow disk, above all its inode tables. */
const makeTimeoutMs = 10 * 60_000

export interface DiskTargetOptions {
  readonly mode: DiskMode
}

/** Port `DiskTarget` on a block device or a plain file. Throws ERR_DISK, and ERR_DISK_BUSY where a claim is refused. */
export async function openDiskTarget(
  { run }: { readonly run: RunProgram },
  path: string,
  { mode }: DiskTargetOptions,
): Promise<DiskTarget> {
  const isDevice = await guarded(path, async () => (await stat(path)).isBlockDevice())
  const claim = isDevice && mode === 'claim' ? await claimDevice(path) : undefined
  let file: FileHandle | undefined
  try {
    file = await guarded(path, () => open(path, mode === 'read' ? 'r' : 'r+'))
    const { size } = await file.stat()
    const geometry = isDevice
      ? await guarded(path, () => readGeometry(path))
      : { sizeBytes: size, sectorBytes: 512 }
    return new FileDiskTarget(file, path, { isDevice, claim, geometry }, run)
  } catch (error) {
    await file?.close()
    await claim?.close()
    throw error
  }
}

/**
 * Makes a device ours alone: the kernel refuses it where the device or a partition of it is mounted or held, and refuses
 * others as long as the handle is open. Only to read, so that nobody takes its end for a change of the disk.
 */
async function claimDevice(path: string): Promise<FileHandle> {
  try {
    return await open(path, constants.O_RDONLY | constants.O_EXCL)
  } catch (error) {
    const { code, message } = error as NodeJS.ErrnoException
    const details = { disk: path, detail: message }
    throw new MusterError(code === 'EBUSY' ? 'ERR_DISK_BUSY' : 'ERR_DISK', details, { cause: error })
  }
}

/** What was found out of a disk when it was opened. */
interface OpenedDisk {
  readonly isDevice: boolean
  /** Open as long as the disk is ours alone. */
  readonly claim: FileHandle | undefined
  readonly geometry: { readonly sizeBytes: number; readonly sectorBytes: number }
}

class FileDiskTarget implements DiskTarget {
  readonly path: string
  readonly sizeBytes: number
  readonly sectorBytes: number
  readonly #file: FileHandle
  readonly #isDevice: boolean
  #claim: FileHandle | undefined
  readonly #run: RunProgram

  constructor(file: FileHandle, path: string, { isDevice, claim, geometry }: OpenedDisk, run: RunProgram) {
    this.path = path
    this.sizeBytes = geometry.sizeBytes
    this.sectorBytes = geometry.sectorBytes
    this.#file = file
    this.#isDevice = isDevice
    this.#claim = claim
    this.#run = run
  }

  read(offset: number, bytes: number): Promise<Uint8Array> {
    return guarded(this.path, async () => {
      const buffer = Buffer.alloc(bytes)
      let at = 0
      while (at < bytes) {
        const { bytesRead } = await this.#file.read(buffer, at, bytes - at, offset + at)
        if (bytesRead === 0) throw new Error(`it ends at byte ${offset + at}`)
        at += bytesRead
      }
      return buffer
    })
  }

  write(offset: number, bytes: Uint8Array): Promise<void> {
    return guarded(this.path, async () => {
      if (offset + bytes.byteLength > this.sizeBytes) throw new Error('a write reaches beyond its end')
      let at = 0
      while (at < bytes.byteLength) {
        const { bytesWritten } = await this.#file.write(bytes, at, bytes.byteLength - at, offset + at)
        at += bytesWritten
      }
    })
  }

  flush(): Promise<void> {
    return guarded(this.path, async () => {
      await this.#file.sync()
      // What is read back is to come from the medium.
      if (this.#isDevice) await this.#tool(['blockdev', '--flushbufs', this.path])
    })
  }

  async makeFileSystem(
    region: DiskRegion,
    { type, label }: { readonly type: 'ext4' | 'vfat'; readonly label: string },
  ): Promise<void> {
    await this.flush()
    const kibibytes = Math.floor(region.bytes / 1_024)
    await this.#unclaimed(() =>
      this.#tool(
        type === 'ext4'
          ? [...mke2fsCommand(label, this.sectorBytes, `offset=${region.offset}`), this.path, `${kibibytes}k`]
          : [
              'mkfs.vfat',
              '-S',
              String(this.sectorBytes),
              '-n',
              label,
              '--offset',
              String(region.offset / this.sectorBytes),
              this.path,
              String(kibibytes),
            ],
      ),
    )
    await this.flush()
  }

  readTextFile(region: DiskRegion, path: string): Promise<string | undefined> {
    return guarded(this.path, async () => {
      // Catastrophic mode leaves the bitmaps alone: one file is wanted of what may be a disk of any size.
      const place = `${this.path}?offset=${region.offset}`
      const { exitCode, stdout } = await this.#run(['debugfs', '-c', '-R', `cat /${path}`, place])
      return exitCode === 0 && stdout !== '' ? stdout : undefined
    })
  }

  async close(): Promise<void> {
    await this.#file.close()
    await this.#claim?.close()
  }

  /** Lets a program have the disk that claims it itself, as every mkfs does. */
  async #unclaimed(work: () => Promise<void>): Promise<void> {
    const isClaimed = this.#claim !== undefined
    await this.#claim?.close()
    this.#claim = undefined
    await guarded(this.path, work)
    if (isClaimed) this.#claim = await claimDevice(this.path)
  }

  async #tool(argv: readonly string[]): Promise<void> {
    const { exitCode, stderr } = await this.#run(argv, { timeoutMs: makeTimeoutMs })
    if (exitCode !== 0) throw new Error(`${argv[0]} failed: ${stderr.trim()}`)
  }
}

/** Size and logical sectors as the kernel knows them. */
async function readGeometry(
  path: string,
): Promise<{ readonly sizeBytes: number; readonly sectorBytes: number }> {
  const directory = `/sys/class/block/${basename(await realpath(path))}`
  // The kernel counts in units of 512 bytes, whatever the sectors are.
  const units = Number(await readFile(`${directory}/size`, 'utf8'))
  const sectorBytes = Number(await readFile(`${directory}/queue/logical_block_size`, 'utf8'))
  return { sizeBytes: units * 512, sectorBytes }
}

/** Whatever goes wrong with a disk has one code: EIO, ENODEV and ENOSPC alike. */
async function guarded<T>(path: string, work: () => Promise<T>): Promise<T> {
  try {
    return await work()
  } catch (error) {
    if (error instanceof MusterError) throw error
    const detail = error instanceof Error ? error.message : String(error)
    throw new MusterError('ERR_DISK', { disk: path, detail }, { cause: error })
  }
}
