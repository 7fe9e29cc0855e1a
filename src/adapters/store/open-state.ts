import { join } from 'node:path'
import { MusterError } from '../../errors.ts'
import type { BirthRecord } from '../../core/identity/birth.ts'
import type { IdentityDecision } from '../../core/identity/clone.ts'
import { decideIdentity } from '../../core/identity/clone.ts'
import { emptyChain, readRecords } from './chain-log.ts'
import type { CopyState, StateDocument } from './document.ts'
import { decodeCopy, formatVersion } from './document.ts'
import { FileStore } from './file-store.ts'
import type { FileSystem, Lock } from './file-system.ts'
import { isCode, nodeFileSystem } from './file-system.ts'
import { asideName, chainName, copyNames, setAside } from './set-aside.ts'
import { stateError } from './state-errors.ts'

// Identity key and votes are one document, so they live and die together: a key can never come back with a
// register that is older than what was said under it.
//
// Two copies, because a disk can rot: a sector that was written and synced reads back wrong. A torn write
// cannot damage a copy: copies are replaced by renaming a file whose bytes are already synced. A persist is
// answered only when *both* copies hold it, so any valid copy is at least as new as the last answered
// persist; one that is newer belongs to a persist that a crash cut short, and as nobody heard of that one,
// either outcome is right. The higher sequence wins. What won is written to both copies *before* it is used:
// otherwise a node would act on the newer copy, lose it to rot, and come back as the older one, with amnesia.
// Where no copy is valid the identity is gone. The files are put aside and a new one is made, and said so.

/** What came of opening a state directory. */
export interface OpenedState {
  readonly store: FileStore
  /** Ed25519 seed of the identity, 32 bytes. */
  readonly seed: Uint8Array
  /** The identity was made just now: the first start, or the former one is gone. */
  readonly created: boolean
  /** Why a former identity is gone. Undefined where nothing was lost. */
  readonly loss: { readonly kind: 'damaged' | 'cloned'; readonly reason: string } | undefined
  /** What the birth record says about a kept identity; `quarantine` must be resolved by the core. */
  readonly decision: IdentityDecision
  /** What was mended on the way, one sentence each, for the log. */
  readonly repairs: readonly string[]
}

export interface OpenStateInit {
  readonly directory: string
  /** The machine as it is now. */
  readonly birth: BirthRecord
  /** 32 random bytes for a new identity. */
  readonly createSeed: () => Uint8Array
  /** For tests; the real one by default. */
  readonly fileSystem?: FileSystem
}

/**
 * Opens a state directory (making it at the first start) and holds it against other agents until the store
 * is closed. Throws ERR_STATE_LOCKED, ERR_STATE_FORMAT, ERR_STATE_DAMAGED, ERR_STATE_FULL and, for what the
 * file system refuses, ERR_STATE_UNREADABLE. It never makes a new identity because of an error that may pass.
 */
export async function openState(init: OpenStateInit): Promise<OpenedState> {
  const { directory, fileSystem = nodeFileSystem } = init
  try {
    await fileSystem.ensureDirectory(directory)
    const lock = await takeLock(fileSystem, directory)
    try {
      return await openLocked(init, fileSystem, lock)
    } catch (error) {
      await lock.release()
      throw error
    }
  } catch (error) {
    throw stateError(directory, error)
  }
}

async function takeLock(fileSystem: FileSystem, directory: string): Promise<Lock> {
  const lock = await fileSystem.lock(join(directory, 'lock'))
  if ('heldBy' in lock) {
    const pid = lock.heldBy === 0 ? 'unknown' : lock.heldBy
    throw new MusterError('ERR_STATE_LOCKED', { path: directory, pid })
  }
  return lock
}

