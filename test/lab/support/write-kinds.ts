import type { Write } from '../../../src/core/ports.ts'

/** What a store held before a write, by state key. */
export type Held = Readonly<Record<string, unknown>>

const k3sFields = ['grant', 'secrets', 'role', 'initialised', 'stated', 'ready', 'memberId']

const generations = ['charter', 'grant', 'activation']

/** Every kind of write that a formation has, as `kindsOf` names them. */
export const formationWrites: readonly string[] = [
  'identity',
  'boot',
  'seen',
  'peers',
  ...generations.flatMap((what) => [
    `ballot for the ${what}`,
    `promise for the ${what}`,
    `accept of the ${what}`,
  ]),
  'empty register',
  ...['chartered', 'granted', 'active'].map((phase) => `plan ${phase}`),
  ...k3sFields.filter((field) => field !== 'role').map((field) => `k3s ${field}`),
  ...['server-init', 'server', 'agent'].map((role) => `k3s role ${role}`),
]

/** What one persist is about, by what changes: a vote is told from a ballot, and a charter from a grant. */
export function kindsOf(writes: readonly Write[], held: Held): readonly string[] {
  return writes.flatMap((write) => {
    if (write.op === 'append') {
      const { phase } = (write.value as { readonly header: { readonly phase: string } }).header
      return [`plan ${phase}`]
    }
    switch (write.key) {
      case 'register':
        return registerKinds(write.value as RegisterFields, held['register'] as RegisterFields | undefined)
      case 'k3s':
        return k3sKinds(write.value as K3sFields, held['k3s'] as K3sFields | undefined)
      // The newest plan travels with its header in the chain.
      case 'plan':
        return []
      default:
        return [write.key]
    }
  })
}

interface RegisterFields {
  readonly generation: number
  readonly promised: unknown
  readonly accepted: unknown
  readonly proposedNumber: number
}

function registerKinds(next: RegisterFields, held: RegisterFields | undefined): readonly string[] {
  const same = held?.generation === next.generation ? held : undefined
  const what = generations[next.generation]
  if (what === undefined) return []
  const kinds: string[] = []
  if (next.proposedNumber > (same?.proposedNumber ?? -1)) kinds.push(`ballot for the ${what}`)
  if (differs(next.promised, same?.promised)) kinds.push(`promise for the ${what}`)
  if (differs(next.accepted, same?.accepted)) kinds.push(`accept of the ${what}`)
  return kinds.length === 0 ? ['empty register'] : kinds
}

type K3sFields = Readonly<Record<string, unknown>>

function k3sKinds(next: K3sFields, held: K3sFields | undefined): readonly string[] {
  return k3sFields.flatMap((field) => {
    const value = next[field]
    const set = value !== null && value !== false && value !== ''
    if (!set || !differs(value, held?.[field])) return []
    return field === 'role' ? [`k3s role ${String(value)}`] : [`k3s ${field}`]
  })
}

function differs(next: unknown, held: unknown): boolean {
  return next !== null && JSON.stringify(next) !== JSON.stringify(held ?? null)
}
