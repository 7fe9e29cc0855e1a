import { z } from 'zod'
import { flag, oneOf, text, texts, whole } from './fields.ts'

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

/** How the content of a file is written in YAML. */
export const fileEncodings = [
  'b64',
  'base64',
  'gz',
  'gzip',
  'gz+b64',
  'gz+base64',
  'gzip+base64',
  'text/plain',
] as const

export type FileEncoding = (typeof fileEncodings)[number]

/** A file that is written at boot. */
export interface WriteFile {
  path: string
  content?: string | undefined
  encoding?: FileEncoding | undefined
  owner?: string | undefined
  permissions?: string | number | undefined
  append?: boolean | undefined
  defer?: boolean | undefined
}

const textOrTexts = z.union([z.string(), z.array(z.string())], { error: 'expected text, or a list of texts' })
const textOrNumber = z.union([z.string(), z.number()], { error: 'expected text or a number' })
const required = (description: string): z.ZodString => z.string().min(1).describe(description)

/** What may be said of a user beside the name. */
export const userFields = {
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
}

const user: z.ZodType<User> = z.strictObject({ name: required('Login name.'), ...userFields })

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
      encoding: oneOf(fileEncodings, 'How `content` is written.'),
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
