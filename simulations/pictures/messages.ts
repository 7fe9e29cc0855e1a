import type { TraceEvent } from '../run/trace.ts'
import { compareTypes, familyOf } from './families.ts'
import type { Fate, MessageColumns, MessageType } from './picture.ts'
import type { StringTable } from './strings.ts'

interface Row {
  readonly sentAt: number
  readonly from: number
  readonly to: number
  readonly type: string
  readonly text: string
  until: number
  fate: Fate
  why: string
}

/** Puts sendings and what became of them together. A second delivery of a message is a row of its own. */
export function messageColumns(
  events: readonly TraceEvent[],
  endMs: number,
  strings: StringTable,
): { readonly types: readonly MessageType[]; readonly messages: MessageColumns } {
  const rows = messageRows(events, endMs).toSorted((a, b) => a.sentAt - b.sentAt)
  const counts = new Map<string, number>()
  for (const { type } of rows) counts.set(type, (counts.get(type) ?? 0) + 1)
  const names = [...counts.keys()].toSorted(compareTypes)
  const numberOf = new Map(names.map((name, index) => [name, index]))
  return {
    types: names.map((name) => ({ name, family: familyOf(name), count: counts.get(name) ?? 0 })),
    messages: {
      sentAfter: rows.map(({ sentAt }, index) => round(sentAt) - round(rows[index - 1]?.sentAt ?? 0)),
      takes: rows.map(({ sentAt, until }) => round(until) - round(sentAt)),
      from: rows.map(({ from }) => from),
      to: rows.map(({ to }) => to),
      type: rows.map(({ type }) => numberOf.get(type) ?? 0),
      fate: rows.map(({ fate }) => fate),
      why: rows.map(({ why }) => strings.indexOf(why)),
      text: rows.map(({ text }) => strings.indexOf(text)),
    },
  }
}

function messageRows(events: readonly TraceEvent[], endMs: number): Row[] {
  const rows: Row[] = []
  const byMessage = new Map<number, Row>()
  for (const event of events) {
    if (event.kind === 'send') {
      const { message, from, to, type, text, at } = event
      const row: Row = { sentAt: at, from, to, type, text, until: endMs, fate: 2, why: '' }
      rows.push(row)
      byMessage.set(message, row)
    } else if (event.kind === 'delivery' || event.kind === 'drop') {
      const row = byMessage.get(event.message)
      if (row === undefined) continue
      const settled = row.fate !== 2
      // A copy that is lost after the message arrived is nothing to look at.
      if (settled && event.kind === 'drop') continue
      const target = settled ? { ...row, fate: row.fate } : row
      target.until = event.at
      target.fate = event.kind === 'drop' ? 1 : settled ? 3 : 0
      target.why = event.kind === 'drop' ? event.why : ''
      if (settled) rows.push(target)
    }
  }
  return rows
}

/** A thousandth of a millisecond is enough, and keeps the page small. */
function round(ms: number): number {
  return Math.round(ms * 1_000) / 1_000
}
