// install.json: what a machine was installed from. Written once, with everything else of the installation.

/** What was installed. */
export interface InstallReceipt {
  readonly format: 1
  readonly version: string
  readonly imageId: string
  readonly epoch: number
  readonly diskId: string
  readonly installer: string
  /** Tells machines with equal images apart before they have a key: SHA-256 over machine id and disk id, 16 hex digits. */
  readonly fingerprint: string
  /** SHA-256 of the configuration that was copied to the disk, 64 hex digits. Undefined: installed before it was written down. */
  readonly configDigest: string | undefined
}

/** What makes two installations the same one: the image and the configuration. */
export interface InstallOrigin {
  readonly imageId: string
  readonly configDigest: string
}

/** Text of the file. */
export function encodeReceipt(receipt: InstallReceipt): string {
  return `${JSON.stringify(receipt, undefined, 2)}\n`
}

/** Reads the file in the form of every version so far. Undefined where it is damaged. */
export function parseReceipt(text: string): InstallReceipt | undefined {
  let value: unknown
  try {
    value = JSON.parse(text)
  } catch {
    return undefined
  }
  if (typeof value !== 'object' || value === null) return undefined
  const { format, version, imageId, epoch, diskId, installer, fingerprint, configDigest } = value as Partial<
    Record<keyof InstallReceipt, unknown>
  >
  if (format !== 1 || typeof epoch !== 'number') return undefined
  if (typeof version !== 'string' || typeof imageId !== 'string' || typeof diskId !== 'string')
    return undefined
  if (typeof installer !== 'string' || typeof fingerprint !== 'string') return undefined
  const digest = typeof configDigest === 'string' ? configDigest : undefined
  return { format, version, imageId, epoch, diskId, installer, fingerprint, configDigest: digest }
}

/** Whether an installation is what this medium would make again. */
export function isFrom(receipt: InstallReceipt | undefined, origin: InstallOrigin): boolean {
  return receipt?.imageId === origin.imageId && receipt.configDigest === origin.configDigest
}
