import { z } from 'zod'
import { anything, flag, oneOf, text, texts, variables, whole } from './fields.ts'

/** A user of the machine, as cloud-init writes it. */
export interface User {
  name: string
  gecos?: string | undefined
  homedir?: string | undefined
  groups?: string | string[] | undefined
  primary_group?: string | undefined
  lock_passwd?: boolean | undefined
  no_create_home?: boolean | undefined
  passwd?: string | undefined
  shell?: string | undefined
  ssh_authorized_keys?: string[] | undefined
  sudo?: string | string[] | undefined
  system?: boolean | undefined
  uid?: string | number | undefined
}

/** A file that is written at boot. */
export interface WriteFile {
  path: string
  content?: string | undefined
  encoding?: string | undefined
  owner?: string | undefined
  permissions?: string | number | undefined
  append?: boolean | undefined
  defer?: boolean | undefined
}

const textOrTexts = z.union([z.string(), z.array(z.string())], { error: 'expected text, or a list of texts' })
const textOrNumber = z.union([z.string(), z.number()], { error: 'expected text or a number' })
const required = (description: string): z.ZodString => z.string().min(1).describe(description)

const user: z.ZodType<User> = z.strictObject({
  name: required('Login name.'),
  gecos: text('Full name.'),
  homedir: text('Home directory.'),
  groups: textOrTexts.optional().describe('Groups, as a list or with commas.'),
  primary_group: text('Primary group.'),
  lock_passwd: flag('Forbid login by password.'),
  no_create_home: flag('Make no home directory.'),
  passwd: text('Password, best as a hash.'),
  shell: text('Login shell.'),
  ssh_authorized_keys: texts('Public keys; `github:NAME` and `gitlab:NAME` too.'),
  sudo: textOrTexts.optional().describe('Rules for sudo.'),
  system: flag('A system user.'),
  uid: textOrNumber.optional().describe('Number of the user.'),
})

/** `users:`. */
export const usersSchema: z.ZodType<User[] | undefined> = z
  .array(user)
  .optional()
  .describe('Users of the machine.')

/** `write_files:`. */
export const writeFilesSchema: z.ZodType<WriteFile[] | undefined> = z
  .array(
    z.strictObject({
      path: required('Where to.'),
      content: z.string().optional().describe('What.'),
      encoding: oneOf(
        ['b64', 'base64', 'gz', 'gzip', 'gz+b64', 'gz+base64', 'gzip+base64', 'text/plain'],
        'How `content` is written.',
      ),
      owner: text('User and group, `root:root`.'),
      permissions: textOrNumber.optional().describe('Mode, `"0644"`.'),
      append: flag('Append instead of replace.'),
      defer: flag('After users were made.'),
    }),
  )
  .optional()
  .describe('Files that are written at boot.')

/** `runcmd:`: shell lines, or argument lists. */
export const runCommandsSchema: z.ZodType<(string | string[])[] | undefined> = z
  .array(textOrTexts)
  .optional()
  .describe('Commands that run at boot.')

/** One step of a stage. What the steps do is checked where they run. */
export type StageStep = Record<string, unknown>

const step: z.ZodType<StageStep> = z.strictObject({
  name: text('Name of the step.'),
  if: text('Shell condition.'),
  only_os: text('Pattern of the system.'),
  only_os_version: text('Pattern of its version.'),
  only_arch: text('Pattern of the architecture.'),
  only_service_manager: text('systemd or openrc.'),
  if_files: anything('Conditions on files: any, all, none.'),
  node: text('Host name that the step is for.'),
  after: z.array(z.union([z.string(), z.strictObject({ name: text('Name.') })])).optional(),
  commands: texts('Shell commands.'),
  files: z
    .array(
      z.strictObject({
        path: required('Where to.'),
        content: z.string().optional(),
        permissions: textOrNumber.optional(),
        owner: textOrNumber.optional(),
        group: textOrNumber.optional(),
        owner_string: text('User and group by name.'),
        encoding: oneOf(
          ['b64', 'base64', 'gz', 'gzip', 'gz+b64', 'gz+base64', 'gzip+base64', ''],
          'How `content` is written.',
        ),
      }),
    )
    .optional()
    .describe('Files to write.'),
  downloads: anything('Files to fetch.'),
  directories: anything('Directories to make.'),
  users: z.record(z.string(), anything('A user.')).optional().describe('Users by name.'),
  authorized_keys: z.record(z.string(), z.array(z.string())).optional().describe('Public keys by user.'),
  ensure_entities: anything('Lines of passwd, group and shadow.'),
  delete_entities: anything('Lines of passwd, group and shadow.'),
  hostname: text('Host name, may be a template.'),
  dns: anything('Name servers.'),
  sysctl: variables('Kernel parameters.'),
  modules: texts('Kernel modules.'),
  systemctl: z
    .strictObject({
      enable: texts('Units.'),
      disable: texts('Units.'),
      start: texts('Units.'),
      mask: texts('Units.'),
      overrides: anything('Drop-in files of units.'),
    })
    .optional()
    .describe('Units.'),
  environment: variables('Variables.'),
  environment_file: text('Where the variables go.'),
  timesyncd: variables('Settings of the clock.'),
  systemd_firstboot: variables('Settings of the first boot.'),
  layout: anything('Partitions.'),
  git: anything('A repository to fetch.'),
  unpack_images: anything('Container images to unpack.'),
  packages: anything('Packages.'),
  package_pins: anything('Versions of packages.'),
  datasource: anything('Where user-data comes from.'),
})

/** `stages:`: name of a stage to its steps. */
export const stagesSchema: z.ZodType<Record<string, StageStep[]> | undefined> = z
  .record(z.string(), z.array(step))
  .optional()
  .describe('What runs in which stage of the boot.')

/** Names of stages; each also with `.before` and `.after`. */
export const stageNames: readonly string[] = [
  'rootfs',
  'initramfs',
  'boot',
  'fs',
  'network',
  'reconcile',
  ...['install', 'upgrade', 'reset'].flatMap((verb) => [
    `before-${verb}`,
    `after-${verb}`,
    `after-${verb}-chroot`,
    `kairos-uki-${verb}.pre`,
    `kairos-uki-${verb}`,
    `kairos-${verb}.pre`,
    `kairos-${verb}`,
  ]),
  'kairos-agent.bootstrap',
  ...['master', 'master/ha', 'master/clusterinit', 'worker'].flatMap((role) => [
    `provider-kairos.bootstrap.before.${role}`,
    `provider-kairos.bootstrap.after.${role}`,
  ]),
]

/** Growing the root file system, as cloud-init spells it. */
export const growPartSchema: z.ZodType = z
  .strictObject({
    mode: oneOf(['auto', 'growpart', 'off'], 'How.'),
    devices: texts('Which.'),
    ignore_growroot_disabled: flag('Although it is switched off.'),
    size: whole(0, 2 ** 40, 'How large.'),
  })
  .optional()
  .describe('Growing of partitions.')
