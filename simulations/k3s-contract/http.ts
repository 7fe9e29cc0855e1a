import { request } from 'node:https'
import { scaled } from './process.ts'

export interface Answer {
  readonly status: number
  readonly body: string
}

export interface Question {
  readonly method?: string
  readonly body?: string
  readonly headers?: Readonly<Record<string, string>>
  readonly ca?: string
  readonly cert?: string
  readonly key?: string
  readonly timeoutMs?: number
}

/** One HTTPS request. Without `ca` the server is not checked: k3s does so to fetch `/cacerts`. */
export function ask(url: string, question: Question = {}): Promise<Answer> {
  const { method = 'GET', body, headers = {}, ca, cert, key, timeoutMs = scaled(5_000, 5_000) } = question
  return new Promise((resolve, reject) => {
    const sent = request(
      url,
      {
        method,
        headers,
        agent: false,
        signal: AbortSignal.timeout(timeoutMs),
        rejectUnauthorized: ca !== undefined,
        ...(ca === undefined ? {} : { ca }),
        ...(cert === undefined ? {} : { cert }),
        ...(key === undefined ? {} : { key }),
      },
      (response) => {
        const chunks: Buffer[] = []
        response.on('data', (chunk: Buffer) => chunks.push(chunk))
        response.on('error', reject)
        response.on('end', () => {
          resolve({ status: response.statusCode ?? 0, body: Buffer.concat(chunks).toString('utf8') })
        })
      },
    )
    sent.on('error', reject)
    sent.end(body)
  })
}
