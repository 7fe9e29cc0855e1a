import type { NodeId } from './model/ids.ts'
import type { Message } from './model/message.ts'
import type { DiscoveredVia, PeerAddress, RefusalCode } from './model/peer.ts'
import type { OverlayIntent, OverlayState } from './overlay/intent.ts'
import type { K3sObservation, K3sStep, K3sStepResult } from './k3s/types.ts'

// The ports: what the core's effects need of the outside. Each has an acceptance suite in src/testing
// that the real adapter and the fake both pass. (`Crypto` is in model/crypto.ts: the core itself calls it.)

export type { DiscoveredVia, PeerAddress, RefusalCode }

export type NetworkEvent =
  /** A peer proved membership on its first stream: messages flow from now on. */
  | {
      readonly kind: 'peer-up'
      readonly peer: NodeId
      readonly endpoint: string
      readonly via: DiscoveredVia
    }
  | { readonly kind: 'peer-down'; readonly peer: NodeId; readonly reason: string }
  /** An identity was heard of, admitted or not yet; by means that anybody can fake (mDNS), once it is proved. */
  | { readonly kind: 'peer-found'; readonly peer: NodeId; readonly via: DiscoveredVia }
  | {
      readonly kind: 'peer-refused'
      readonly peer: NodeId | undefined
      readonly address: string
      readonly code: RefusalCode
      readonly detail: string
    }
  | { readonly kind: 'message'; readonly from: NodeId; readonly message: Message }
  /** Own dialable addresses or link state changed. */
  | {
      readonly kind: 'machine-changed'
      readonly endpoints: readonly string[]
      readonly localNetworks: readonly string[]
      readonly linkUp: boolean
    }

/** One line of `get peers`. */
export interface PeerStatus {
  readonly id: NodeId
  readonly connected: boolean
  readonly via: DiscoveredVia
  /** Remote multiaddr of the connection, or the last one tried. */
  readonly endpoint: string
  readonly rttMs: number | undefined
  readonly lastError: string
  readonly sinceMs: number
  readonly retryInMs: number | undefined
}

/** Port: sealed, admitted, message-wise talk with peers. Delivery is best effort: the core repeats. */
export interface Network {
  readonly self: NodeId
  /** Starts listening and discovery; events come one by one, in order, never re-entrantly. */
  start(onEvent: (event: NetworkEvent) => void): Promise<void>
  stop(): Promise<void>
  /** Queues a message for a peer; dials it if it is known and not connected. Never blocks, never throws. */
  send(to: NodeId, message: Message): void
  /** Peers to stay connected to, replacing the former set; they are dialled with back-off for ever. */
  keepPeers(peers: readonly PeerAddress[]): void
  /** Closes the connection and refuses the peer for a while. */
  cutOff(peer: NodeId, code: RefusalCode, detail: string): void
  /** Multicast discovery is quick while the cluster forms and slow afterwards. */
  setPace(pace: 'forming' | 'settled'): void
  peers(): readonly PeerStatus[]
  /** Milliseconds until unknown machines are called for again; undefined: no means of discovery is in use. */
  nextCallInMs(): number | undefined
}

/** One change of durable state. Values are plain data; the store encodes them. */
export type Write =
  | { readonly op: 'put'; readonly key: StateKey; readonly value: object }
  /** Appends to the chain of certified headers. */
  | { readonly op: 'append'; readonly log: 'chain'; readonly value: object }

/** The named parts of a node's durable state. */
export type StateKey = 'boot' | 'seen' | 'register' | 'plan' | 'k3s' | 'peers' | 'leaving'

/** What a store found at start. Undefined parts were never written. */
export interface StoredState {
  readonly values: Readonly<Partial<Record<StateKey, unknown>>>
  readonly chain: readonly unknown[]
}

