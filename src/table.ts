/** One column of a table: what it is called and what it shows of an item. */
export interface Column<Item> {
  readonly title: string
  readonly of: (item: Item) => string
  /** Shown with `-o wide` only. */
  readonly wide?: boolean
}

/** Titles and rows as people know them from kubectl: padded columns, no borders, no trailing blanks. */
export function formatTable<Item>(columns: readonly Column<Item>[], items: readonly Item[]): string {
  const rows = [
    columns.map((column) => column.title),
    ...items.map((item) => columns.map((column) => column.of(item) || '-')),
  ]
  const widths = columns.map((_, index) => Math.max(...rows.map((row) => row[index]?.length ?? 0)))
  const lines = rows.map((row) =>
    row
      .map((cell, index) => cell.padEnd(widths[index] ?? 0))
      .join('   ')
      .trimEnd(),
  )
  return `${lines.join('\n')}\n`
}

/** An age in the two largest units that matter: `850ms`, `12s`, `3m20s`, `5h12m`, `4d7h`. */
export function formatAge(milliseconds: number): string {
  const ms = Math.max(0, Math.round(milliseconds))
  if (ms < 1_000) return `${ms}ms`
  const seconds = Math.floor(ms / 1_000)
  if (seconds < 120) return `${seconds}s`
  const minutes = Math.floor(seconds / 60)
  if (minutes < 60) return `${minutes}m${seconds % 60}s`
  const hours = Math.floor(minutes / 60)
  if (hours < 48) return `${hours}h${minutes % 60}m`
  return `${Math.floor(hours / 24)}d${hours % 24}h`
}
