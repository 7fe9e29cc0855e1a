import { existsSync, readFileSync, readdirSync, realpathSync, statSync } from 'node:fs'
import * as os from 'node:os'
import { dirname, join } from 'node:path'
import { formatPrefix, parsePrefix } from '../core/addresses/prefix.ts'
import type { BirthRecord } from '../core/identity/birth.ts'
import { localNetworksMax } from '../core/model/limits.ts'
import type { NodeFacts } from '../core/model/member.ts'

/** The part of a node's facts that the machine itself tells; the rest comes from the configuration. */
export type MachineFacts = Pick<
  NodeFacts,
  'hostname' | 'machineId' | 'arch' | 'cpus' | 'memoryMiB' | 'localNetworks'
>

/** Where to look, and what to take instead. */
export interface FactsSource {
  /** `/` on a machine; a lab host has its own `etc` below its root, and no hardware of its own. */
  readonly root?: string
  /** Any path on the filesystem of the durable state: its disk is part of the birth record. */
  readonly statePath?: string
  /** Instead of the machine's own. */
  readonly hostname?: string
  /** Links that are not the machine's own networks, beside those of k3s. */
  readonly excludedLinks?: readonly string[]
}

/** Links that k3s makes. Their networks are the cluster's, not the site's. */
const clusterLinks = /^(cni\d+|flannel[.-].+|kube-.+|veth.+)$/
/** More levels of device mapper than anybody stacks. */
const blockLevelsMax = 8

/** Reads what this machine is. What cannot be read is empty: nothing here throws. */
export function readFacts(source: FactsSource = {}): {
  readonly facts: MachineFacts
  readonly birth: BirthRecord
} {
  const { root = '/', statePath, excludedLinks = ['muster0'] } = source
  const machineId = readLine(join(root, 'etc/machine-id'))
  const hostname = source.hostname ?? (root === '/' ? os.hostname() : readLine(join(root, 'etc/hostname')))
  return {
    facts: {
      hostname: hostname === '' ? os.hostname() : hostname,
      machineId,
      arch: process.arch,
      cpus: os.availableParallelism(),
      memoryMiB: Math.round(os.totalmem() / 1_048_576),
      localNetworks: localNetworks(os.networkInterfaces(), excludedLinks),
    },
    birth: {
      machineId,
      productUuid: readLine(join(root, 'sys/class/dmi/id/product_uuid')).toLowerCase(),
      macs: physicalMacs(join(root, 'sys/class/net')),
      diskSerial: statePath === undefined ? '' : diskSerial(join(root, 'sys/dev/block'), statePath),
    },
  }
}

/** Networks of the machine's own links as sorted CIDR texts, without link-local ones and those of the cluster. */
export function localNetworks(
  links: Readonly<NodeJS.Dict<readonly os.NetworkInterfaceInfo[]>>,
  excludedLinks: readonly string[],
): readonly string[] {
  const networks = Object.entries(links).flatMap(([name, addresses = []]) => {
    if (excludedLinks.includes(name) || clusterLinks.test(name)) return []
    return addresses.flatMap(({ cidr, internal, address }) => {
      const prefix = cidr === null || internal || /^fe80:/i.test(address) ? undefined : parsePrefix(cidr)
      return prefix === undefined ? [] : [formatPrefix(prefix)]
    })
  })
  return [...new Set(networks)].toSorted().slice(0, localNetworksMax)
}

/** Virtual links (bridges, veth, the overlay) have no device behind them, and addresses made up at each boot. */
function physicalMacs(directory: string): readonly string[] {
  return listDirectory(directory)
    .filter((link) => existsSync(join(directory, link, 'device')))
    .map((link) => readLine(join(directory, link, 'address')).toLowerCase())
    .filter((mac) => mac !== '' && mac !== '00:00:00:00:00:00')
    .toSorted()
}

/** Serial of the disk below a path: through partitions and device mapper, as sysfs lists them. */
function diskSerial(blockDirectory: string, path: string): string {
  try {
    const { dev } = statSync(path)
    let block = realpathSync(join(blockDirectory, deviceNumber(dev)))
    for (let level = 0; level < blockLevelsMax; level++) {
      const [slave] = listDirectory(join(block, 'slaves')).toSorted()
      if (existsSync(join(block, 'partition'))) block = dirname(block)
      else if (slave === undefined) break
      else block = realpathSync(join(block, 'slaves', slave))
    }
    const found = ['serial', 'device/serial', 'wwid', 'device/wwid'].map((name) =>
      readLine(join(block, name)),
    )
    return found.find((serial) => serial !== '') ?? ''
  } catch {
    // No block device of its own: a tmpfs, an overlay filesystem, a container.
    return ''
  }
}

/** `major:minor` of a Linux device number (makedev(3)). */
function deviceNumber(device: number): string {
  const value = BigInt(device)
  const major = ((value >> 8n) & 0xfffn) | ((value >> 32n) & 0xffff_f000n)
  const minor = (value & 0xffn) | ((value >> 12n) & 0xffff_ff00n)
  return `${major}:${minor}`
}

function readLine(path: string): string {
  try {
    return (readFileSync(path, 'utf8').split('\n')[0] ?? '').trim()
  } catch {
    return ''
  }
}

function listDirectory(path: string): readonly string[] {
  try {
    return readdirSync(path)
  } catch {
    return []
  }
}
