import { request as httpRequest } from 'node:http'
import { request as httpsRequest } from 'node:https'
import type { RequestOptions } from 'node:https'

/** What a local endpoint answered. */
export interface LocalAnswer {
  readonly status: number
  readonly body: string
}

/** One request to a server on this machine. */
export interface LocalRequest {
  readonly url: string
  readonly method?: 'GET' | 'POST'
  readonly body?: string
  /** PEM: client certificate, and the CA to check the server with. */
  readonly cert?: string
  readonly key?: string
  readonly ca?: string
}

/** A k3s on a slow disk, or a busy machine, is ready although it needs seconds to say so: it reads from etcd's majority first. */
const answerTimeoutMs = 5_000

const bytesMax = 1_024 * 1_024

/**
 * Asks a server on this machine; undefined where nobody answers in time, and where certificate and key do not
 * belong together: a starting k3s writes them one after the other. Without `ca` the server's certificate is
 * not checked: only for questions whose answer is worth nothing to a liar on this machine.
 */
export async function askLocal(question: LocalRequest): Promise<LocalAnswer | undefined> {
  try {
    return await ask(question)
  } catch {
    return undefined
  }
}

/** @throws where the certificates cannot be used */
function ask(question: LocalRequest): Promise<LocalAnswer | undefined> {
  const { url, method = 'GET', body, cert, key, ca } = question
  const options: RequestOptions = {
    method,
    agent: false,
    signal: AbortSignal.timeout(answerTimeoutMs),
    rejectUnauthorized: ca !== undefined,
    ...(cert === undefined ? {} : { cert }),
    ...(key === undefined ? {} : { key }),
    ...(ca === undefined ? {} : { ca }),
    headers: body === undefined ? {} : { 'content-type': 'application/json' },
  }
  return new Promise((resolve) => {
    const send = url.startsWith('https:') ? httpsRequest : httpRequest
    const sent = send(url, options, (response) => {
      const chunks: Buffer[] = []
      let size = 0
      response.on('data', (chunk: Buffer) => {
        size += chunk.length
        if (size > bytesMax) response.destroy()
        else chunks.push(chunk)
      })
      response.on('error', () => resolve(undefined))
      response.on('end', () => {
        resolve({ status: response.statusCode ?? 0, body: Buffer.concat(chunks).toString('utf8') })
      })
      response.on('close', () => resolve(undefined))
    })
    sent.on('error', () => resolve(undefined))
    sent.end(body)
  })
}