/** Port: durable state of one node, beside its identity key. */
export interface Store {
  /** Reads everything. Throws ERR_STATE_UNREADABLE; damage that lost data is never passed over in silence. */
  load(): Promise<StoredState>
  /** All writes, durable and all-or-nothing, before it resolves. */
  persist(writes: readonly Write[]): Promise<void>
  close(): Promise<void>
}

/** Port: the overlay's network device and its data plane. */
export interface OverlayDevice {
  /** Binds the data plane's socket; the device itself is made by `apply`. */
  start(): Promise<{ readonly port: number; readonly publicKey: string }>
  /** Makes what is there match the intent: device, addresses, MTU, peers. Idempotent. */
  apply(intent: OverlayIntent): Promise<void>
  state(): OverlayState
  /** Stops moving packets; the device and its addresses stay. */
  stop(): Promise<void>
}

/** Port: a Kubernetes distribution (k3s today). */
export interface Distribution {
  /** Carries out one step. Idempotent: a step interrupted by a crash is run again. */
  run(step: K3sStep): Promise<K3sStepResult>
  /** Looks at the machine and at the local API and etcd. Never throws for what is merely not there yet. */
  observe(): Promise<K3sObservation>
  /** The administrator's kubeconfig with this server address, or undefined where there is none. */
  kubeconfig(serverUrl: string): Promise<string | undefined>
  version(): Promise<string | undefined>
}

/** A long-running program as the machine's supervisor sees it. */
export interface ServiceState {
  readonly name: string
  /** `starting`: has not said READY yet. */
  readonly state: 'absent' | 'stopped' | 'starting' | 'running' | 'failed'
  readonly pid: number | undefined
  readonly restarts: number
  /** Last line it said, or why it ended. */
  readonly detail: string
}

/** What to run, in the words that systemd and a plain supervisor share. */
export interface ServiceUnit {
  readonly name: string
  readonly description: string
  readonly command: readonly string[]
  readonly environment: Readonly<Record<string, string>>
  /** A path that forbids every start, restarts included, as long as it exists (k3s: the tombstone). */
  readonly unlessExists?: string
}

/** Port: systemd on a machine; child processes that outlive the agent in the lab. */
export interface ServiceManager {
  /** Writes the unit and starts it without waiting for readiness; restarts it if the unit changed. */
  start(unit: ServiceUnit): Promise<void>
  stop(name: string): Promise<void>
  state(name: string): Promise<ServiceState>
}

/** What a program said and how it ended. */
export interface ProgramResult {
  /** 0 is success; 128 + number where a signal ended it. */
  readonly exitCode: number
  readonly stdout: string
  readonly stderr: string
  /** Output beyond the limit was dropped. */
  readonly truncated: boolean
}

/** How a program is run. */
export interface ProgramOptions {
  readonly cwd?: string
  /** Added to the agent's own environment. */
  readonly environment?: Readonly<Record<string, string>>
  /** Text for its standard input; secrets go here, never into the argument list. */
  readonly input?: string
  readonly timeoutMs?: number
  /** Of stdout and of stderr each. */
  readonly outputBytesMax?: number
  readonly signal?: AbortSignal
}

/** Port: runs a program of the machine by its argument list and waits for its end. */
export type RunProgram = (argv: readonly string[], options?: ProgramOptions) => Promise<ProgramResult>

/** A part of a disk, in bytes. */
export interface DiskRegion {
  readonly offset: number
  readonly bytes: number
}

/** What a disk is opened for. A plain file is nobody's: there `claim` is `write`. */
export type DiskMode =
  | 'read'
  /** Beside whatever uses it: for the system that runs from this disk. */
  | 'write'
  /** As its only user: refused where it, or a partition of it, is mounted or held, and keeps others from that until it is closed. */
  | 'claim'

