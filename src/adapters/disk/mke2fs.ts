/** The kernel's page: no ext4 has larger blocks. */
const blockBytesMax = 4_096

/**
 * The command that makes an ext4 without a reserve for root on a disk with these logical sectors; `extended` and what follows
 * belong to the caller.
 */
export function mke2fsCommand(label: string, sectorBytes: number, extended: string): string[] {
  // A small one gets blocks of 1024 bytes by itself, and a disk with larger sectors could not be read in them.
  const blocks = sectorBytes > 512 ? ['-b', String(blockBytesMax)] : []
  return ['mke2fs', '-q', '-F', '-t', 'ext4', '-m', '0', ...blocks, '-L', label, '-E', extended]
}
