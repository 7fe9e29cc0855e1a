// Proves the decisions about slots, upgrades and boots: every refusal, every name that a cut rename can leave, and the model that judges them.
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { bootUntilSettled, powerOn } from '../../../src/core/install/boot-model.ts'
import type { ModelDisk, ModelEntry } from '../../../src/core/install/boot-model.ts'
import { concludeBoot } from '../../../src/core/install/boot-record.ts'
import type { ImageRecords } from '../../../src/core/install/records.ts'
import {
  encodeRecords,
  noRecords,
  parseRecords,
  withBlessing,
  withFailure,
  withRejection,
  withTrial,
} from '../../../src/core/install/records.ts'
import type { EntryFacts, SlotsState } from '../../../src/core/install/slots.ts'
import { chooseSlot, entriesToDiscard, slotStatuses } from '../../../src/core/install/slots.ts'
import { readUki } from '../../../src/core/install/uki.ts'
import type { UpgradeFacts } from '../../../src/core/install/upgrade-check.ts'
import { judgeUpgrade } from '../../../src/core/install/upgrade-check.ts'
import { fakeImage, verifiesFully, verifySignature } from '../../install/support/fake-image.ts'
import { openManifest } from '../../../src/core/install/manifest.ts'

const one = fakeImage({ version: '1' })
const two = fakeImage({ version: '2' })
const three = fakeImage({ version: '3' })
const [id1, id2] = [one.manifest.imageId, two.manifest.imageId]

function entry(name: string, bytes: Uint8Array): EntryFacts {
  return { name, bytes: bytes.length, uki: readUki(bytes) }
}

const recovery = entry('muster-recovery.efi', one.files['recovery.efi'])
const entry1 = (name = 'muster_1.efi'): EntryFacts => entry(name, one.files['installed.efi'])
const entry2 = (name = 'muster_2.efi'): EntryFacts => entry(name, two.files['installed.efi'])
const blessed = (...ids: readonly string[]): ImageRecords =>
  ids.reduce((all, id) => withBlessing(all, id, 1), noRecords)

const state: SlotsState = {
  boot: { mode: 'installed', imageId: id1, place: 'a' },
  entries: [recovery, entry1()],
  held: { a: id1, recovery: id1 },
  records: blessed(id1),
}

describe('a UKI', () => {
  it('says what it starts, and is none without its head or its tables', () => {
    expect(readUki(one.files['installed.efi'])).toMatchObject({
      sortKey: 'muster',
      version: '1',
      mode: 'installed',
      imageId: id1,
      blocks: 5,
      salt: one.manifest.salt,
      bytes: one.files['installed.efi'].length,
    })
    expect(recovery.uki).toMatchObject({ sortKey: 'muster-recovery', mode: 'recovery' })
    for (const bytes of [0, 2, 0x40, 0x90, 1_024, 1_050]) {
      expect(readUki(one.files['installed.efi'].subarray(0, bytes)), String(bytes)).toBeUndefined()
    }
    expect(readUki(new Uint8Array(4_096))).toBeUndefined()
  })
})

describe('the slot to write', () => {
  it('is the one that neither runs nor is good', () => {
    expect(chooseSlot(state)).toMatchObject({ ok: true, slot: 'b' })
    const inB: SlotsState = {
      ...state,
      boot: { mode: 'installed', imageId: id2, place: 'b' },
      entries: [recovery, entry1(), entry2()],
      held: { a: id1, b: id2, recovery: id1 },
      records: blessed(id1, id2),
    }
    expect(chooseSlot(inB)).toMatchObject({ ok: true, slot: 'a' })
    expect(entriesToDiscard(inB, 'a')).toEqual(['muster_1.efi'])
    // A trial runs in b: a holds the last good one, and nothing is written.
    const trial = { ...inB, entries: [recovery, entry1(), entry2('muster_2+2-1.efi')], records: blessed(id1) }
    expect(chooseSlot(trial)).toMatchObject({ ok: false })
    // Fell back: the rejected one may go.
    const back = { ...trial, boot: state.boot, entries: [recovery, entry1(), entry2('muster_2+0-3.efi')] }
    expect(chooseSlot(back)).toMatchObject({ ok: true, slot: 'b' })
    expect(entriesToDiscard(back, 'b')).toEqual(['muster_2+0-3.efi'])
  })

  it('is none that holds the last good image when the recovery runs', () => {
    const rescue: SlotsState = {
      ...state,
      boot: { mode: 'recovery', imageId: id1, place: 'recovery' },
      entries: [recovery, entry1('muster_1+0-3.efi'), entry2()],
      held: { a: id1, b: id2, recovery: id1 },
      records: blessed(id2),
    }
    expect(chooseSlot(rescue)).toMatchObject({ ok: true, slot: 'a' })
  })

  it('is shown in a table', () => {
    expect(slotStatuses(state)).toMatchObject([
      { slot: 'a', version: '1', running: true, good: true, triesLeft: null, next: true, rejected: '' },
      { slot: 'b', version: '', imageId: '', running: false, good: false, next: false },
      { slot: 'recovery', version: '1', running: false, next: false },
    ])
  })
})

