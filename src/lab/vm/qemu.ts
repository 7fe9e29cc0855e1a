import { join } from 'node:path'
import { machineMac } from './addresses.ts'
import type { Machine, MachineSettings } from './state.ts'

/** Paths of one machine's files and sockets. */
export interface MachinePaths {
  readonly disk: string
  readonly variables: string
  /** What the machine wrote to its serial console, from its first start on. */
  readonly console: string
  readonly consoleSocket: string
  readonly monitor: string
  readonly guestAgent: string
  /** The switch's port. */
  readonly port: string
  /** What QEMU itself says. */
  readonly log: string
}

export function machinePaths(directory: string): MachinePaths {
  const at = (name: string): string => join(directory, name)
  return {
    disk: at('disk.raw'),
    variables: at('variables.fd'),
    console: at('console.log'),
    consoleSocket: at('console.sock'),
    monitor: at('monitor.sock'),
    guestAgent: at('guest.sock'),
    port: at('port.sock'),
    log: at('qemu.log'),
  }
}

/** Kernel that QEMU starts itself, without firmware and boot loader. */
export interface DirectKernel {
  readonly kernel: string
  readonly initrd: string
  readonly commandLine: string
}

/** Name of the guest agent's port in QEMU's monitor. */
export const guestAgentPort = 'guest'

/** Name of the bus that ISOs are on. */
const mediaBus = 'media'

/** The monitor's orders that put an ISO into a drive of its own of a running machine. */
export function insertOrders(name: string, iso: string): { execute: string; arguments: object }[] {
  const file = { driver: 'file', filename: iso, 'read-only': true }
  return [
    { execute: 'blockdev-add', arguments: { driver: 'raw', 'node-name': name, 'read-only': true, file } },
    { execute: 'device_add', arguments: { driver: 'scsi-cd', bus: `${mediaBus}.0`, drive: name, id: name } },
  ]
}

/**
 * QEMU's command line for a machine: UEFI, its disk first and the ISO behind it, so that a machine installs once and
 * boots its disk from then on without a change here. `disk` is a file, or `nbd+unix:///?socket=PATH`.
 */
export function qemuArguments(
  machine: Pick<Machine, 'name' | 'index' | 'uuid' | 'diskSerial' | 'directory'>,
  settings: MachineSettings,
  special: { readonly direct?: DirectKernel; readonly disk?: string } = {},
): string[] {
  const paths = machinePaths(machine.directory)
  const { direct } = special
  return [
    ...['-name', machine.name, '-uuid', machine.uuid],
    ...['-nodefaults', '-no-user-config', '-display', 'none', '-vga', 'std'],
    ...['-machine', 'q35', ...acceleratorArguments(settings.accelerator)],
    ...['-smp', String(settings.processors), '-m', String(settings.memoryMiB)],
    ...(direct === undefined
      ? [
          ...drive({ if: 'pflash', unit: '0', format: 'raw', readonly: 'on', file: settings.firmware.code }),
          ...drive({ if: 'pflash', unit: '1', format: 'raw', file: paths.variables }),
        ]
      : ['-kernel', direct.kernel, '-initrd', direct.initrd, '-append', direct.commandLine]),
    ...drive(diskOptions(special.disk ?? paths.disk)),
    ...device({ '': 'virtio-blk-pci', drive: 'disk', serial: machine.diskSerial, bootindex: '1' }),
    // Media can be put in while the machine runs, so the bus is there without an ISO as well.
    ...device({ '': 'virtio-scsi-pci', id: mediaBus }),
    ...(settings.iso === ''
      ? []
      : [
          ...drive({ if: 'none', id: 'iso', format: 'raw', readonly: 'on', file: settings.iso }),
          ...device({ '': 'scsi-cd', bus: `${mediaBus}.0`, drive: 'iso', bootindex: '2' }),
        ]),
    ...[
      '-netdev',
      options({ '': 'stream', id: 'link', server: 'off', 'addr.type': 'unix', 'addr.path': paths.port }),
    ],
    // An empty romfile: the firmware tries no network boot.
    ...device({ '': 'virtio-net-pci', netdev: 'link', mac: machineMac(machine.index), romfile: '' }),
    ...device({ '': 'virtio-rng-pci' }),
    ...device({ '': 'virtio-serial-pci' }),
    ...chardev({ '': 'socket', id: guestAgentPort, path: paths.guestAgent, server: 'on', wait: 'off' }),
    ...device({ '': 'virtserialport', chardev: guestAgentPort, name: 'org.qemu.guest_agent.0' }),
    ...chardev({
      ...{ '': 'socket', id: 'console', path: paths.consoleSocket, server: 'on', wait: 'off' },
      ...{ logfile: paths.console, logappend: 'on' },
    }),
    ...['-serial', 'chardev:console', '-qmp', `unix:${escaped(paths.monitor)},server=on,wait=off`],
    // A watchdog of real hardware: what hangs is reset.
    ...device({ '': 'i6300esb' }),
    ...['-action', 'watchdog=reset'],
  ]
}

/**
 * An emulated processor: an old one of AMD. With one of Intel's the kernel gives each process two page tables, and every system call
 * costs QEMU what it knows of addresses. Without SSSE3 hashes are computed with plain instructions, which QEMU translates, and not
 * with those on vectors, which it computes one by one. For what newer ones can do the kernel would load drivers.
 */
const emulatedProcessor = 'Opteron_G3,-sse4a,-misalignsse'

/** Translated code that QEMU keeps, in MiB: one boot with an agent fits. Where it does not, QEMU throws all of it away, again and again. */
const translatedMiB = 1_024

/** How QEMU runs instructions. */
export function acceleratorArguments(accelerator: MachineSettings['accelerator']): string[] {
  return accelerator === 'kvm'
    ? ['-accel', 'kvm', '-cpu', 'host']
    : ['-accel', `tcg,thread=multi,tb-size=${translatedMiB}`, '-cpu', emulatedProcessor]
}

/**
 * A raw, sparse file. `unsafe` leaves out syncs of the host's own disk, which killing QEMU does not need: whatever
 * the machine was told is written, is in the host's page cache and outlives QEMU. (qcow2 would keep tables
 * in QEMU's memory.) What a disk's own volatile cache loses in a power cut is shown with a disk over NBD.
 */
function diskOptions(disk: string): Record<string, string> {
  return disk.startsWith('nbd')
    ? { if: 'none', id: 'disk', format: 'raw', file: disk, cache: 'writeback', discard: 'unmap' }
    : { if: 'none', id: 'disk', format: 'raw', file: disk, cache: 'unsafe', discard: 'unmap' }
}

function drive(fields: Readonly<Record<string, string>>): string[] {
  return ['-drive', options(fields)]
}

function device(fields: Readonly<Record<string, string>>): string[] {
  return ['-device', options(fields)]
}

function chardev(fields: Readonly<Record<string, string>>): string[] {
  return ['-chardev', options(fields)]
}

/** `first,name=value,…`; the field without a name comes first. */
function options(fields: Readonly<Record<string, string>>): string {
  return Object.entries(fields)
    .map(([name, value]) => (name === '' ? value : `${name}=${escaped(value)}`))
    .join(',')
}

/** A comma separates options; a doubled one is a comma. */
function escaped(value: string): string {
  return value.replaceAll(',', ',,')
}
