import type { InstallerComponents } from '../components/installer.ts'
import { readConfig } from '../config/index.ts'
import { imageFiles, mediumConfigBytes } from '../core/install/layout.ts'
import { manifestBytesMax, parseManifest } from '../core/install/manifest.ts'
import { MusterError } from '../errors.ts'
import { readInstallOptions } from './install-options.ts'
import { architectureOfMachine } from './machine-facts.ts'

/**
 * Looks for a medium that installs this machine by itself when it is started: with an image for it, and a configuration that says
 * so. Throws ERR_RESET_NO_MEDIUM, with what is wrong with each disc that is there.
 */
export async function requireMedium(
  installer: Pick<InstallerComponents, 'readDisks' | 'readMedium'>,
): Promise<void> {
  const faults: string[] = []
  for (const { path, signatures } of await installer.readDisks()) {
    if (!signatures.includes('iso9660')) continue
    const fault = faultOf((name, bytesMax) => installer.readMedium(path, name, bytesMax))
    if (fault === undefined) return
    faults.push(`${path} ${fault}`)
  }
  throw new MusterError('ERR_RESET_NO_MEDIUM', {
    detail: faults.length === 0 ? 'there is none at all' : faults.join('; '),
  })
}

/** Why a medium would not install this machine; undefined: it would. Whether its image is signed, its own system knows. */
function faultOf(read: (name: string, bytesMax: number) => Uint8Array | undefined): string | undefined {
  const manifestBytes = read(imageFiles.manifest, manifestBytesMax)
  if (manifestBytes === undefined) return 'carries no image of muster'
  const parsed = parseManifest(manifestBytes)
  if (!parsed.ok) return `carries an image whose manifest cannot be read: ${parsed.detail}`
  const { architecture } = parsed.manifest
  if (architecture !== architectureOfMachine()) return `carries an image for ${architecture}`
  // Padded with line feeds to its fixed size.
  const text = new TextDecoder().decode(read(imageFiles.config, mediumConfigBytes)).trimEnd()
  if (text === '') return 'has no configuration'
  const { config } = readConfig([{ path: imageFiles.config, text: `${text}\n` }], 'machine')
  if (config === undefined) return 'has a configuration with errors'
  const { options, faults } = readInstallOptions(config.machine.install)
  if (faults.length > 0) {
    const named = faults.map(({ path, message }) => `${path} ${message}`).join(', ')
    return `has a configuration that cannot be carried out: ${named}`
  }
  return options.auto ? undefined : 'has a configuration that does not say `install.auto: true`'
}
