import { z } from 'zod'
import { anything, flag, oneOf, text, texts, variables, whole } from './fields.ts'

/** Kairos' block `install:`; read and checked, carried out by the installer. */
export type InstallBlock = Record<string, unknown>

const size = (description: string): z.ZodType<number | undefined> => whole(0, 2 ** 30, description)

const partition = z
  .strictObject({
    size: size('Size in MiB.'),
    fs: text('File system.'),
    flags: texts('Flags.'),
    label: text('Label.'),
    name: text('Name.'),
    image: text('Image.'),
  })
  .optional()

const image = z
  .strictObject({
    size: size('Size in MiB.'),
    source: text('Where it comes from, `oci:…`, `dir:…` or `file:…`.'),
    uri: text('The same as `source`.'),
    fs: text('File system.'),
    label: text('Label.'),
    'grub-entry-name': text('Name in the boot menu.'),
  })
  .optional()

const bundles = z
  .array(
    z.strictObject({
      targets: texts('What to install.'),
      repository: text('Where from.'),
      rootfs_path: text('Where to.'),
      db_path: text('Where the list is kept.'),
      local_file: flag('A file on this machine.'),
    }),
  )
  .optional()
  .describe('Bundles of programs.')

/** Schema of Kairos' `bundles:`. */
export const bundlesSchema: z.ZodType = bundles

/** Schema of Kairos' `install:`. */
export const installSchema: z.ZodType<InstallBlock | undefined> = z
  .strictObject({
    auto: flag('Install without being asked.'),
    device: text('`auto`, a device, a path of /dev/disk/by-*, or `script://…`.'),
    reboot: flag('Restart afterwards.'),
    poweroff: flag('Switch off afterwards.'),
    source: text('Image to install.'),
    firmware: text('`efi` or `bios`.'),
    'part-table': text('`gpt` or `msdos`.'),
    partitions: z
      .strictObject({
        oem: partition,
        recovery: partition,
        state: partition,
        persistent: partition,
        efi: partition,
        bios: partition,
      })
      .optional()
      .describe('Partitions.'),
    'extra-partitions': anything('More partitions.'),
    'no-format': flag('Keep the partitions.'),
    force: flag('Install although there is a system: the same as `reinstall: wipe`.'),
    encrypted_partitions: texts('Labels of partitions that are encrypted.'),
    skip_copy_kcrypt_plugin: flag('Leave out the encryption plug-in.'),
    grub_options: variables('Variables of the boot loader.'),
    'grub-entry-name': text('Name in the boot menu.'),
    bundles,
    env: texts('Lines of /etc/environment.'),
    bind_mounts: texts('Paths that persist.'),
    ephemeral_mounts: texts('Paths that do not.'),
    system: image,
    passive: image,
    'recovery-system': image,
    'extra-dirs-rootfs': texts('Directories to make.'),
    wipe: oneOf(['none', 'foreign'], 'What may be overwritten: `foreign` means data of other systems.'),
    reinstall: oneOf(
      ['never', 'wipe'],
      'What to do with an installation of muster: leave and boot it, or replace it, once for each image and configuration of a medium.',
    ),
    nousers: flag('Install although no user is declared.'),
    ssh_hardening: flag('A stricter SSH server.'),
    image: text('Image to install; an older spelling of `source`.'),
  })
  .optional()
  .describe('How the system is installed.')

/** Schema of Kairos' `upgrade:`. */
export const upgradeSchema: z.ZodType<InstallBlock | undefined> = z
  .strictObject({
    reboot: flag('Restart afterwards.'),
    poweroff: flag('Switch off afterwards.'),
    recovery: flag('Upgrade the recovery system.'),
    system: image,
    'recovery-system': image,
    'grub-entry-name': text('Name in the boot menu.'),
  })
  .optional()
  .describe('How the system is upgraded.')

/** Schema of Kairos' `reset:`. */
export const resetSchema: z.ZodType<InstallBlock | undefined> = z
  .strictObject({
    reboot: flag('Restart afterwards.'),
    poweroff: flag('Switch off afterwards.'),
    system: image,
    'reset-persistent': flag('Wipe the persistent partition.'),
    'reset-oem': flag('Wipe the OEM partition.'),
    'grub-entry-name': text('Name in the boot menu.'),
  })
  .optional()
  .describe('How the system is reset.')
