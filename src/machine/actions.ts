/** User and group of a file, by name or number. */
export interface Owner {
  readonly user?: string | number
  readonly group?: string | number
}

/** One thing to do on the machine, as data, and why. A plan is a list of these; `carryOut` does them in order. */
export type Action = { readonly reason: string } & (
  | {
      readonly kind: 'file'
      readonly path: string
      readonly content: string | Uint8Array
      readonly mode: number
      readonly owner?: Owner
      readonly append?: boolean
    }
  | { readonly kind: 'directory'; readonly path: string; readonly mode: number; readonly owner?: Owner }
  | { readonly kind: 'hostname'; readonly name: string }
  /** A parameter of the kernel, with dots as sysctl(8) has them. */
  | { readonly kind: 'kernel'; readonly name: string; readonly value: string }
  | { readonly kind: 'module'; readonly words: readonly string[] }
  | { readonly kind: 'program'; readonly argv: readonly string[] }
  | { readonly kind: 'shell'; readonly command: string }
  | {
      readonly kind: 'fetch'
      readonly url: string
      readonly path: string
      readonly mode: number
      readonly owner?: Owner
      readonly timeoutMs: number
    }
  /** Nothing to do but to tell: something that cannot be done here, or is better done otherwise. */
  | { readonly kind: 'problem'; readonly message: string; readonly severity: 'error' | 'warning' }
)

/** A problem, in the words of the plan that met it. */
export function problem(reason: string, message: string): Action {
  return { kind: 'problem', reason, message, severity: 'error' }
}

/** The same, where all that was asked for is done. */
export function warning(reason: string, message: string): Action {
  return { kind: 'problem', reason, message, severity: 'warning' }
}
