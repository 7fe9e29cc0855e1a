import pino from 'pino'
import { redact } from '../core/token/token.ts'

/** One line for each state transition; never a secret. */
export interface Logger {
  debug(fields: object, message: string): void
  info(fields: object, message: string): void
  warn(fields: object, message: string): void
  error(fields: object, message: string): void
}

export type LogLevel = 'debug' | 'info' | 'warn' | 'error'
export type LogFormat = 'json' | 'text'

/** A logger that writes to stderr: JSON lines, or plain text for people. Tokens are struck out of every line. */
export function createLogger(level: LogLevel, format: LogFormat): Logger {
  const out =
    format === 'json' ? { write: writeRedacted } : { write: (line: string) => writeRedacted(plain(line)) }
  return pino({ level, base: null, timestamp: pino.stdTimeFunctions.isoTime, messageKey: 'message' }, out)
}

function writeRedacted(line: string): void {
  process.stderr.write(redact(line))
}

const names: Readonly<Record<number, string>> = { 20: 'DEBUG', 30: 'INFO ', 40: 'WARN ', 50: 'ERROR' }

function plain(line: string): string {
  const { level, time, message, reason, ...fields } = JSON.parse(line) as Record<string, unknown>
  const rest = Object.entries(fields)
    .map(([key, value]) => ` ${key}=${typeof value === 'string' ? value : JSON.stringify(value)}`)
    .join('')
  const head = reason === undefined ? '' : `${String(reason)}: `
  return `${String(time)} ${names[Number(level)] ?? String(level)} ${head}${String(message)}${rest}\n`
}
