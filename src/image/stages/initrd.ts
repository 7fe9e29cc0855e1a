import { readFileSync, rmSync, writeFileSync } from 'node:fs'
import { persistentPaths } from '../../core/install/layout.ts'
import { runProgram } from '../run.ts'
import { type CpioEntry, cpioArchive, entriesBelow } from './cpio.ts'
import { alwaysLoaded, watchdogOptions } from './modules.ts'

/** The program of the initrd, beside this file in the source. */
const script = new URL('../initrd/init.sh', import.meta.url)

/** From the end of the initrd until systemd holds the watchdog; as long as systemd then has. */
const watchdogSeconds = 180

const applets =
  'awk cat chroot cut cp dd dmesg echo find grep head hexdump ln losetup ls mkdir mknod modprobe mount mv printf readlink reboot rm sed sh sleep sort switch_root sync tail test tr umount uname'.split(
    ' ',
  )

/**
 * Writes the initrd: busybox, dmsetup, kernel modules and one script. The same tree and script give the same bytes.
 * Throws ERR_IMAGE_COMMAND.
 */
export async function makeInitrd(
  tree: string,
  output: string,
  options: { readonly epochSeconds: number },
): Promise<void> {
  const cpio = `${output}.cpio`
  writeFileSync(cpio, cpioArchive(initrdEntries(tree), options.epochSeconds))
  await runProgram(['zstd', '-q', '-f', '-9', '--no-progress', cpio, '-o', output])
  rmSync(cpio)
}

function initrdEntries(tree: string): readonly CpioEntry[] {
  const directory = (path: string, mode = 0o755): CpioEntry => ({
    path,
    mode: 0o040000 | mode,
    content: Buffer.alloc(0),
  })
  const file = (path: string, mode: number, content: Buffer | string): CpioEntry => ({
    path,
    mode: 0o100000 | mode,
    content: Buffer.from(content),
  })
  const link = (path: string, target: string): CpioEntry => ({
    path,
    mode: 0o120777,
    content: Buffer.from(target),
  })
  return [
    ...entriesBelow(tree),
    ...['dev', 'proc', 'sys', 'run', 'etc', 'etc/modprobe.d', 'etc/muster', 'sysroot', 'tmp'].map((path) =>
      directory(path),
    ),
    // The kernel opens it for the first program before devtmpfs is mounted.
    { path: 'dev/console', mode: 0o020600, content: Buffer.alloc(0), device: [5, 1] },
    ...applets.map((name) => link(`bin/${name}`, 'busybox')),
    // The kernel calls it by this name when it needs a module.
    link('sbin/modprobe', '../bin/busybox'),
    file('etc/modprobe.d/watchdog.conf', 0o644, watchdogOptions(watchdogSeconds)),
    file('etc/muster/modules', 0o644, `${alwaysLoaded.join('\n')}\n`),
    file('etc/muster/persistent', 0o644, `${persistentPaths.join('\n')}\n`),
    file('init', 0o755, readFileSync(script)),
  ]
}
