// Which kernel modules an initrd has, in pure functions over the text files that depmod writes.

/** Loaded first and always, in this order, whatever the machine has; those that are part of the kernel are passed over. */
export const alwaysLoaded: readonly string[] = [
  'loop',
  'dm_mod',
  'dm_verity',
  'squashfs',
  'overlay',
  'isofs',
  'ext4',
  'vfat',
  'nls_cp437',
  'nls_ascii',
  'nls_iso8859_1',
  'sd_mod',
  'sr_mod',
]

/** Drivers of watchdogs on servers and in emulated machines, and how each is told after how many seconds it restarts the machine. */
const watchdogTimes: Readonly<Record<string, string>> = {
  i6300esb: 'heartbeat',
  iTCO_wdt: 'heartbeat',
  sp5100_tco: 'heartbeat',
  hpwdt: 'soft_margin',
  wdat_wdt: 'timeout',
}

const watchdogs: readonly string[] = Object.keys(watchdogTimes)

/** Lines for modprobe: a watchdog that is on gives a slow machine this time to reach systemd, which takes it over. */
export function watchdogOptions(seconds: number): string {
  return Object.entries(watchdogTimes)
    .map(([module, parameter]) => `options ${module} ${parameter}=${seconds}\n`)
    .join('')
}

/** Loaded when a device asks for them, or another module. */
export const onDemand: readonly string[] = [
  // Where disks and media hang.
  'virtio_pci',
  'virtio_mmio',
  'virtio_blk',
  'virtio_scsi',
  'nvme',
  'ahci',
  'ata_piix',
  'ata_generic',
  'pata_acpi',
  'xhci_pci',
  'ehci_pci',
  'ohci_pci',
  'uhci_hcd',
  'usb_storage',
  'uas',
  'sdhci_pci',
  'sdhci_acpi',
  'mmc_block',
  'megaraid_sas',
  'mpt3sas',
  'hpsa',
  'smartpqi',
  'aacraid',
  'mptspi',
  'mptsas',
  'vmw_pvscsi',
  'vmd',
  'hv_vmbus',
  'hv_storvsc',
  'xen_blkfront',
  // A keyboard at the console while nothing else runs.
  'usbhid',
  'hid_generic',
  'hyperv_keyboard',
  // What restarts a machine that hangs, and the chips that Intel's hangs below.
  ...watchdogs,
  'lpc_ich',
  'i2c_i801',
  // Firmware variables, and what the file systems ask the kernel's cryptography for.
  'efivarfs',
  'crc32c_generic',
  'crc32c_intel',
  'sha256_generic',
  'sha256_ssse3',
  'crct10dif_pclmul',
  'crct10dif_generic',
]

/** A module's one name: `-` and `_` are the same to the kernel. */
export function moduleName(path: string): string {
  const file = path.split('/').at(-1) ?? ''
  return file.replace(/\.ko(\.(xz|zst|gz))?$/, '').replaceAll('-', '_')
}

/**
 * Paths of the modules wanted and of all that they depend on, sorted. `modulesDep` is depmod's `modules.dep`:
 * `path: path path`. Names that no line has are left out: they are part of the kernel, or it has none such.
 */
export function moduleClosure(modulesDep: string, wanted: readonly string[]): readonly string[] {
  const lines = modulesDep
    .split('\n')
    .filter((line) => line.includes(':'))
    .map((line) => {
      const [path = '', rest = ''] = line.split(':', 2)
      return { path, needs: rest.split(' ').filter(Boolean) }
    })
  const names = new Set(wanted.map((name) => moduleName(name)))
  const found = lines.filter(({ path }) => names.has(moduleName(path)))
  return [...new Set(found.flatMap(({ path, needs }) => [path, ...needs]))].toSorted()
}
