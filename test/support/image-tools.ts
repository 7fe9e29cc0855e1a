// The programs that images are made with. As root on Debian a test gets them; elsewhere it is skipped and says why.
import { missingTools, provideTools } from '../../src/image/tools.ts'

/** Why the stages of an image cannot be run here; empty where they can. Getting the programs is tried once. */
export const imageToolsLacking: string = await lacking()

async function lacking(): Promise<string> {
  if (missingTools().length === 0) return ''
  try {
    await provideTools(() => undefined)
    return ''
  } catch (error) {
    return error instanceof Error ? error.message : String(error)
  }
}