async function openLocked(init: OpenStateInit, fileSystem: FileSystem, lock: Lock): Promise<OpenedState> {
  const { directory, birth } = init
  const copies = await readCopies(fileSystem, directory)
  const newest = newestValid(copies, directory)
  if (newest === undefined) {
    const reason = await lossReason(fileSystem, directory, copies)
    if (reason === undefined) return create(init, fileSystem, lock, undefined)
    await setAside(fileSystem, directory, 'damaged')
    return create(init, fileSystem, lock, { kind: 'damaged', reason })
  }
  const chain = await readChain(fileSystem, directory, newest.document)
  const chartered = newest.document.values['plan'] !== undefined || chain.length > 0
  const decision = decideIdentity(newest.document.birth, birth, chartered)
  if (decision.kind === 're-key') {
    await setAside(fileSystem, directory, 'cloned')
    return create(init, fileSystem, lock, { kind: 'cloned', reason: decision.reason })
  }
  const repairs = copies.flatMap((copy, index) => repairOf(copyNames[index]!, copy, newest.sequence))
  const { document, sequence } = newest
  const store = new FileStore({ directory, fileSystem, lock, document, sequence, chain })
  if (decision.kind === 'keep' && decision.rewriteBirth) await store.adoptBirth(birth)
  else if (repairs.length > 0) await store.rewrite()
  return { store, seed: document.seed, created: false, loss: undefined, decision, repairs }
}

/** Both copies. One that the disk cannot read counts as damaged if the other can be read. */
async function readCopies(fileSystem: FileSystem, directory: string): Promise<readonly CopyState[]> {
  const failures: unknown[] = []
  const copies: CopyState[] = []
  for (const name of copyNames) {
    try {
      copies.push(decodeCopy(await fileSystem.read(join(directory, name))))
    } catch (error) {
      if (!isCode(error, 'EIO')) throw error
      failures.push(error)
      copies.push({ kind: 'damaged', detail: 'the disk cannot read it (EIO)' })
    }
  }
  // A loose cable must not cost a node its identity: without one readable copy nothing is concluded.
  if (failures.length > 0 && !copies.some((copy) => copy.kind === 'valid')) throw failures[0]
  return copies
}

function newestValid(
  copies: readonly CopyState[],
  directory: string,
): Extract<CopyState, { kind: 'valid' }> | undefined {
  const whole = copies
    .filter((copy) => copy.kind === 'valid' || copy.kind === 'newer')
    .toSorted((a, b) => b.sequence - a.sequence)[0]
  if (whole?.kind !== 'newer') return whole
  throw new MusterError('ERR_STATE_FORMAT', { path: directory, found: whole.version, known: formatVersion })
}

/** Why there was an identity here before, or undefined at a first start. */
async function lossReason(
  fileSystem: FileSystem,
  directory: string,
  copies: readonly CopyState[],
): Promise<string | undefined> {
  const names = await fileSystem.list(directory)
  const damaged = copies.flatMap((copy, index) =>
    copy.kind === 'damaged' ? [`${copyNames[index]!}: ${copy.detail}`] : [],
  )
  if (damaged.length > 0) return `no whole copy of the state is left (${damaged.join('; ')})`
  if (names.includes(chainName)) return `${copyNames.join(' and ')} are gone, ${chainName} is still there`
  // A crash between putting aside and making anew must not swallow the report.
  const aside = names.filter((name) => asideName.test(name)).toSorted()
  return aside.length > 0 ? `the former state was put aside as ${aside.join(', ')}` : undefined
}

async function readChain(
  fileSystem: FileSystem,
  directory: string,
  document: StateDocument,
): Promise<readonly Uint8Array[]> {
  if (document.chain.records === 0) return []
  const log = await fileSystem.read(join(directory, chainName))
  const records = log === undefined ? 'it is missing' : readRecords(log, document.chain)
  if (typeof records !== 'string') return records
  throw new MusterError('ERR_STATE_DAMAGED', { path: directory, detail: `${chainName}: ${records}` })
}

function repairOf(name: string, copy: CopyState, newest: number): readonly string[] {
  if (copy.kind === 'missing') return [`${name} was missing and was written anew`]
  if (copy.kind === 'damaged') return [`${name} was damaged (${copy.detail}) and was written anew`]
  return copy.sequence < newest ? [`${name} was older than the other copy and was written anew`] : []
}

async function create(
  init: OpenStateInit,
  fileSystem: FileSystem,
  lock: Lock,
  loss: OpenedState['loss'],
): Promise<OpenedState> {
  const { directory, birth } = init
  const seed = init.createSeed()
  const document: StateDocument = { seed, birth, chain: emptyChain, values: {} }
  const store = new FileStore({ directory, fileSystem, lock, document, sequence: 0, chain: [] })
  await store.rewrite()
  const decision: IdentityDecision = {
    kind: 'keep',
    rewriteBirth: false,
    reason: 'the identity was born here',
  }
  return { store, seed, created: true, loss, decision, repairs: [] }
}
