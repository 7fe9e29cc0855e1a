import { lstatSync, readlinkSync, rmSync, symlinkSync } from 'node:fs'
import { makeDirectory, namesIn, under } from './rooted-files.ts'

/** Container images that came with the image of the machine, for sites without a registry. */
const shipped = '/usr/lib/muster/k3s-images'
/** Where k3s loads images from when it starts. */
const loaded = '/var/lib/rancher/k3s/agent/images'

/**
 * Links the images that came with the machine's image to where k3s looks for them, and takes links to images of an
 * earlier version away. A file that somebody put there stays. Returns the names linked.
 */
export function linkK3sImages(root: string): readonly string[] {
  const names = namesIn(root, shipped).filter((name) => /\.tar(\.(gz|zst|bz2|lz4))?$|\.txt$/.test(name))
  for (const name of namesIn(root, loaded)) {
    const target = linkTarget(under(root, `${loaded}/${name}`))
    if (target?.startsWith(`${shipped}/`) === true && !names.includes(name))
      rmSync(under(root, `${loaded}/${name}`))
  }
  if (names.length === 0) return []
  makeDirectory(root, loaded, { mode: 0o755 })
  const present = new Set(namesIn(root, loaded))
  const missing = names.filter((name) => !present.has(name))
  for (const name of missing) symlinkSync(`${shipped}/${name}`, under(root, `${loaded}/${name}`))
  return missing
}

function linkTarget(path: string): string | undefined {
  return lstatSync(path).isSymbolicLink() ? readlinkSync(path) : undefined
}
