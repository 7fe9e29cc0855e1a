/** The command that makes an ext4 without a reserve for root; `extended` and what follows belong to the caller. */
export function mke2fsCommand(label: string, extended: string): string[] {
  return ['mke2fs', '-q', '-F', '-t', 'ext4', '-m', '0', '-L', label, '-E', extended]
}
