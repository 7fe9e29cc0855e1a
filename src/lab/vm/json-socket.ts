import { createConnection, type Socket } from 'node:net'

/** A unix socket on which both sides write one JSON value a line: the switch's control, QMP and the guest agent. */
export class JsonSocket {
  readonly #socket: Socket
  readonly #values: unknown[] = []
  #rest = ''
  #wake: () => void = () => undefined
  #ended: Error | undefined

  private constructor(socket: Socket) {
    this.#socket = socket
    socket.setEncoding('utf8')
    socket.on('data', (text: string) => this.#take(text))
    socket.on('error', (error) => this.#end(error))
    socket.on('close', () => this.#end(new Error('the connection was closed')))
  }

  /** Connects. Throws where nobody listens. */
  static connect(path: string, timeoutMs: number): Promise<JsonSocket> {
    return new Promise((resolve, reject) => {
      const socket = createConnection(path)
      const timer = setTimeout(() => socket.destroy(new Error('nobody answered in time')), timeoutMs)
      socket.once('error', (error) => {
        clearTimeout(timer)
        reject(error)
      })
      socket.once('connect', () => {
        clearTimeout(timer)
        resolve(new JsonSocket(socket))
      })
    })
  }

  /** Sends a value as a line, behind bytes that are no text. */
  send(value: unknown, before: Buffer = Buffer.alloc(0)): void {
    this.#socket.write(Buffer.concat([before, Buffer.from(`${JSON.stringify(value)}\n`)]))
  }

  /** The next value that is wanted; others are passed over. Throws when the time is over or the other side goes. */
  async next<T>(isWanted: (value: T) => boolean, timeoutMs: number): Promise<T> {
    const giveUpAt = performance.now() + timeoutMs
    for (;;) {
      for (let value = this.#values.shift(); value !== undefined; value = this.#values.shift()) {
        if (isWanted(value as T)) return value as T
      }
      if (this.#ended !== undefined) throw this.#ended
      const leftMs = giveUpAt - performance.now()
      if (leftMs <= 0) throw new Error('no answer in time')
      await new Promise<void>((resolve) => {
        const timer = setTimeout(resolve, leftMs)
        this.#wake = () => {
          clearTimeout(timer)
          resolve()
        }
      })
    }
  }

  close(): void {
    this.#socket.destroy()
  }

  #take(text: string): void {
    const lines = `${this.#rest}${text}`.split('\n')
    this.#rest = lines.pop() ?? ''
    for (const line of lines) {
      // The guest agent answers a delimited sync with a byte 0xFF before it, which is no text.
      const start = line.indexOf('{')
      if (start < 0) continue
      try {
        this.#values.push(JSON.parse(line.slice(start)))
      } catch {
        // What is left of an answer to somebody who went away.
      }
    }
    this.#wake()
  }

  #end(error: Error): void {
    this.#ended ??= error
    this.#wake()
  }
}