describe('judgeUpgrade', () => {
  const facts: UpgradeFacts = {
    manifest: two.manifest,
    state,
    architecture: 'x86_64',
    runningEpoch: 1,
    slotBytes: { a: 2 ** 20, b: 2 ** 20 },
    espFreeBytes: 2 ** 24,
    twins: new Set(),
    force: false,
  }

  it('takes a newer image into the free slot', () => {
    expect(judgeUpgrade(facts)).toMatchObject({ kind: 'install', slot: 'b', discard: [] })
  })

  const rejection = withRejection(blessed(id1), { imageId: id2, version: '2', reason: 'it was bad' })
  it.each([
    ['architecture', { manifest: fakeImage({ version: '2', architecture: 'aarch64' }).manifest }],
    ['epoch', { manifest: fakeImage({ version: '2', epoch: 0 }).manifest }],
    ['epoch', { runningEpoch: 2 }],
    ['rejected', { state: { ...state, records: rejection } }],
    ['not-newer', { manifest: fakeImage({ version: '0.9' }).manifest }],
    ['not-newer', { manifest: fakeImage({ version: '1', blocks: 6 }).manifest }],
    ['slot-too-small', { slotBytes: { a: 2 ** 20, b: 4_096 } }],
    ['esp-full', { espFreeBytes: 4_096 }],
  ] as const)('refuses: %s', (cause, change) => {
    expect(judgeUpgrade({ ...facts, ...(change as Partial<UpgradeFacts>) })).toMatchObject({
      kind: 'refused',
      cause,
    })
  })

  it('takes a rejected image again only when forced', () => {
    const again = { ...facts, state: { ...state, records: rejection } }
    expect(judgeUpgrade({ ...again, force: true })).toMatchObject({ kind: 'install' })
  })

  it('counts what can be deleted as free, but not what shares its clusters', () => {
    const left = {
      ...state,
      entries: [...state.entries, { name: 'muster_2+3.efi.part', bytes: 2 ** 22, uki: undefined }],
    }
    const full = { ...facts, state: left, espFreeBytes: 0 }
    expect(judgeUpgrade(full)).toMatchObject({ kind: 'install', discard: ['muster_2+3.efi.part'] })
    expect(judgeUpgrade({ ...full, twins: new Set(['muster_2+3.efi.part']) })).toMatchObject({
      cause: 'esp-full',
    })
  })

  it('has nothing to do for an image that runs or waits for its first boot', () => {
    expect(judgeUpgrade({ ...facts, manifest: one.manifest })).toMatchObject({ kind: 'present' })
    const waiting = {
      ...state,
      entries: [...state.entries, entry2('muster_2+3.efi')],
      held: { ...state.held, b: id2 },
    }
    expect(judgeUpgrade({ ...facts, state: waiting })).toMatchObject({ kind: 'present' })
  })
})

describe('records', () => {
  it('are read back, and not when damaged', () => {
    const records = withFailure(
      withTrial(
        withRejection(blessed(id1), { imageId: id2, version: '2', reason: 'bad' }),
        { imageId: 'c', version: '3', from: id1 },
        { peers: 2, etcd: true },
      ),
      'no peer was seen',
    )
    const text = encodeRecords(records)
    expect(parseRecords(text)).toEqual(records)
    for (let length = 0; length < text.length - 1; length += 9) {
      expect(parseRecords(text.slice(0, length)), String(length)).toBeUndefined()
    }
    for (const wrong of [
      { highestEpoch: -1 },
      { blessed: [1] },
      { rejected: [{}] },
      { trial: {} },
      { format: 2 },
    ]) {
      expect(parseRecords(JSON.stringify({ ...records, ...wrong })), JSON.stringify(wrong)).toBeUndefined()
    }
  })

  it('never let the epoch go back, and end the trial of what is blessed or rejected', () => {
    const trial = withTrial(
      withBlessing(noRecords, id1, 7),
      { imageId: id2, version: '2', from: id1 },
      { peers: 1 },
    )
    expect(withBlessing(trial, id2, 3)).toMatchObject({
      highestEpoch: 7,
      blessed: [id1, id2],
      trial: null,
      baseline: null,
    })
    expect(withBlessing(trial, 'other', 3).trial).not.toBeNull()
    expect(withRejection(trial, { imageId: id2, version: '2', reason: '' })).toMatchObject({
      trial: null,
      highestEpoch: 7,
    })
  })
})

