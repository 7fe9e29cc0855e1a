import { existsSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { apiVersion } from '../../agent/api/resources.ts'
import { MusterError } from '../../errors.ts'
import type { ImageFacts } from '../../image/inspect.ts'
import { type KernelFlavour, kernelFlavours } from '../../image/packages.ts'
import { usage, wholeNumber } from '../arguments.ts'
import { type Command, type Flag, type Invocation, outputFlag } from '../command.ts'
import { formatOf, printResource } from '../render.ts'

const configFlag: Flag = {
  type: 'string',
  value: 'FILE',
  summary: 'cloud-config of the medium; `-` reads standard input',
}

export const imageCommands: readonly Command[] = [
  {
    path: ['image', 'build'],
    summary: 'Build the image of a machine, and the ISO that installs it',
    description: `Runs in a checkout of the source, as root on Debian the first time: the Debian root is cached. The same source,
options and key give the same bytes. Writes muster.iso and the directory image, which upgrades are made from.`,
    flags: {
      config: configFlag,
      k3s: {
        type: 'string',
        value: 'PATH',
        summary: "a k3s binary to build in; 'contract' is the double of the tests",
      },
      airgap: {
        type: 'string',
        value: 'FILE',
        multiple: true,
        summary: 'container images for k3s, an archive',
      },
      packages: { type: 'string', value: 'A,B', multiple: true, summary: 'more Debian packages' },
      tree: { type: 'string', value: 'DIR', multiple: true, summary: 'files to lay over the root' },
      kernel: {
        type: 'string',
        value: 'FLAVOUR',
        choices: kernelFlavours,
        default: 'generic',
        summary: 'for hardware, or for virtual machines only',
      },
      'image-version': { type: 'string', value: 'V', summary: "the image's version (that of muster)" },
      epoch: {
        type: 'string',
        value: 'N',
        default: '0',
        summary: 'raised, it forbids every image of before',
      },
      key: {
        type: 'string',
        value: 'FILE',
        summary: 'Ed25519 key in PEM (one that is made at the first build)',
      },
      compression: {
        type: 'string',
        value: 'LEVEL',
        default: '3',
        summary: 'zstd level, 15 and more for releases',
      },
      out: { type: 'string', value: 'DIR', default: '.cache/image', summary: 'where to' },
      ...outputFlag,
    },
    examples: [
      'muster image build',
      'muster image build --config site.yaml --k3s /usr/local/bin/k3s',
      'muster image build --image-version 1.4.0 --epoch 2 --key release.pem --compression 19',
    ],
    run: build,
  },
  {
    path: ['image', 'inject'],
    summary: 'Put a configuration into a finished ISO',
    description:
      'Checks the configuration first. Nothing else on the ISO changes: its image and signature stay valid.',
    positionals: [{ name: 'ISO' }],
    flags: {
      config: configFlag,
      out: { type: 'string', value: 'FILE', summary: 'leave the ISO, write another' },
    },
    examples: ['muster image inject muster.iso --config site.yaml --out site.iso'],
    run: async ({ words, flags, terminal }) => {
      const [iso = ''] = words
      const path = flags.text('config')
      if (path === undefined) throw usage('`muster image inject` needs --config FILE')
      const config = await checkedConfig(path, terminal)
      const { injectConfig } = await import('../../image/inject.ts')
      const output = flags.text('out') ?? iso
      injectConfig(iso, config, output)
      terminal.stderr.write(`${output} has the configuration of ${path}\n`)
    },
  },
  {
    path: ['image', 'inspect'],
    summary: 'Show what an ISO, or the directory of an image, holds',
    positionals: [{ name: 'ISO|DIR' }],
    flags: outputFlag,
    examples: ['muster image inspect muster.iso', 'muster image inspect .cache/image/image -o json'],
    run: async (invocation) => {
      const [path = ''] = invocation.words
      const { inspectImage } = await import('../../image/inspect.ts')
      const facts = inspectImage(path)
      const resource = { apiVersion, kind: 'ImageFacts', ...facts } as const
      await printResource(invocation.terminal, formatOf(invocation), resource, () => describe(facts))
      return facts.faults.length === 0 ? 0 : 1
    },
  },
]

async function build(invocation: Invocation): Promise<void> {
  const { flags, terminal } = invocation
  const { buildImage, defaultImageVersion, imageCache } = await import('../../image/build.ts')
  const say = (line: string): void => void terminal.stderr.write(`${line}\n`)
  const version = flags.text('image-version') ?? defaultImageVersion
  const { versionPattern } = await import('../../core/install/entry-name.ts')
  if (!versionPattern.test(version)) {
    throw usage(`--image-version is letters, digits and . ~ ^ -, not '${version}'`)
  }
  const output = flags.text('out') ?? ''
  const key = flags.text('key')
  const configPath = flags.text('config')
  const config = configPath === undefined ? undefined : await checkedConfig(configPath, terminal)
  const contract = flags.text('k3s') === 'contract' ? await contractTree(output) : undefined
  const k3s = contract === undefined ? flags.text('k3s') : undefined
  const files = [k3s, ...flags.texts('airgap'), ...flags.texts('tree')].filter((path) => path !== undefined)
  const lacking = files.find((path) => !existsSync(path))
  if (lacking !== undefined) throw usage(`${lacking} does not exist`)
  const result = await buildImage({
    output,
    cache: imageCache,
    version,
    epoch: wholeNumber('epoch', flags.text('epoch') ?? '', 0, 999_999_999),
    kernel: (flags.text('kernel') ?? 'generic') as KernelFlavour,
    compression: wholeNumber('compression', flags.text('compression') ?? '', 1, 22),
    packages: [
      ...flags.texts('packages').flatMap((list) => list.split(',').filter(Boolean)),
      ...(contract?.packages ?? []),
    ],
    trees: [...(contract === undefined ? [] : [contract.tree]), ...flags.texts('tree')],
    airgap: flags.texts('airgap'),
    say,
    ...(key === undefined ? {} : { key }),
    ...(config === undefined ? {} : { config }),
    ...(k3s === undefined ? {} : { k3s }),
  })
  const { iso, image, manifest, isoBytes, stages } = result
  const resource = { apiVersion, kind: 'ImageBuild', iso, image, isoBytes, stages, manifest } as const
  await printResource(terminal, formatOf(invocation), resource, () => `${iso}\n${image}\n`)
  say(`version ${manifest.version}, image ${manifest.imageId}, ISO ${(isoBytes / 1e6).toFixed(0)} MB`)
}

/** What the double of k3s needs in an image, made by its own program. */
async function contractTree(output: string): Promise<{ tree: string; packages: readonly string[] }> {
  const { runProgram } = await import('../../image/run.ts')
  const { repository } = await import('../../image/agent-files.ts')
  const tree = join(output, 'contract')
  const program = join(repository, 'simulations/k3s-contract/image-tree.ts')
  if (!existsSync(program)) throw new MusterError('ERR_IMAGE_CHECKOUT', { path: program })
  const packages = await runProgram([process.execPath, program, tree])
  return { tree, packages: packages.trim().split(/\s+/) }
}

/** Text of a cloud-config that a machine can carry out. Throws ERR_CONFIG_UNREADABLE, ERR_CONFIG_INVALID. */
async function checkedConfig(path: string, { stderr }: Invocation['terminal']): Promise<string> {
  const { readConfig, formatDiagnostic } = await import('../../config/index.ts')
  const { installRule } = await import('../../install/install-options.ts')
  let text: string
  try {
    text = readFileSync(path === '-' ? 0 : path, 'utf8')
  } catch {
    throw new MusterError('ERR_CONFIG_UNREADABLE', { path })
  }
  const { diagnostics } = readConfig([{ path, text }], 'machine', [installRule])
  const errors = diagnostics.filter(({ severity }) => severity === 'error')
  for (const each of diagnostics) stderr.write(`${formatDiagnostic(each, { colour: false })}\n`)
  if (errors.length > 0) throw new MusterError('ERR_CONFIG_INVALID', { count: errors.length })
  return text
}

function describe({ path, form, manifest, faults, configured }: ImageFacts): string {
  const lines = [
    ['image', manifest.imageId],
    ['version', manifest.version],
    ['epoch', String(manifest.epoch)],
    ['architecture', manifest.architecture],
    ['root', `${(manifest.files['root.img'].bytes / 1e6).toFixed(1)} MB`],
    ['configuration', configured ? 'on the medium' : 'none'],
    ['faults', faults.length === 0 ? 'none' : faults.join('; ')],
  ] as const
  return `${path} (${form})\n${lines.map(([name, value]) => `  ${name.padEnd(15)}${value}\n`).join('')}`
}
