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
  ERR_CONFIG_INVALID: {
    message: 'The configuration has {count} error(s).',
    hint: 'Each error above names file, line and column. `muster config schema` prints what is allowed.',
    exitCode: 4,
  },
  ERR_STATE_UNREADABLE: {
    message: 'The state directory {path} cannot be used: {detail}.',
    hint: 'Check its owner, its permissions and the free space. Nothing was changed.',
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
    super(
      entry.message.replaceAll(/\{(\w+)\}/g, (_, key: string) => String(details[key] ?? '?')),
      options,
    )
    this.code = code
    this.hint = entry.hint
    this.exitCode = entry.exitCode
    this.details = details
  }
}
