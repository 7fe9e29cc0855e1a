// What an image is made of, as data: the key of the cached root is drawn from it.

/** Kernel flavours: `generic` for hardware, `cloud` for emulated machines and clouds only. */
export const kernelFlavours = ['generic', 'cloud'] as const
export type KernelFlavour = (typeof kernelFlavours)[number]

/** The Debian release that an image stands on. */
export const suite = 'bookworm'

/** Debian package of each kernel. */
export const kernelPackages: Readonly<Record<KernelFlavour, string>> = {
  generic: 'linux-image-amd64',
  cloud: 'linux-image-cloud-amd64',
}

/** Debian packages of every image. */
export const basePackages: readonly string[] = [
  'busybox-static',
  'ca-certificates',
  'conntrack',
  'cryptsetup-bin',
  'curl',
  'dbus',
  'dmsetup',
  'dosfstools',
  'e2fsprogs',
  'efibootmgr',
  'ethtool',
  'fdisk',
  'iproute2',
  'iptables',
  'iputils-ping',
  'kmod',
  'less',
  'libpam-systemd',
  'mtools',
  'nano-tiny',
  'nftables',
  'openssh-server',
  'procps',
  'qemu-guest-agent',
  'sudo',
  'systemd',
  'systemd-boot',
  'systemd-resolved',
  'systemd-sysv',
  'systemd-timesyncd',
  'udev',
]

/** Come as dependencies of the kernel, and make an initrd that nobody boots. */
export const unwantedPackages: readonly string[] = [
  'initramfs-tools',
  'initramfs-tools-core',
  'klibc-utils',
  'libklibc',
]

/** What dpkg does not unpack. */
export const pathExcludes: readonly string[] = [
  '/usr/share/doc/*',
  '/usr/share/man/*',
  '/usr/share/info/*',
  '/usr/share/locale/*',
  '/usr/share/lintian/*',
  '/usr/share/bash-completion/*',
  '/usr/share/zsh/*',
  '/usr/share/bug/*',
  '/usr/lib/systemd/boot/*',
  '/usr/lib/debug/*',
  // A server has no use for these drivers, and they are most of a kernel package.
  ...[
    'gpu',
    'media',
    'sound',
    'staging',
    'iio',
    'infiniband',
    'bluetooth',
    'isdn',
    'comedi',
    'video',
  ].flatMap((folder) => [`/lib/modules/*/kernel/drivers/${folder}/*`]),
  ...['nfc', 'gnss', 'pcmcia', 'parport', 'mtd', 'w1', 'leds', 'greybus', 'soundwire', 'thunderbolt'].flatMap(
    (folder) => [`/lib/modules/*/kernel/drivers/${folder}/*`],
  ),
  '/lib/modules/*/kernel/sound/*',
  '/lib/modules/*/kernel/drivers/net/wireless/*',
  '/lib/modules/*/kernel/drivers/net/can/*',
  '/lib/modules/*/kernel/drivers/net/wwan/*',
  '/lib/modules/*/kernel/drivers/input/joystick/*',
  '/lib/modules/*/kernel/drivers/input/tablet/*',
  '/lib/modules/*/kernel/drivers/input/touchscreen/*',
  '/lib/modules/*/kernel/drivers/scsi/pcmcia/*',
  '/lib/modules/*/kernel/net/bluetooth/*',
  '/lib/modules/*/kernel/net/mac80211/*',
  '/lib/modules/*/kernel/net/wireless/*',
  '/lib/modules/*/kernel/net/nfc/*',
  '/lib/modules/*/kernel/net/can/*',
  ...[
    'ocfs2',
    'gfs2',
    'jfs',
    'ubifs',
    'jffs2',
    'reiserfs',
    'hfs',
    'hfsplus',
    'affs',
    'ufs',
    'nilfs2',
    'coda',
    'afs',
  ].map((name) => `/lib/modules/*/kernel/fs/${name}/*`),
]

/** What dpkg unpacks all the same: whoever passes an image on has to pass these on. */
export const pathIncludes: readonly string[] = ['/usr/share/doc/*/copyright']

/** Paths of an installed root that say when and where it was made, or that a running system makes anew. */
export const rootExcludes: readonly RegExp[] = [
  /^boot\/./,
  /^(initrd\.img|vmlinuz)(\.old)?$/,
  /^(dev|proc|sys|run|tmp)\/./,
  /^etc\/(machine-id|hostname|resolv\.conf|\.pwd\.lock)$/,
  /^etc\/ssh\/ssh_host_/,
  /^etc\/apt\/sources\.list/,
  /^etc\/(passwd|group|shadow|gshadow|subuid|subgid)-$/,
  /^var\/(cache|log|tmp|backups|spool)\/./,
  /^var\/lib\/apt\/./,
  /^var\/lib\/dpkg\/(info|triggers|updates|alternatives|parts)\/./,
  /^var\/lib\/dpkg\/(.*-old|lock.*|diversions.*|statoverride.*)$/,
  /^var\/lib\/systemd\/(random-seed|catalog\/.*|deb-systemd.*)$/,
  /^var\/lib\/(ucf|pam|dbus\/machine-id)/,
  /^usr\/share\/doc\/[^/]+\/(?!copyright$)./,
  /^usr\/share\/(man|info|locale|lintian|i18n|perl|perl5|debconf|mime|zoneinfo\/right|polkit-1|applications|pixmaps)\/./,
  // The essential package has a Perl of its own beside it.
  /^usr\/lib\/x86_64-linux-gnu\/(perl\/|libperl\.so)./,
  // hwdb.bin is made of these.
  /^usr\/lib\/udev\/hwdb\.d\/./,
  // mtools converts names between UTF-8 and the code page of FAT.
  /^usr\/lib\/x86_64-linux-gnu\/gconv\/(?!IBM850\.so$|gconv-modules)./,
]
