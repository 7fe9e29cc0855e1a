import { MusterError } from '../../errors.ts'
import { JsonSocket } from './json-socket.ts'

interface Answer {
  readonly return?: unknown
  readonly error?: { readonly desc: string }
}

/**
 * Gives QEMU's machine monitor (QMP) some orders, one after another, and returns their answers. One caller at a time:
 * others wait until this one is done. Throws ERR_VM_MONITOR.
 */
export async function monitor(
  path: string,
  orders: readonly { readonly execute: string; readonly arguments?: object }[],
  timeoutMs = 20_000,
): Promise<unknown[]> {
  try {
    const socket = await JsonSocket.connect(path, timeoutMs)
    try {
      await socket.next<{ QMP?: object }>((value) => value.QMP !== undefined, timeoutMs)
      const answers: unknown[] = []
      for (const order of [{ execute: 'qmp_capabilities' }, ...orders]) {
        socket.send(order)
        const answer = await socket.next<Answer>(
          (value) => value.return !== undefined || value.error !== undefined,
          timeoutMs,
        )
        if (answer.error !== undefined) throw new Error(`${order.execute}: ${answer.error.desc}`)
        answers.push(answer.return)
      }
      return answers.slice(1)
    } finally {
      socket.close()
    }
  } catch (error) {
    const detail = error instanceof Error ? error.message : String(error)
    throw new MusterError('ERR_VM_MONITOR', { path, detail }, { cause: error })
  }
}

/** Whether a program in the machine holds a port of QEMU's open, for example its guest agent. */
export async function isPortOpen(path: string, label: string): Promise<boolean> {
  const [devices] = await monitor(path, [{ execute: 'query-chardev' }], 3_000)
  return (devices as { label: string; 'frontend-open': boolean }[]).some(
    (device) => device.label === label && device['frontend-open'],
  )
}
