import type { ChildProcess } from 'node:child_process'
import { spawn } from 'node:child_process'
import { accessSync, constants, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { delimiter, join } from 'node:path'
import type { Readable, Writable } from 'node:stream'
import { pathToFileURL } from 'node:url'

// A real Chromium, told what to do over a pair of pipes: no port is opened, and nothing is fetched.

const names = ['chromium', 'chromium-browser', 'google-chrome', 'google-chrome-stable']

/** Path of a Chromium on this machine, or undefined. */
export function findChromium(path: string = process.env['PATH'] ?? ''): string | undefined {
  const directories = [...path.split(delimiter).filter(Boolean), '/usr/bin']
  return names
    .flatMap((name) => directories.map((directory) => join(directory, name)))
    .find((file) => {
      try {
        accessSync(file, constants.X_OK)
        return true
      } catch {
        return false
      }
    })
}

/** One page of a browser. */
export interface Page {
  /** Opens a page given as text, and waits until it is loaded. */
  readonly open: (html: string) => Promise<void>
  /** Runs an expression in the page and returns its value, which has to be plain data. Throws what the page throws. */
  readonly evaluate: <Value>(expression: string) => Promise<Value>
  /** A command of the DevTools protocol, as it is. */
  readonly send: (method: string, params?: object) => Promise<Record<string, unknown>>
  readonly mouse: (type: string, x: number, y: number, more?: object) => Promise<void>
  readonly press: (key: string) => Promise<void>
  /** Writes what is seen as a PNG. */
  readonly screenshot: (file: string) => Promise<void>
  /** What the page logged as an error, threw, or was refused. */
  readonly complaints: string[]
  readonly close: () => Promise<void>
}

interface Reply {
  readonly id?: number
  readonly method?: string
  readonly params?: Record<string, unknown>
  readonly result?: Record<string, unknown>
  readonly error?: { readonly message: string }
}

/** Starts a browser with one page of this size. */
export async function openBrowser(program: string, width: number, height: number): Promise<Page> {
  const directory = mkdtempSync(join(tmpdir(), 'muster-browser-'))
  const browser = spawn(program, browserOptions(directory), {
    stdio: ['ignore', 'ignore', 'ignore', 'pipe', 'pipe'],
    env: { ...process.env, HOME: directory },
  })
  const complaints: string[] = []
  const call = connect(browser, (reply) => complaints.push(...complaintsOf(reply)))
  const { targetId } = await call('Target.createTarget', { url: 'about:blank' })
  const { sessionId } = await call('Target.attachToTarget', { targetId, flatten: true })
  const send = (method: string, params: object = {}): Promise<Record<string, unknown>> =>
    call(method, params, String(sessionId))
  await Promise.all(['Page.enable', 'Runtime.enable', 'Log.enable'].map((method) => send(method)))
  await send('Emulation.setDeviceMetricsOverride', { width, height, deviceScaleFactor: 1, mobile: false })
  const evaluate = async <Value>(expression: string): Promise<Value> => {
    const { result, exceptionDetails } = await send('Runtime.evaluate', {
      expression,
      returnByValue: true,
      awaitPromise: true,
    })
    if (exceptionDetails !== undefined) throw new Error(JSON.stringify(exceptionDetails))
    return (result as { value: Value }).value
  }
  return {
    complaints,
    send,
    evaluate,
    open: async (html) => {
      const file = join(directory, 'page.html')
      writeFileSync(file, html)
      await send('Page.navigate', { url: pathToFileURL(file).href })
      const loaded = `location.protocol === 'file:' && document.readyState === 'complete'`
      while (!(await evaluate<boolean>(loaded))) await new Promise((resolve) => setTimeout(resolve, 20))
    },
    mouse: async (type, x, y, more = {}) => {
      await send('Input.dispatchMouseEvent', { type, x, y, ...more })
    },
    press: async (key) => {
      const text = key.length === 1 ? key : undefined
      await send('Input.dispatchKeyEvent', { type: 'keyDown', key, text })
      await send('Input.dispatchKeyEvent', { type: 'keyUp', key })
    },
    screenshot: async (file) => {
      const { data } = await send('Page.captureScreenshot', { format: 'png' })
      writeFileSync(file, Buffer.from(String(data), 'base64'))
    },
    close: async () => {
      const ended = new Promise((resolve) => browser.once('exit', resolve))
      await call('Browser.close').catch(() => browser.kill())
      await ended
      rmSync(directory, { recursive: true, force: true, maxRetries: 5, retryDelay: 100 })
    },
  }
}

/** No sandbox under root, as Chromium demands; no name resolves, so nothing leaves the machine. */
function browserOptions(directory: string): readonly string[] {
  return [
    '--headless=new',
    '--remote-debugging-pipe',
    `--user-data-dir=${directory}`,
    '--no-first-run',
    '--disable-gpu',
    '--disable-dev-shm-usage',
    '--disable-background-networking',
    '--disable-component-update',
    '--disable-sync',
    '--host-resolver-rules=MAP * ~NOTFOUND',
    ...(process.getuid?.() === 0 ? ['--no-sandbox'] : []),
  ]
}

/** Commands out, answers and events in: JSON, each ended by a zero byte. */
function connect(
  browser: ChildProcess,
  heard: (reply: Reply) => void,
): (method: string, params?: object, sessionId?: string) => Promise<Record<string, unknown>> {
  const output = browser.stdio[3] as Writable
  const input = browser.stdio[4] as Readable
  const waiting = new Map<number, (reply: Reply) => void>()
  const abandon = (message: string): void => {
    for (const settle of waiting.values()) settle({ error: { message } })
    waiting.clear()
  }
  browser.once('exit', () => abandon('the browser has ended'))
  browser.once('error', (error) => abandon(error.message))
  output.on('error', () => {})
  input.setEncoding('utf8')
  let text = ''
  input.on('data', (chunk: string) => {
    const parts = (text + chunk).split('\0')
    text = parts.pop() ?? ''
    for (const part of parts) {
      const reply = JSON.parse(part) as Reply
      const settle = waiting.get(reply.id ?? -1)
      waiting.delete(reply.id ?? -1)
      if (settle === undefined) heard(reply)
      else settle(reply)
    }
  })
  let last = 0
  return (method, params = {}, sessionId) => {
    last += 1
    const id = last
    return new Promise((resolve, reject) => {
      waiting.set(id, ({ result, error }) => {
        if (error === undefined) resolve(result ?? {})
        else reject(new Error(`${method}: ${error.message}`))
      })
      output.write(`${JSON.stringify({ id, method, params, sessionId })}\0`)
    })
  }
}

function complaintsOf({ method, params }: Reply): readonly string[] {
  if (method === 'Runtime.exceptionThrown') return [JSON.stringify(params?.['exceptionDetails'])]
  if (method !== 'Log.entryAdded') return []
  const entry = params?.['entry'] as { readonly level: string; readonly text: string }
  return entry.level === 'error' ? [entry.text] : []
}