describe('concludeBoot', () => {
  const boot1 = { mode: 'installed', imageId: id1, place: 'a' } as const
  const trial = withTrial(blessed(id1), { imageId: id2, version: '2', from: id1 }, null)

  it('leaves a machine in order alone', () => {
    expect(concludeBoot(boot1, [recovery, entry1()], blessed(id1))).toMatchObject({
      renames: [],
      restart: false,
      notes: [],
    })
    expect(
      concludeBoot({ ...boot1, imageId: id2 }, [recovery, entry1(), entry2('muster_2+2-1.efi')], trial),
    ).toEqual({
      records: trial,
      renames: [],
      restart: false,
      notes: [],
    })
  })

  it('counts an image again that lost its counter without being known as good', () => {
    for (const name of ['muster_1.efi', 'MUSTER~1.EFI']) {
      expect(concludeBoot(boot1, [recovery, entry1(name)], noRecords).renames).toEqual([
        { from: name, to: 'muster_1+3.efi' },
      ])
    }
  })

  it('ends a blessing that was cut short', () => {
    expect(concludeBoot(boot1, [recovery, entry1('muster_1+2-1.efi')], blessed(id1)).renames).toEqual([
      { from: 'muster_1+2-1.efi', to: 'muster_1.efi' },
    ])
    const twins = [recovery, entry1('muster_1+2-1.efi'), entry1()]
    expect(concludeBoot(boot1, twins, blessed(id1)).renames).toEqual([])
  })

  it('trusts no longer what was good and does not start any more, unless it starts all the same', () => {
    const both = blessed(id1, id2)
    const spent = [recovery, entry1(), entry2('muster_2+0-4.efi')]
    const { records, renames, notes } = concludeBoot(boot1, spent, both)
    expect(records.blessed).toEqual([id1])
    expect(records.rejected).toEqual([])
    expect(renames).toEqual([])
    expect(notes.join()).toContain('fell back from version 2')
    const boot2 = { mode: 'installed', imageId: id2, place: 'b' } as const
    const again = concludeBoot(boot2, spent, both)
    expect(again.records.blessed).toEqual([id1, id2])
    expect(again.renames).toEqual([{ from: 'muster_2+0-4.efi', to: 'muster_2.efi' }])
  })

  it('remembers what it fell back from, with the reason', () => {
    const failed = withFailure(trial, 'etcd did not answer')
    const { records, notes } = concludeBoot(boot1, [recovery, entry1(), entry2('muster_2+0-3.efi')], failed)
    expect(records).toMatchObject({ trial: null, rejected: [{ imageId: id2, version: '2' }] })
    expect(records.rejected[0]?.reason).toContain('etcd did not answer')
    expect(notes.join()).toContain('fell back from version 2')
    // The recovery system sees it just as well.
    const rescue = { mode: 'recovery', imageId: id1, place: 'recovery' } as const
    expect(concludeBoot(rescue, [recovery, entry2('muster_2+0-3.efi')], trial).records.rejected).toHaveLength(
      1,
    )
  })

  it('does not reject what was never put in place or still has tries', () => {
    expect(concludeBoot(boot1, [recovery, entry1()], trial).records).toMatchObject({
      trial: null,
      rejected: [],
    })
    expect(
      concludeBoot(boot1, [recovery, entry1(), entry2('muster_2+1-2.efi')], trial).records.trial,
    ).not.toBeNull()
  })

  it('ends a rollback that was cut short, and restarts into the other image', () => {
    const away = withRejection(blessed(id1), { imageId: id2, version: '2', reason: 'rolled back' })
    const boot2 = { ...boot1, imageId: id2, place: 'b' } as const
    const cut = concludeBoot(boot2, [recovery, entry1(), entry2()], away)
    expect(cut).toMatchObject({ restart: true, renames: [{ from: 'muster_2.efi', to: 'muster_2+0-1.efi' }] })
    // Nothing else is left to boot: no restart without end.
    const alone = concludeBoot(boot2, [entry2('muster_2+0-1.efi')], away)
    expect(alone).toMatchObject({ restart: false, renames: [] })
  })

  it('changes nothing when it is applied twice', () => {
    const name = fc.constantFrom('+3', '+2-1', '+1-2', '+0-3', '', undefined)
    const records = fc.constantFrom(
      noRecords,
      blessed(id1),
      blessed(id1, id2),
      trial,
      withRejection(trial, { imageId: id2, version: '2', reason: 'x' }),
    )
    fc.assert(
      fc.property(name, name, records, fc.boolean(), (first, second, before, runsSecond) => {
        const entries = [
          recovery,
          ...(first === undefined ? [] : [entry1(`muster_1${first}.efi`)]),
          ...(second === undefined ? [] : [entry2(`muster_2${second}.efi`)]),
        ]
        const boot = {
          mode: 'installed',
          imageId: runsSecond ? id2 : id1,
          place: runsSecond ? 'b' : 'a',
        } as const
        const once = concludeBoot(boot, entries, before)
        const after = entries.map((each) => ({
          ...each,
          name: once.renames.find(({ from }) => from === each.name)?.to ?? each.name,
        }))
        const twice = concludeBoot(boot, after, once.records)
        expect(twice.renames).toEqual([])
        expect(twice.records).toEqual(once.records)
      }),
    )
  })
})

