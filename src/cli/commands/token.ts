import { readFileSync } from 'node:fs'
import { text as readAll } from 'node:stream/consumers'
import { apiVersion } from '../../agent/api/resources.ts'
import type { BootstrapSetting } from '../../core/model/spec.ts'
import { MusterError } from '../../errors.ts'
import { usage, wholeNumber } from '../arguments.ts'
import { type Command, type FlagValues, type Invocation, outputFlag } from '../command.ts'
import { formatOf, printResource } from '../render.ts'

export const tokenCommands: readonly Command[] = [
  {
    path: ['token', 'new'],
    aliases: [['generate-token']],
    summary: 'Make a network token, and the operator key that goes with it',
    description: `The token lets machines join: put it into the cloud-config of all of them. The operator key signs changes
of the cluster's spec: keep it off the machines. The token goes to stdout, the key into a file.`,
    flags: {
      name: { type: 'string', value: 'NAME', default: 'muster', summary: 'a word for people' },
      key: {
        type: 'string',
        value: 'FILE',
        default: 'muster-operator.key',
        summary: 'where the operator key goes; no file is ever replaced',
      },
      addresses: {
        type: 'string',
        value: 'CIDR',
        summary: 'IPv4 network of the overlay (default 10.144.0.0/16)',
      },
      peer: {
        type: 'string',
        value: 'ADDRESS',
        multiple: true,
        summary: 'host, host:port or multiaddr to ask first, where multicast does not reach',
      },
      expect: { type: 'string', value: 'N', summary: 'machines that found the cluster' },
      'control-plane': { type: 'string', value: 'N', summary: 'control-plane nodes' },
      ...outputFlag,
    },
    examples: ['muster token new', 'muster token new --name site-7 --expect 5 --key ~/site-7.key'],
    run: newToken,
  },
  {
    path: ['token', 'inspect'],
    summary: 'Check a token and show what may be shown of it',
    description: 'Without a TOKEN it is read from stdin, so that it stays out of the list of processes.',
    positionals: [{ name: 'TOKEN', optional: true }],
    flags: {
      file: { type: 'string', short: 'f', value: 'FILE', summary: 'read the token from a file' },
      ...outputFlag,
    },
    examples: ['muster token inspect < token', 'muster token inspect --file /etc/muster/token -o json'],
    run: inspect,
  },
]

async function newToken(invocation: Invocation): Promise<void> {
  const { flags, terminal } = invocation
  const { newNetwork } = await import('../../agent/api/operator.ts')
  const { writeOperatorKey } = await import('../../agent/api/operator.ts')
  const keyPath = flags.text('key') ?? ''
  const addresses = flags.text('addresses')
  const bootstrap = bootstrapOf(flags)
  const controlPlane = flags.text('control-plane')
  const peers = await peersOf(flags.texts('peer'))
  const network = checked(() =>
    newNetwork({
      name: flags.text('name') ?? '',
      peers,
      ...(addresses === undefined ? {} : { addresses4: addresses }),
      ...(bootstrap === undefined ? {} : { bootstrap }),
      ...(controlPlane === undefined
        ? {}
        : { controlPlane: wholeNumber('control-plane', controlPlane, 1, 7) }),
    }),
  )
  // The key first: a token whose operator key could not be kept must not be used by mistake.
  await writeOperatorKey(keyPath, network.operatorKey)
  const { token, summary } = network
  const resource = { apiVersion, kind: 'NewToken', token, operatorKeyFile: keyPath, ...summary } as const
  await printResource(terminal, formatOf(invocation), resource, () => `${token}\n`)
  terminal.stderr.write(`fingerprint ${summary.fingerprint}; the operator key is in ${keyPath}\n`)
}

async function inspect(invocation: Invocation): Promise<void> {
  const { words, flags, terminal } = invocation
  const { inspectToken } = await import('../../agent/api/operator.ts')
  const summary = inspectToken(await tokenText(words[0], flags.text('file'), terminal.stdin))
  const resource = { apiVersion, kind: 'Token', ...summary } as const
  await printResource(terminal, formatOf(invocation), resource, () => {
    const facts: readonly (readonly [string, string])[] = [
      ['Name', summary.name],
      ['Fingerprint', summary.fingerprint],
      ['Format', summary.format],
      ['Operator', summary.operatorKey],
      ['Addresses', summary.addresses4],
      ['Peers', summary.bootstrapPeers.join(', ') || 'none'],
      ['Bootstrap', summary.bootstrap === undefined ? 'as configured' : JSON.stringify(summary.bootstrap)],
      ['Control plane', summary.controlPlane === undefined ? 'as configured' : String(summary.controlPlane)],
    ]
    return facts.map(([name, value]) => `${`${name}:`.padEnd(15)}${value}\n`).join('')
  })
}

async function tokenText(
  word: string | undefined,
  file: string | undefined,
  stdin: Invocation['terminal']['stdin'],
): Promise<string> {
  if (word !== undefined && file !== undefined) throw usage('give a TOKEN or --file, not both')
  if (word !== undefined && word !== '-') return word
  if (file === undefined) {
    if (stdin.isTTY === true) throw usage('`muster token inspect` needs a TOKEN, --file, or a token on stdin')
    return readAll(stdin)
  }
  try {
    return readFileSync(file, 'utf8')
  } catch (error) {
    throw new MusterError('ERR_CONFIG_UNREADABLE', { path: file }, { cause: error })
  }
}

function bootstrapOf(flags: FlagValues): BootstrapSetting | undefined {
  const expect = flags.text('expect')
  return expect === undefined
    ? undefined
    : { mode: 'expect', expect: wholeNumber('expect', expect, 1, 1_000) }
}

async function peersOf(texts: readonly string[]): Promise<string[]> {
  const { defaults, peerMultiaddr } = await import('../../config/index.ts')
  return texts.map((text) => {
    const address = peerMultiaddr(text, defaults.port)
    if (address === undefined) throw usage(`--peer: '${text}' is no host, host:port or multiaddr`)
    return address
  })
}

/** What a token cannot hold is the caller's mistake. */
function checked<T>(make: () => T): T {
  try {
    return make()
  } catch (error) {
    if (error instanceof Error && 'path' in error) throw usage(`no token can hold this: ${error.message}`)
    throw error
  }
}
