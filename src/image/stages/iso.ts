import { mkdirSync, mkdtempSync, rmSync, statSync, utimesSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { basename, dirname, join } from 'node:path'
import { espPaths, imageFiles } from '../../core/install/layout.ts'
import { runProgram } from '../run.ts'

/** What the medium boots. */
export interface LoaderFiles {
  /** systemd-boot. */
  readonly loader: string
  /** The unified kernel image of the live system. */
  readonly live: string
}

/** The live entry on the medium's own EFI system partition. */
const liveEntry = `${espPaths.entries}/muster-live.efi`

const loaderConfig = 'timeout 0\nconsole-mode keep\neditor no\n'

/**
 * Writes an EFI system partition (FAT) that boots the live system. Made with mtools: nothing is mounted. Throws
 * ERR_IMAGE_COMMAND.
 */
export async function makeEsp(
  files: LoaderFiles,
  output: string,
  options: { readonly epochSeconds: number; readonly volumeId: string },
): Promise<void> {
  const config = mkdtempSync(join(tmpdir(), 'muster-esp-'))
  try {
    writeFileSync(join(config, 'loader.conf'), loaderConfig)
    const placed: readonly (readonly [from: string, to: string])[] = [
      ...espPaths.loaders.map((path) => [files.loader, path] as const),
      [join(config, 'loader.conf'), espPaths.loaderConfig],
      [files.live, liveEntry],
    ]
    const bytes = placed.reduce((total, [from]) => total + statSync(from).size, 0)
    // FAT32 has at least 65 525 clusters; the tables, directories and cluster ends need some room as well.
    const megabytes = Math.max(40, Math.ceil(bytes / 1_048_576) + 6)
    rmSync(output, { force: true })
    await runProgram([
      ...[
        'mkfs.vfat',
        '--invariant',
        '-F',
        '32',
        '-S',
        '512',
        '-s',
        '1',
        '-n',
        'MUSTERLIVE',
        '-i',
        options.volumeId,
      ],
      ...['-C', output, String(megabytes * 1_024)],
    ])
    const environment = { SOURCE_DATE_EPOCH: String(options.epochSeconds), MTOOLS_SKIP_CHECK: '1' }
    const directories = new Set(
      placed.flatMap(([, to]) => {
        const parts = to.split('/').slice(0, -1)
        return parts.map((_, index) => parts.slice(0, index + 1).join('/'))
      }),
    )
    await runProgram(['mmd', '-i', output, ...[...directories].map((path) => `::/${path}`)], { environment })
    for (const [from, to] of placed)
      await runProgram(['mcopy', '-i', output, from, `::/${to}`], { environment })
  } finally {
    rmSync(config, { recursive: true, force: true })
  }
}

/**
 * Writes the ISO: the files of the directory `muster/` and, behind them, the EFI system partition as an appended GPT
 * partition that El Torito names as well, so that it boots as a disc and as a disk. The same files give the same bytes.
 * Throws ERR_IMAGE_COMMAND.
 */
export async function makeIso(
  files: readonly string[],
  esp: string,
  output: string,
  options: { readonly epochSeconds: number; readonly volume: string },
): Promise<void> {
  rmSync(output, { force: true })
  // The directory in the ISO takes its time from the one that the files lie in, which each build writes to.
  for (const path of new Set(files.flatMap((file) => [file, dirname(file)]))) {
    utimesSync(path, options.epochSeconds, options.epochSeconds)
  }
  const date = new Date(options.epochSeconds * 1_000).toISOString().replaceAll(/\D/g, '').slice(0, 16)
  await runProgram(
    [
      ...['xorriso', '-as', 'mkisofs', '-quiet', '-o', output, '-V', options.volume, '-iso-level', '3'],
      ...['-R', '-uid', '0', '-gid', '0', '-file-mode', '0444', '-dir-mode', '0555'],
      ...[
        `--modification-date=${date}`,
        '--set_all_file_dates',
        'set_to_mtime',
        '--gpt_disk_guid',
        'modification-date',
      ],
      ...['-partition_offset', '16', '-append_partition', '2', '0xef', esp, '-appended_part_as_gpt'],
      ...['-eltorito-alt-boot', '-e', '--interval:appended_partition_2:all::', '-no-emul-boot'],
      '-graft-points',
      ...files.map((file) => `${imageFiles.directory}/${basename(file)}=${file}`),
    ],
    { environment: { SOURCE_DATE_EPOCH: String(options.epochSeconds) } },
  )
}

/** Makes a directory that is empty. */
export function emptyDirectory(path: string): void {
  rmSync(path, { recursive: true, force: true })
  mkdirSync(path, { recursive: true })
}
