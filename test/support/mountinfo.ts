/** `/proc/self/mountinfo` of a machine: a file system for each place, with `ro` behind it where it is read-only. */
export function mountinfo(mounts: Readonly<Record<string, string>>): string {
  const lines = Object.entries(mounts).map(([path, mount], index) => {
    const [type = '', mode = 'rw'] = mount.split(' ')
    return `${30 + index} 1 8:${index} / ${path} rw,noatime shared:${index} - ${type} /dev/sda${index} ${mode},errors=remount-ro`
  })
  return ['22 1 0:21 / / rw,relatime shared:1 - overlay overlay rw', ...lines, ''].join('\n')
}
