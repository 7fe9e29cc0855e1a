import { systemPaths } from '../core/install/layout.ts'
import type { RunProgram } from '../core/ports.ts'
import { readIfThere } from './rooted-files.ts'

/** What the boot works on: a machine, or a directory that looks like one. */
export interface Machine {
  /** Prefix of every path; empty on a machine. */
  readonly root: string
  readonly run: RunProgram
  /** Fetches a URL; throws where the network or the server refuses. */
  readonly fetch: (url: string, timeoutMs: number) => Promise<Uint8Array>
  /** One line for people: the journal, and the console during a boot. */
  readonly say: (line: string) => void
}

/** How the system that runs came here. `none`: no image of muster. */
export type MachineMode = 'installed' | 'live' | 'recovery' | 'none'

/** What conditions and templates of a configuration may ask for. */
export interface MachineFacts {
  readonly mode: MachineMode
  /** Root hash of the image that runs; empty where there is none. */
  readonly imageId: string
  /** 32 hexadecimal digits; empty where it is not known. */
  readonly machineId: string
  /** The firmware's UUID of the system. */
  readonly uuid: string
  readonly hostname: string
  /** `ID` of os-release, then the names in `ID_LIKE`. */
  readonly osIds: readonly string[]
  /** `VERSION_ID` of os-release. */
  readonly osVersion: string
  /** `IMAGE_VERSION` of os-release. */
  readonly imageVersion: string
  /** As Go and Debian write it: `amd64`, `arm64`. */
  readonly arch: string
}

const architectures: Readonly<Record<string, string>> = { x64: 'amd64', ia32: '386' }

/** Reads what this machine is. What cannot be read is empty. */
export function readFacts(root: string, arch: string = process.arch): MachineFacts {
  const line = (path: string): string => (readIfThere(root, path) ?? '').split('\n')[0]?.trim() ?? ''
  const release = parseAssignments(
    readIfThere(root, systemPaths.release) ?? readIfThere(root, '/etc/os-release') ?? '',
  )
  const boot = readBoot(root)
  return {
    ...boot,
    machineId: line('/etc/machine-id'),
    uuid: line('/sys/class/dmi/id/product_uuid').toLowerCase(),
    hostname: line('/proc/sys/kernel/hostname') || line('/etc/hostname'),
    osIds: `${release.get('ID') ?? ''} ${release.get('ID_LIKE') ?? ''}`.split(' ').filter(Boolean),
    osVersion: release.get('VERSION_ID') ?? '',
    imageVersion: release.get('IMAGE_VERSION') ?? '',
    arch: architectures[arch] ?? arch,
  }
}

/** What the initrd wrote down about this boot. */
export function readBoot(root: string): Pick<MachineFacts, 'mode' | 'imageId'> {
  const text = readIfThere(root, systemPaths.boot)
  if (text === undefined) return { mode: 'none', imageId: '' }
  try {
    const boot = JSON.parse(text) as { readonly mode?: unknown; readonly imageId?: unknown }
    const mode =
      boot.mode === 'installed' || boot.mode === 'live' || boot.mode === 'recovery' ? boot.mode : 'none'
    return { mode, imageId: typeof boot.imageId === 'string' ? boot.imageId : '' }
  } catch {
    return { mode: 'none', imageId: '' }
  }
}

/** Lines of the form `NAME=value` or `NAME="value"`, as os-release has them. */
export function parseAssignments(text: string): ReadonlyMap<string, string> {
  return new Map(
    text.split('\n').flatMap((line): [string, string][] => {
      const match = /^([A-Za-z_]\w*)=(.*)$/.exec(line.trim())
      return match === null ? [] : [[match[1]!, match[2]!.replace(/^(["'])(.*)\1$/, '$2')]]
    }),
  )
}
