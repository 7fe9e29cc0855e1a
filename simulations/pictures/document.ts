import { readFileSync } from 'node:fs'
import { escapeHtml } from './escape.ts'

/** A page in one file. It may load nothing: the policy in its head makes the browser refuse. */
export function htmlDocument(title: string, styles: readonly string[], body: string): string {
  const style = styles.map((name) => readFileSync(new URL(name, import.meta.url), 'utf8')).join('\n')
  return `<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<meta http-equiv="Content-Security-Policy" content="default-src 'none'; script-src 'unsafe-inline'; style-src 'unsafe-inline'">
<title>${escapeHtml(title)}</title>
<style>
${style}</style>
</head>
<body>
${body}
</body>
</html>
`
}

/** A table with a head. Cells are HTML already. */
export function htmlTable(
  caption: string,
  head: readonly string[],
  rows: readonly (readonly string[])[],
): string {
  const line = (tag: string, cells: readonly string[]): string =>
    `<tr>${cells.map((cell) => `<${tag}>${cell}</${tag}>`).join('')}</tr>`
  return `<table><caption>${escapeHtml(caption)}</caption>
<thead>${line('th', head.map(escapeHtml))}</thead>
<tbody>${rows.map((row) => line('td', row)).join('\n')}</tbody></table>`
}
