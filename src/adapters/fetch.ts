import { MusterError } from '../errors.ts'

/** Largest answer that is read. */
const bytesMax = 1_024 * 1_024 * 1_024

/** Fetches a URL whole. Throws ERR_FETCH where there is no network, the server refuses, or it takes too long. */
export async function fetchBytes(url: string, timeoutMs: number): Promise<Uint8Array> {
  try {
    const response = await fetch(url, { signal: AbortSignal.timeout(timeoutMs) })
    if (!response.ok) throw new Error(`the server answers ${response.status} ${response.statusText}`)
    const parts: Uint8Array[] = []
    let length = 0
    for await (const part of response.body ?? []) {
      length += part.length
      if (length > bytesMax) throw new Error(`it is larger than ${bytesMax} bytes`)
      parts.push(part)
    }
    return Buffer.concat(parts)
  } catch (error) {
    const detail = reasonOf(error)
    throw new MusterError('ERR_FETCH', { url, detail }, { cause: error })
  }
}

/** fetch hides why a connection failed in the cause. */
function reasonOf(error: unknown): string {
  if (!(error instanceof Error)) return String(error)
  return error.cause instanceof Error ? error.cause.message : error.message
}
