/** Errors that libp2p 3 is known to throw from its own timers when a stream ends at a bad moment. */
const streamFaults: ReadonlySet<string> = new Set([
  'StreamStateError',
  'StreamResetError',
  'StreamClosedError',
  'StreamAbortedError',
  'ConnectionClosedError',
  'MuxerClosedError',
])

/**
 * True for an uncaught error that concerns one stream of libp2p and nothing else (js-libp2p #3415: a write
 * from a microtask after the stream was closed). All awaited calls of this adapter catch their own; a process
 * may log these and go on, and should end on any other uncaught error.
 */
export function isStreamFault(error: unknown): boolean {
  return error instanceof Error && streamFaults.has(error.name) && /libp2p/.test(error.stack ?? '')
}