describe('the boot model', () => {
  const whole = (facts: EntryFacts): ModelEntry => ({ ...facts, whole: true })
  const disk: ModelDisk = {
    hasTable: true,
    hasLoader: true,
    hasData: true,
    entries: [whole(recovery), whole(entry1()), whole(entry2('muster_2+3.efi'))],
    slots: [
      { place: 'a', mounts: id1, verifies: true },
      { place: 'b', mounts: id2, verifies: true },
      { place: 'recovery', mounts: id1, verifies: true },
    ],
  }

  it('starts the newest, and the former one after three boots that were not healthy', () => {
    expect(powerOn(disk).outcome).toEqual({
      kind: 'system',
      mode: 'installed',
      imageId: id2,
      entry: 'muster_2+2-1.efi',
    })
    expect(bootUntilSettled(disk, (image) => image !== id2)).toMatchObject({
      outcome: { kind: 'system', imageId: id1, entry: 'muster_1.efi' },
      powerOns: 4,
    })
  })

  it('starts the recovery when both slots are bad', () => {
    const bad = disk.slots.map((slot) => (slot.place === 'recovery' ? slot : { ...slot, verifies: false }))
    const entries = [whole(recovery), whole(entry1('muster_1+3.efi')), whole(entry2('muster_2+3.efi'))]
    expect(bootUntilSettled({ ...disk, slots: bad, entries })).toMatchObject({
      outcome: { kind: 'system', mode: 'recovery' },
      powerOns: 7,
    })
  })

  it('starts the former one where the newest was good and its slot has rotted, and the recovery at last', () => {
    const entries = [whole(recovery), whole(entry1()), whole(entry2())]
    const rotten = (...places: readonly string[]): ModelDisk => ({
      ...disk,
      entries,
      slots: disk.slots.map((slot) => (places.includes(slot.place) ? { ...slot, verifies: false } : slot)),
    })
    const former = bootUntilSettled(rotten('b'))
    expect(former).toMatchObject({ outcome: { kind: 'system', imageId: id1 }, powerOns: 3 })
    expect(former.disk.entries.map(({ name }) => name)).toContain('muster_2+0-4.efi')
    expect(bootUntilSettled(rotten('a', 'b'))).toMatchObject({
      outcome: { kind: 'system', mode: 'recovery' },
      powerOns: 5,
    })
  })

  it('sees what only a person can repair', () => {
    const cut = {
      ...disk,
      entries: [...disk.entries.slice(0, 2), { ...whole(entry2('muster_2+3.efi')), whole: false }],
    }
    expect(powerOn(cut).outcome).toMatchObject({ kind: 'dead' })
    const bare = {
      ...disk,
      slots: disk.slots.filter(({ place }) => place !== 'b'),
      entries: [whole(recovery), whole(entry2())],
    }
    expect(bootUntilSettled(bare).outcome).toMatchObject({ kind: 'system', mode: 'recovery' })
    const known = bootUntilSettled(disk, (image) => image !== id1 && image !== id2).outcome
    expect(known).toEqual({ kind: 'dead', reason: 'an entry without a counter fails for ever' })
    expect(powerOn({ ...disk, hasLoader: false }).outcome).toMatchObject({ kind: 'dead' })
    expect(powerOn({ ...disk, hasTable: false }).outcome).toEqual({ kind: 'not-installed' })
    expect(powerOn({ ...disk, entries: [] }).outcome).toMatchObject({ kind: 'dead' })
  })

  it('is asked about images that are what they say, and that differ', () => {
    for (const { manifest, manifestBytes, signature, root } of [one, two, three]) {
      expect(openManifest(manifestBytes, signature, verifySignature)).toEqual({ ok: true, manifest })
      expect(verifiesFully(root, manifest)).toBe(true)
      const torn = root.slice()
      torn[4_100]! ^= 1
      expect(verifiesFully(torn, manifest)).toBe(false)
    }
    expect(new Set([one, two, three].map(({ manifest }) => manifest.imageId)).size).toBe(3)
  })
})
