import { configSchema, declaredKeys } from '../../src/config/json-schema.ts'
import type { JsonSchema } from '../../src/config/json-schema.ts'
import { kairosKeys } from '../../src/config/kairos.ts'

const guide = `# Configuration

<!-- Generated from the schema in src/config by \`npm run docs\`. -->

A machine reads cloud-config files: YAML, with or without \`#cloud-config\` in the first line. The smallest one that
works is the same on every machine:

\`\`\`yaml
#cloud-config
muster:
  token: muster1-…
  bootstrap:
    expect: 5
\`\`\`

* **Several files** are read in alphabetical order and laid over one another: later ones win, key by key; lists are
  replaced as a whole; a key without a value says nothing. \`muster config show --origin\` tells which file decided.
* **Mistakes are errors.** An unknown key, a wrong type, two tokens, networks that overlap: all are told at once, each
  with file, line, column and, where there is one, the right spelling. \`muster config validate\` only looks.
* **Nothing is passed over in silence.** A key that is understood and has no effect yet gives a warning that says so.
* **Editors** complete and check with the JSON Schema that \`muster config schema\` prints.
* **Host names** may hold \`{{ .MachineID }}\`, \`{{ .UUID }}\` or \`{{ trunc 4 .MachineID }}\`.

## How a cluster is founded

Say how many machines there are, and no network can fall into two clusters, whatever the weather:

| \`muster.bootstrap\` | founded by | safe because |
|---|---|---|
| \`expect: 5\` | any five machines | no five others exist; a network that shows ten refuses |
| \`expect: 5\`, \`tolerate: 1\` | any four of five | two groups of four do not fit into five machines. \`slack\` counts machines beyond \`expect\`; what is needed is 2 × (expect − tolerate) > expect + slack |
| \`voters: […]\` | a majority of the machines listed | two majorities share a machine |
| \`single: true\` | this machine | it is alone; the same as \`expect: 1\` |
| \`auto: true\` | all that were found, after a time of quiet | it is a bet on time, not a proof: machines that cannot hear each other for that long found two clusters |

Where neither the files nor the token say anything, \`auto\` holds.

## Keys under \`muster:\`

Spans of time are a whole number with its unit: \`500ms\`, \`3s\`, \`5m\`, \`1h\`.
`

const kairosGuide = `
## Kairos' keys

A configuration written for Kairos is read as it is. Where a Kairos key and an own key say the same thing, they must
agree; otherwise it is an error that names both places.

Two things differ on purpose. \`p2p.auto.ha.master_nodes\` counts the servers *beside* the first, and
\`muster.control_plane\` counts them all. And where nothing is said, a cluster has three servers as soon as there are three
machines, where Kairos makes one.

| key | what becomes of it |
|---|---|
`

const machineGuide = `
The keys for the machine itself (\`users\`, \`ssh_authorized_keys\`, \`write_files\`, \`runcmd\`, \`stages\`, \`install\`, \`upgrade\`,
\`reset\`, \`bundles\`, …) are checked as strictly as the others. A machine that runs from an image of muster carries out
\`users\`, \`ssh_authorized_keys\`, \`write_files\`, \`runcmd\`, \`stages\` and \`install\`: docs/machine.md says when and how. The
others are read, not yet acted on, and that is a warning; upgrades and resets are asked for with \`muster upgrade\` and
\`muster reset\`. An agent on another system leaves all of them alone, and says so.

What of \`install\` no installer of muster could carry out (\`grub_options\`, \`encrypted_partitions\`, \`source: oci:…\`, …) is an error of
\`muster config validate\`, \`muster image build\` and \`muster image inject\`, with its place; the installer refuses it too.
`

/** docs/configuration.md, from the schema and the table of Kairos keys. */
export function configurationPage(): string {
  const own = configSchema().properties?.['muster'] ?? {}
  const rows = declaredKeys(own, 'muster').map(
    ({ key, schema }) =>
      `| \`${key}\` | ${typeOf(schema)} | ${defaultOf(schema)} | ${cell(schema.description ?? '')} |`,
  )
  return [
    guide,
    '| key | type | default | what it says |',
    '|---|---|---|---|',
    ...rows,
    kairosGuide + kairosKeys.map(({ key, becomes }) => `| \`${key}\` | ${cell(becomes)} |`).join('\n'),
    machineGuide,
  ].join('\n')
}

function typeOf(schema: JsonSchema): string {
  if (schema.enum !== undefined) return schema.enum.map((word) => `\`${String(word)}\``).join(', ')
  switch (schema.type) {
    case 'array':
      return `list of ${schema.items === undefined ? 'values' : typeOf(schema.items)}`
    case 'integer':
      return schema.minimum === undefined || schema.maximum === undefined
        ? 'whole number'
        : `${schema.minimum} to ${schema.maximum}`
    case 'boolean':
      return 'true or false'
    case 'object':
      return 'map'
    default:
      return 'text'
  }
}

function defaultOf(schema: JsonSchema): string {
  if (schema.default === undefined) return ''
  return `\`${typeof schema.default === 'string' ? schema.default : JSON.stringify(schema.default)}\``
}

function cell(text: string): string {
  return text.replaceAll('|', String.raw`\|`)
}