/** Port: a whole disk, or a plain file that stands for one. Throws ERR_DISK when it fails or vanishes. */
export interface DiskTarget {
  readonly path: string
  readonly sizeBytes: number
  readonly sectorBytes: number
  /** After `flush` this is what the medium holds, not what a cache does. */
  read(offset: number, bytes: number): Promise<Uint8Array>
  /** Resolves when the bytes are handed over: until `flush` they may be lost, torn or swapped in time with others. */
  write(offset: number, bytes: Uint8Array): Promise<void>
  /** Everything written is durable when it resolves. */
  flush(): Promise<void>
  /** Makes an empty file system, durable when it resolves. */
  makeFileSystem(
    region: DiskRegion,
    options: { readonly type: 'ext4' | 'vfat'; readonly label: string },
  ): Promise<void>
  /** Text of a small file in the ext4 of a region, without a mount; undefined where there is no such file, or no ext4. */
  readTextFile(region: DiskRegion, path: string): Promise<string | undefined>
  close(): Promise<void>
}

/** A file of the directory of boot entries. */
export interface EntryFile {
  readonly name: string
  readonly bytes: number
}

/**
 * Port: the directory of boot entries on the mounted ESP. FAT has no journal: until `sync`, and for a rename even
 * then, a power cut may leave both names, an empty new one, or one without what a long name needs.
 */
export interface BootEntries {
  list(): Promise<readonly EntryFile[]>
  /** Free bytes of the whole file system. */
  freeBytes(): Promise<number>
  /** The file's bytes, at most that many from its beginning; after `sync` what the medium holds. */
  read(name: string, bytesMax?: number): Promise<Uint8Array>
  /** Makes a new file, or replaces one. Throws ERR_ESP_FULL. */
  write(name: string, content: AsyncIterable<Uint8Array>): Promise<void>
  rename(from: string, to: string): Promise<void>
  remove(name: string): Promise<void>
  /** Files written and names changed are durable when it resolves. */
  sync(): Promise<void>
}

/** Port: one small text that is replaced as a whole, durably, or not at all. */
export interface TextFile {
  /** Undefined: it was never written. */
  load(): Promise<string | undefined>
  save(text: string): Promise<void>
}

/** Port: where an image comes from: a medium, a directory, an archive. */
export interface ImageSource {
  /** For messages. */
  readonly name: string
  /** A small file as a whole; undefined where there is none. Throws ERR_IMAGE_SOURCE above the limit. */
  read(file: string, bytesMax: number): Promise<Uint8Array | undefined>
  /** A file as a stream. Throws ERR_IMAGE_SOURCE. */
  open(file: string): AsyncIterable<Uint8Array>
  close(): Promise<void>
}

/** What is put into a new file system. */
export interface NewFile {
  /** Relative; directories on the way are made. */
  readonly path: string
  /** Permissions, where the file system has them. */
  readonly mode: number
  /** Undefined: a directory. */
  readonly content: (() => AsyncIterable<Uint8Array>) | undefined
}

/** A file system as it is to lie on a disk, without the parts that are free. */
export interface FileSystemImage {
  /** Pieces from its beginning to its end; the same each time. */
  pieces(): AsyncIterable<{ readonly offset: number; readonly bytes: Uint8Array }>
  close(): Promise<void>
}

/** Port: makes small file systems with content in memory or in a temporary file. */
export interface FileSystemImages {
  build(options: {
    readonly type: 'ext4' | 'vfat'
    readonly bytes: number
    /** Logical sectors of the disk that it is to lie on: the kernel mounts no file system with smaller units. */
    readonly sectorBytes: number
    readonly label: string
    readonly files: readonly NewFile[]
  }): Promise<FileSystemImage>
}

/** Port: the firmware's variables. Where there are none, every call says so and changes nothing. */
export interface Firmware {
  /** Puts this disk's loader first in the boot order, once: entries of before with that label go. */
  registerLoader(loader: {
    readonly disk: string
    readonly partition: number
    readonly path: string
    readonly label: string
  }): Promise<boolean>
  /** Starts the entry of that label next time only. */
  startNext(label: string): Promise<boolean>
  /** A number that outlives a restart: how often a medium gave the machine back to its disk. */
  readCounter(): Promise<number | undefined>
  writeCounter(value: number): Promise<void>
}
