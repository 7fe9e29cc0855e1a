/** A broken assumption of the program itself, never the user's or a peer's fault. */
export class InvariantError extends Error {
  static readonly code = 'ERR_INVARIANT'
  readonly code = 'ERR_INVARIANT'
  override readonly name = 'InvariantError'
}

/** Asserts what must hold if the program is right. Stays on in production. */
export function invariant(condition: unknown, message: string): asserts condition {
  if (!condition) throw new InvariantError(message)
}
