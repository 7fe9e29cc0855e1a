// Names that the image builder, the initrd, the installer and the running system share. docs/image.md explains them.

/** Partitions of an installed disk, by their GPT names, in the order on the disk. */
export const partitionNames = {
  esp: 'muster-esp',
  slotA: 'muster-a',
  slotB: 'muster-b',
  recovery: 'muster-recovery',
  config: 'muster-config',
  persistent: 'muster-persistent',
} as const

/** GPT types. A slot's own type keeps other systems' automounters away from it. */
export const partitionTypes = {
  esp: 'c12a7328-f81f-11d2-ba4b-00a0c93ec93b',
  slot: '6d757374-6572-4c00-8d5f-736c6f740001',
  linux: '0fc63daf-8483-4772-8e79-3d69d8477de4',
} as const

/** What a boot entry's kernel command line says. */
export const kernelParameters = {
  /** `installed`, `live` or `recovery`. */
  mode: 'muster.mode',
  /** Root hash of the image, 64 hex digits: also the image's id. */
  root: 'muster.root',
  /** Data blocks of 4096 bytes; the hash tree's superblock is the block behind them. */
  blocks: 'muster.blocks',
  /** Salt of the hash tree, 64 hex digits. */
  salt: 'muster.salt',
  /** A cloud-config, base64; by hand or by the machine lab. */
  config: 'muster.config',
} as const

/** Files of the image on a medium, and in a directory that is an upgrade's source. */
export const imageFiles = {
  /** Below the top of the medium. */
  directory: 'muster',
  /** Holds the image id and a newline. */
  id: 'image-id',
  manifest: 'manifest.json',
  signature: 'manifest.sig',
  /** squashfs and hash tree: the very bytes of a slot. */
  root: 'root.img',
  installed: 'installed.efi',
  recovery: 'recovery.efi',
  /** systemd-boot. */
  loader: 'loader.efi',
  /** The cloud-config of this medium: a file of fixed size, padded with line feeds, so that it can be replaced in place. */
  config: 'config.yaml',
} as const

/** Size of `config.yaml` on a medium, in bytes. */
export const mediumConfigBytes: number = 256 * 1_024

/** Paths on the EFI system partition. */
export const espPaths = {
  entries: 'EFI/Linux',
  loaders: ['EFI/BOOT/BOOTX64.EFI', 'EFI/systemd/systemd-bootx64.efi'],
  loaderConfig: 'loader/loader.conf',
  recovery: 'EFI/Linux/muster-recovery.efi',
} as const

/** Where things are in a running system. */
export const systemPaths = {
  /** The partition `muster-config`. */
  config: '/config',
  /** The partition `muster-persistent`. */
  persistent: '/persist',
  /** The ESP. */
  esp: '/efi',
  /** A live or recovery system's medium. */
  medium: '/run/muster/medium',
  /** JSON: {mode, imageId, disk, partition}, written by the initrd. */
  boot: '/run/muster/boot.json',
  /** Exists in a live or recovery system: neither agent nor k3s belongs there. */
  live: '/run/muster/live',
  /** Exists where `muster-persistent` could not be mounted: this boot keeps nothing of k3s. Written by the initrd. */
  persistFailed: '/run/muster/persist-failed',
  /** Of a later stage, with its name behind: exists where the configuration has something for it to do. */
  stageWanted: '/run/muster/stage-',
  /** JSON: how far an installation is, for the screen: {title, number, of, bytes?}, or {error}. Replaced whole. */
  progress: '/run/muster/install.json',
  /** What V8 made of the program when the image was built: no machine compiles it again. */
  compiled: '/usr/lib/muster/compiled',
  /** Public keys that may sign images, one file each. */
  imageKeys: '/usr/lib/muster/image-keys',
  /** os-release of the image: IMAGE_ID=muster, IMAGE_VERSION, MUSTER_EPOCH. */
  release: '/usr/lib/os-release',
} as const

/** Below `systemPaths.config`. */
export const configPaths = {
  /** A directory: the files that the live system gathered in /etc/muster, without the image's own (`10_image_…`). */
  cloudConfig: 'cloud-config',
  /** JSON: the files of `cloudConfig` and the image's own as the last boot without an error read them. */
  goodConfig: 'cloud-config.good.json',
  machineId: 'machine-id',
  /** Identity and votes; bound to /var/lib/muster. */
  state: 'state',
  receipt: 'install.json',
  /** Highest epoch, blessed and rejected images, baseline before an upgrade. */
  images: 'images.json',
  sshKeys: 'ssh',
  /** JSON: a reset that the next boot carries out. */
  reset: 'reset.json',
} as const

/** Below `systemPaths.persistent`, beside the paths of `persistentPaths`. */
export const persistentNames = {
  /** What `install.bind_mounts` names, by its path: data of the machine's own, not of k3s. */
  binds: 'binds',
  /** etcd's data that may still be somebody's. */
  backup: 'backup',
} as const

/** Data that outlive a restart, bound from below `systemPaths.persistent`. Never a directory of units. */
export const persistentPaths: readonly string[] = [
  '/var/lib/rancher',
  '/var/lib/kubelet',
  '/var/lib/cni',
  '/var/log/journal',
  '/var/log/pods',
]

/** How often a new entry is tried before the loader leaves it alone. */
export const bootTries = 3
