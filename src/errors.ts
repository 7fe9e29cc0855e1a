/**
 * The one catalogue of coded errors that a user can meet. `docs/errors.md` is tested against it.
 *
 * Exit codes of the command line: 0 ok, 1 failed, 2 usage, 3 not ready or timed out, 4 invalid configuration.
 */
export type ExitCode = 0 | 1 | 2 | 3 | 4

interface CatalogueEntry {
  /** One sentence: what is wrong. `{name}` is filled from the details. */
  readonly message: string
  /** One sentence: what to do. */
  readonly hint: string
  readonly exitCode: ExitCode
}

const catalogue = {
  ERR_USAGE: {
    message: '{detail}',
    hint: 'Run `muster help` for the commands and their flags.',
    exitCode: 2,
  },
  ERR_TOKEN_TRUNCATED: {
    message: 'The network token is cut: {detail}.',
    hint: 'Copy the whole token again; it begins with `muster1-` and is one line.',
    exitCode: 4,
  },
  ERR_TOKEN_CHECKSUM: {
    message: 'The network token has a typing error: its checksum does not match.',
    hint: 'Copy the token again from where it was made; do not type it.',
    exitCode: 4,
  },
  ERR_TOKEN_UNKNOWN: {
    message: 'This is not a network token: {detail}.',
    hint: 'A token is made by `muster token new`; tokens of Kairos and edgevpn are read as well.',
    exitCode: 4,
  },
  ERR_TOKEN_MISSING: {
    message: 'No network token is configured.',
    hint: 'Make one with `muster token new` and put it under `muster: token:` on every machine.',
    exitCode: 4,
  },
  ERR_CONFIG_UNREADABLE: {
    message: 'The file {path} cannot be read.',
    hint: 'Check the path and the permissions.',
    exitCode: 4,
  },
  ERR_ORDER_REFUSED: {
    message: 'The order was refused: {detail}.',
    hint: '`muster why` says how things stand here, `muster spec show` what the cluster runs with.',
    exitCode: 1,
  },
  ERR_CONFIG_INVALID: {
    message: 'The configuration has {count} error(s).',
    hint: 'Each error above names file, line and column. `muster config schema` prints what is allowed.',
    exitCode: 4,
  },
  ERR_SCENARIO_INVALID: {
    message: 'The scenario {path} cannot be run:\n{detail}',
    hint: 'Each error names file, line and column; docs/scenarios.md shows what can be written.',
    exitCode: 4,
  },
  ERR_SCENARIO_IMPOSSIBLE: {
    message: 'A lab of real processes cannot do this: {detail}.',
    hint: 'Run the scenario in the simulator, or take these out of it.',
    exitCode: 4,
  },
  ERR_STATE_UNREADABLE: {
    message: 'The state directory {path} cannot be used: {detail}.',
    hint: 'Check its owner, its permissions and the free space. Nothing was changed.',
    exitCode: 1,
  },
  ERR_STATE_LOCKED: {
    message: 'The state directory {path} is in use by another agent (process {pid}).',
    hint: 'One directory belongs to one agent: stop the other one, or give this one its own directory.',
    exitCode: 1,
  },
  ERR_STATE_FORMAT: {
    message: 'The state in {path} has format {found}; this version of muster reads up to {known}.',
    hint: 'It was written by a newer version: install that version or a later one. Nothing was changed.',
    exitCode: 1,
  },
  ERR_STATE_FULL: {
    message: 'No space is left to save state in {path}.',
    hint: 'Free some space on that filesystem. The state from before is whole, and nothing was said that it does not hold.',
    exitCode: 1,
  },
  ERR_STATE_DAMAGED: {
    message: 'The state in {path} is damaged: {detail}.',
    hint: 'Bring the file back from a copy, or move the directory away to start as a new machine. Nothing was changed.',
    exitCode: 1,
  },
  ERR_STATE_UNSURE: {
    message: 'The disk failed while state was saved in {path}: {detail}.',
    hint: 'What is on the disk is unknown until it is read again: check the disk, then start the agent anew.',
    exitCode: 1,
  },
  ERR_IDENTITY_CLONED: {
    message: 'This machine runs on the key of another one: {detail}.',
    hint: 'Its state was put aside and k3s was stopped; the next start makes a new identity. Move the k3s data of the copied disk away (/var/lib/rancher/k3s) to let it join.',
    exitCode: 1,
  },
  ERR_OPERATOR_KEY: {
    message: 'The operator key cannot be used: {detail}.',
    hint: 'An operator key is one line that begins with `muster-operator1-`; `muster operator new` makes one.',
    exitCode: 1,
  },
  ERR_PORT_IN_USE: {
    message: 'The address {address} is already in use.',
    hint: 'Another agent or program listens there. Stop it, or set another port in the configuration.',
    exitCode: 1,
  },
  ERR_AGENT_UNREACHABLE: {
    message: 'No agent answers at {path}.',
    hint: 'Is it running? `systemctl status muster`, or start it with `muster agent`.',
    exitCode: 3,
  },
  ERR_NOT_READY: { message: '{detail}', hint: '`muster status` says what is awaited.', exitCode: 3 },
  ERR_TIMEOUT: {
    message: 'Gave up after {seconds} s: {detail}.',
    hint: '`muster status` says what is awaited.',
    exitCode: 3,
  },
  ERR_SPEC_INVALID: {
    message: 'This is no spec of a cluster: {path}: {detail}.',
    hint: '`muster spec show` prints a whole one to start from.',
    exitCode: 4,
  },
  ERR_LAB_EXISTS: {
    message: 'There is a lab named {name} already, with {count} host(s).',
    hint: '`muster lab status` shows it, `muster lab down` ends it, `--name` starts another beside it.',
    exitCode: 1,
  },
  ERR_LAB_ABSENT: {
    message: 'There is no lab named {name}.',
    hint: '`muster lab up` starts one.',
    exitCode: 1,
  },
  ERR_LAB_HOST_UNKNOWN: {
    message: 'The lab has no host named {name}.',
    hint: 'Its hosts are: {names}.',
    exitCode: 2,
  },
  ERR_LAB_HOST_OFF: {
    message: 'The host {name} is switched off.',
    hint: '`muster lab start {name}` switches it on.',
    exitCode: 1,
  },
  ERR_LAB_RIGHTS: {
    message: 'This user may not make hosts on this machine: {detail}.',
    hint: 'Run as root, or allow user namespaces and access to /dev/net/tun.',
    exitCode: 1,
  },
  ERR_LAB_TOOLS: {
    message: 'The lab needs {names}, which could not be installed: {detail}.',
    hint: 'On Debian: apt-get install {packages}.',
    exitCode: 1,
  },
  ERR_LAB_COMMAND: {
    message: 'A command of the lab failed: {command}: {detail}.',
    hint: '`muster lab down` leaves nothing behind; then try again.',
    exitCode: 1,
  },
  ERR_VM_EXISTS: {
    message: 'There is a lab of machines named {name} already, with {count} machine(s).',
    hint: '`muster vm status` shows it, `muster vm down` ends it, `--name` starts another beside it.',
    exitCode: 1,
  },
  ERR_VM_ABSENT: {
    message: 'There is no lab of machines named {name}.',
    hint: '`muster vm up` starts one.',
    exitCode: 1,
  },
  ERR_VM_UNKNOWN: {
    message: 'The lab has no machine named {name}.',
    hint: 'Its machines are: {names}.',
    exitCode: 2,
  },
  ERR_VM_OFF: {
    message: 'The machine {name} is switched off.',
    hint: '`muster vm start {name}` switches it on.',
    exitCode: 1,
  },
  ERR_VM_IMAGE: {
    message: 'The image {path} cannot be used: {detail}.',
    hint: '`muster image build` makes one; in the repository, `npm run image`.',
    exitCode: 1,
  },
  ERR_VM_START: {
    message: 'The machine {name} cannot be switched on: {detail}.',
    hint: '`muster vm down` leaves nothing behind; then try again.',
    exitCode: 1,
  },
  ERR_VM_SWITCH: {
    message: "The machines' switch cannot be used: {detail}.",
    hint: '`muster vm down` leaves nothing behind; then try again.',
    exitCode: 1,
  },
  ERR_VM_MONITOR: {
    message: "QEMU's monitor at {path} failed: {detail}.",
    hint: 'Is the machine switched on? `muster vm status` says so.',
    exitCode: 1,
  },
  ERR_VM_GUEST: {
    message: 'Nothing can be run in the machine {name}: {detail}.',
    hint: 'A machine can be talked to once it runs from its disk; `muster vm logs {name}` shows how far it is.',
    exitCode: 3,
  },
  ERR_PROGRAM: {
    message: '`{program}` failed: {detail}.',
    hint: 'Is it installed and in the PATH of the agent? `muster` needs iproute2 for its overlay.',
    exitCode: 1,
  },
  ERR_FETCH: {
    message: '{url} cannot be fetched: {detail}.',
    hint: 'It needs the network; a site without one keeps such files in the configuration or in the image.',
    exitCode: 1,
  },
  ERR_NOT_A_MACHINE: {
    message: 'This system does not run from an image of muster.',
    hint: 'Users, files and mounts of another system are left alone. `--root DIR` works on a directory.',
    exitCode: 1,
  },
  ERR_OVERLAY_DEVICE: {
    message: 'The overlay device {device} cannot be used: {detail}.',
    hint: 'It needs /dev/net/tun (`modprobe tun`) and CAP_NET_ADMIN, and no other program on that device.',
    exitCode: 1,
  },
  ERR_API_GUARD: {
    message: 'The API port cannot be closed to strangers: {detail}.',
    hint: 'Install nftables (`nft`) and run the agent as root. k3s is not started with an open door.',
    exitCode: 1,
  },
  ERR_SERVICE: {
    message: 'The service {name} cannot be {action}: {detail}.',
    hint: "Look at its log: `journalctl -u {name}` on a machine, the host's directory in a lab.",
    exitCode: 1,
  },
  ERR_K3S_DATA: {
    message: 'The k3s data at {path} cannot be used: {detail}.',
    hint: 'Nothing was changed. Move the directory away if it is of no use.',
    exitCode: 1,
  },
  ERR_IMAGE_TOOLS: {
    message: 'Building an image needs {names}, which could not be installed: {detail}.',
    hint: 'On Debian: apt-get install {packages}.',
    exitCode: 1,
  },
  ERR_IMAGE_RIGHTS: {
    message: 'The Debian root of an image can be made by root only.',
    hint: 'Run the build as root once: what it makes is cached, and later builds need no rights.',
    exitCode: 1,
  },
  ERR_IMAGE_MIRROR: {
    message: "This machine's package sources name no mirror of Debian {suite}.",
    hint: 'Build on a Debian {suite} machine, or name its mirror in /etc/apt/sources.list.',
    exitCode: 1,
  },
  ERR_IMAGE_COMMAND: {
    message: 'A step of the build failed: {command}: {detail}.',
    hint: 'The image of before is whole. `npm run image` starts again; finished stages are cached.',
    exitCode: 1,
  },
  ERR_IMAGE_CONTENT: {
    message: 'The image cannot be made of this: {detail}.',
    hint: 'Remove `.cache/image/base-*` to have the Debian root made anew.',
    exitCode: 1,
  },
  ERR_IMAGE_CHECKOUT: {
    message: 'An image is built from the source of muster, and {path} is not there.',
    hint: 'Run `npm ci && npm run image` in a checkout of the repository.',
    exitCode: 1,
  },
  ERR_IMAGE_KEY: {
    message: 'The signing key {path} cannot be used: {detail}.',
    hint: 'It is an Ed25519 key in PEM: `openssl genpkey -algorithm ed25519 -out FILE`.',
    exitCode: 1,
  },
  ERR_IMAGE_CONFIG_SIZE: {
    message: 'The configuration has {bytes} bytes; a medium has room for {most}.',
    hint: 'Move long files to a place that the machine fetches them from, or into the image with `--tree`.',
    exitCode: 4,
  },
  ERR_IMAGE_UNKNOWN: {
    message: '{path} is no image of muster: {detail}.',
    hint: '`muster image build` makes one: `muster.iso`, and the directory `image` with the files of it.',
    exitCode: 1,
  },
  ERR_DISK: {
    message: 'The disk {disk} failed: {detail}.',
    hint: 'Check the disk and its cable. An installation that was cut short counts as none and starts again from the medium.',
    exitCode: 1,
  },
  ERR_DISK_BUSY: {
    message: 'The disk {disk} is in use: {detail}.',
    hint: 'Something has mounted or holds it or a partition of it (`lsblk`), or another installation runs. An installation that was cut short counts as none.',
    exitCode: 1,
  },
  ERR_DISK_TOO_SMALL: {
    message: 'The image does not fit on {disk}: {detail} ({size} bytes, {needed} are needed).',
    hint: 'Take a larger disk, or set smaller sizes under `install.partitions`. Nothing was written.',
    exitCode: 1,
  },
  ERR_DISK_NONE: {
    message: 'No disk was chosen: {detail}.',
    hint: 'The table above says why each one is left alone. Name one with `install.device`; `install.wipe: foreign` allows data of other systems to be overwritten. Nothing was written.',
    exitCode: 1,
  },
  ERR_INSTALL_UNSUPPORTED: {
    message: 'The configuration asks for what this installer cannot do: {detail}.',
    hint: 'Change or remove these keys; docs/configuration.md says what is read. Nothing was written.',
    exitCode: 4,
  },
  ERR_IMAGE_SOURCE: {
    message: 'The image at {source} cannot be read: {detail}.',
    hint: 'A source is `dir:` with the files of an image, `file:` with a tar of them, or a medium with the directory `muster`.',
    exitCode: 1,
  },
  ERR_IMAGE_UNSIGNED: {
    message: 'The image at {source} is not signed.',
    hint: 'Only signed images are installed. Build it with a key whose public half lies in the running image. Nothing was changed.',
    exitCode: 1,
  },
  ERR_IMAGE_SIGNATURE: {
    message:
      'The signature of the image at {source} was made by no key that this system trusts, or the manifest was changed.',
    hint: 'Take the image from where it was made again. Nothing was changed.',
    exitCode: 1,
  },
  ERR_IMAGE_DAMAGED: {
    message: '{file} of the image is damaged: {detail}.',
    hint: 'Copy the image again. What runs and the last good image are as they were.',
    exitCode: 1,
  },
  ERR_IMAGE_ARCHITECTURE: {
    message: 'The image is for another machine: {detail}.',
    hint: 'Take the image for this architecture. Nothing was changed.',
    exitCode: 1,
  },
  ERR_ESP_FULL: {
    message: 'The boot partition has no room for another entry: {detail}.',
    hint: 'Remove files that are not of muster from the ESP, or install anew with a larger `install.partitions.efi`. What runs is as it was.',
    exitCode: 1,
  },
  ERR_IMAGE_EPOCH: {
    message: 'The image is older than this machine accepts: {detail}.',
    hint: 'An epoch is raised when older images must not be started any more. Take a newer image. Nothing was changed.',
    exitCode: 1,
  },
  ERR_IMAGE_REJECTED: {
    message: 'The image was rejected by this machine before: {detail}.',
    hint: 'Take another version; `--force` tries this one again. Nothing was changed.',
    exitCode: 1,
  },
  ERR_IMAGE_NOT_NEWER: {
    message: 'The image is not newer than what is installed: {detail}.',
    hint: 'Build it with a higher version; `muster rollback` goes back to the former one. Nothing was changed.',
    exitCode: 1,
  },
  ERR_SLOT_BUSY: {
    message: 'No slot may be written: {detail}.',
    hint: 'Wait until the running image is known to be good (`muster slots`), or go back with `muster rollback`. Nothing was changed.',
    exitCode: 3,
  },
  ERR_SLOT_TOO_SMALL: {
    message: 'The image does not fit into its slot: {detail}.',
    hint: 'Install anew with larger slots (`install.partitions.state`). Nothing was changed.',
    exitCode: 1,
  },
  ERR_NOT_INSTALLED: {
    message: 'This is no installed machine: {detail}.',
    hint: 'Install it from a medium first (`muster install`).',
    exitCode: 1,
  },
  ERR_NOT_MOUNTED: {
    message: '{path} is not mounted: {detail}.',
    hint: '`journalctl -k -g muster` says why. What is written to {path} now is lost at the next start: mend the partition {partition} or its disk, and start the machine again. Nothing was changed.',
    exitCode: 1,
  },
  ERR_ROLLBACK_NONE: {
    message: 'There is nothing to go back to: {detail}.',
    hint: '`muster slots` shows what is installed and what is known to be good. Nothing was changed.',
    exitCode: 1,
  },
  ERR_ALREADY_INSTALLED: {
    message: 'The disk {disk} carries an installation: {detail}.',
    hint: 'Remove the medium and start the machine again; `muster install --force` replaces the installation and all its data.',
    exitCode: 1,
  },
  ERR_IMAGE_KEYS: {
    message: 'No key is known that may sign images: {detail}.',
    hint: 'Public keys lie in /usr/lib/muster/image-keys as `*.pem` (Ed25519); `--key FILE` names another one.',
    exitCode: 1,
  },
  ERR_RESET_MEMBER: {
    message:
      'This machine holds data of an etcd member and has not left the cluster: a reset {level} would take them away.',
    hint: 'Start the agent and let it leave (`muster leave`); `--force` resets nevertheless: data and factory keep these data as a backup, reinstall keeps nothing.',
    exitCode: 1,
  },
  ERR_RESET_NOT_LEFT: {
    message:
      'This machine has not left the cluster: a reset {level} would make another machine of it, and leave its place taken.',
    hint: 'Start the agent and let it leave (`muster leave`); `--force` resets nevertheless, and to the others this machine has fallen silent.',
    exitCode: 1,
  },
  ERR_RESET_NO_MEDIUM: {
    message: 'No medium is there that would install this machine again: {detail}.',
    hint: 'Attach a medium of muster whose own configuration says `install.auto: true`, or use `--force` where it comes later or by another way. Nothing was changed.',
    exitCode: 1,
  },
} as const satisfies Record<string, CatalogueEntry>

export type ErrorCode = keyof typeof catalogue

/** All codes with their texts, for the documentation and its test. */
export const errorCatalogue: Readonly<Record<ErrorCode, CatalogueEntry>> = catalogue

/** An operational error: something a user or an operator can do something about. */
export class MusterError extends Error {
  override readonly name = 'MusterError'
  readonly code: ErrorCode
  readonly hint: string
  readonly exitCode: ExitCode
  readonly details: Readonly<Record<string, string | number>>

  constructor(
    code: ErrorCode,
    details: Readonly<Record<string, string | number>> = {},
    options?: ErrorOptions,
  ) {
    const entry: CatalogueEntry = catalogue[code]
    super(fill(entry.message, details), options)
    this.code = code
    this.hint = fill(entry.hint, details)
    this.exitCode = entry.exitCode
    this.details = details
  }
}

function fill(template: string, details: Readonly<Record<string, string | number>>): string {
  return template.replaceAll(/\{(\w+)\}/g, (_, key: string) => String(details[key] ?? '?'))
}

/** What an error says, with its hint where it has one. */
export function errorText(error: unknown): string {
  if (error instanceof MusterError) return `${error.code}: ${error.message} ${error.hint}`
  return error instanceof Error ? error.message : String(error)
}
