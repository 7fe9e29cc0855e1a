import type { BulkGroup, BulkSummary } from './bulk-summary.ts'
import { formatTime } from './client/time.ts'
import type { Distribution } from './distribution.ts'
import { quantileMs } from './distribution.ts'
import { htmlDocument, htmlTable } from './document.ts'
import { escapeHtml } from './escape.ts'
import { markedShares, renderDistributions } from './render-distribution.ts'

/** Violations that are written out; there is no use in more. */
const violationsMax = 200

/** The page of a bulk run: a file of HTML that needs nothing else, not even a script. */
export function renderSummary(summary: BulkSummary): string {
  const { groups, title } = summary
  const body = `${header(summary)}
<main>
${violationSection(groups)}
<section><h2>How long a birth takes</h2>
<p>Virtual time from the start of the run, on a logarithmic axis. Each row is scaled to its own peak.</p>
${formations.map(([key, text]) => renderDistributions(text, rowsOf(groups, key))).join('\n')}
${formationTable(groups)}</section>
<section><h2>What was run</h2>${runTable(groups)}</section>
${groups.map(groupSection).join('\n')}
</main>`
  return htmlDocument(title, ['page.css', 'summary.css'], body)
}

const formations = [
  ['charter', 'First charter certified'],
  ['active', 'First cluster active'],
  ['allActive', 'All machines of the core active, once faults have ended'],
] as const

function rowsOf(
  groups: readonly BulkGroup[],
  key: (typeof formations)[number][0],
): readonly { readonly name: string; readonly distribution: Distribution }[] {
  return groups.map(({ name, formation }) => ({ name, distribution: formation[key] }))
}

function header({ title, command, commit, groups }: BulkSummary): string {
  const sum = (pick: (group: BulkGroup) => number): number =>
    groups.reduce((all, group) => all + pick(group), 0)
  const violations = sum((group) => group.violations.length)
  const runs = sum((group) => group.runs)
  const verdict =
    violations === 0
      ? `<strong class="verdict good">no violation in ${number(runs)} runs</strong>`
      : `<strong class="verdict bad">${number(violations)} ${violations === 1 ? 'violation' : 'violations'} in ${number(runs)} runs</strong>`
  const interrupted = groups.some((group) => group.interrupted)
    ? '<p class="warning">Interrupted: these are the runs until then.</p>'
    : ''
  return `<header><h1>${escapeHtml(title)}</h1>${verdict}${interrupted}
<dl><div><dt>command</dt><dd><code>${escapeHtml(command)}</code></dd></div><div><dt>commit</dt><dd><code>${escapeHtml(commit)}</code></dd></div></dl>
<ul class="tiles">${[
    [number(runs), 'runs'],
    [number(sum(({ events }) => events)), 'events'],
    [days(sum(({ virtualMs }) => virtualMs)), 'virtual time'],
    [
      number(
        Math.round(
          perMinute(
            runs,
            sum(({ wallMs }) => wallMs),
          ),
        ),
      ),
      'runs a minute',
    ],
    [number(violations), 'violations'],
  ]
    .map(([value, name]) => `<li><b>${value}</b>${name}</li>`)
    .join('')}</ul></header>`
}

function violationSection(groups: readonly BulkGroup[]): string {
  const all = groups.flatMap(({ name, violations }) =>
    violations.map((violation) => ({ name, ...violation })),
  )
  if (all.length === 0) return ''
  const rows = all
    .slice(0, violationsMax)
    .map(({ invariant, name, seed, at, node, text, replay }) => [
      `<b class="invariant">${escapeHtml(invariant)}</b>`,
      escapeHtml(name),
      String(seed),
      formatTime(at, 1),
      node < 0 ? 'site' : String(node),
      escapeHtml(text),
      `<code>${escapeHtml(replay)}</code>`,
    ])
  const more = all.length > violationsMax ? `<p>The first ${violationsMax} of ${number(all.length)}.</p>` : ''
  const head = ['promise', 'runs', 'seed', 'at', 'machine', 'what is wrong', 'see it again']
  return `<section class="violations"><h2>Violations</h2>${more}${htmlTable('Broken promises', head, rows)}</section>`
}

function formationTable(groups: readonly BulkGroup[]): string {
  const rows = groups.flatMap(({ name, formation }) =>
    formations.map(([key, text]) => {
      const distribution = formation[key]
      const marks = markedShares.map(([share]) => optionalTime(quantileMs(distribution, share)))
      const most = distribution.count === 0 ? 'never' : formatTime(distribution.mostMs, 100)
      return [escapeHtml(name), text, ...marks, most, number(distribution.never)]
    }),
  )
  const head = ['runs', 'until', ...markedShares.map(([, label]) => label), 'longest', 'never']
  return htmlTable('The same in numbers; runs in which it never happened count as longest', head, rows)
}

function runTable(groups: readonly BulkGroup[]): string {
  const rows = groups.map((group) => [
    escapeHtml(group.name),
    `${group.firstSeed} to ${group.firstSeed + Math.max(0, group.runs - 1)}`,
    number(group.runs),
    number(group.events),
    days(group.virtualMs),
    number(Math.round(perMinute(group.runs, group.wallMs))),
    `${number(group.forksOutsidePremise)} of ${number(group.outsidePremise)}`,
    number(group.excused),
    number(group.violations.length),
  ])
  const head = ['runs', 'seeds', 'count', 'events', 'virtual time', 'runs a minute']
  const rest = ['forks outside the premise', 'liveness not asked', 'violations']
  return htmlTable('Each group of runs', [...head, ...rest], rows)
}

function groupSection({ name, runs, faults, coverage }: BulkGroup): string {
  return `<section class="pair"><h2>${escapeHtml(name)}</h2>
<div>${barTable('Faults: in how many runs each was on', 'fault', faults, runs, (count) => `${number(count)} (${Math.round((100 * count) / Math.max(1, runs))} %)`)}</div>
<div>${barTable('Coverage: how often each thing happened', 'what', coverage, Math.max(1, ...Object.values(coverage)), number)}</div></section>`
}

/** Names, numbers and bars. What never happened comes first: nothing was learned about it. */
function barTable(
  caption: string,
  head: string,
  counts: Readonly<Record<string, number>>,
  full: number,
  write: (count: number) => string,
): string {
  const sorted = Object.entries(counts).toSorted(([, a], [, b]) => Number(b === 0) - Number(a === 0) || b - a)
  const rows = sorted.map(([name, count]) => [
    escapeHtml(name),
    count === 0 ? '<b class="invariant">never</b>' : write(count),
    `<i class="bar" style="width:${((100 * count) / Math.max(1, full)).toFixed(1)}%"></i>`,
  ])
  return htmlTable(caption, [head, 'times', ''], rows)
}

function number(value: number): string {
  return value.toLocaleString('en')
}

function optionalTime(ms: number | undefined): string {
  return ms === undefined ? 'never' : formatTime(ms, 100)
}

function perMinute(runs: number, wallMs: number): number {
  return runs / (Math.max(1, wallMs) / 60_000)
}

function days(ms: number): string {
  const hours = ms / 3_600_000
  if (hours < 48) return hours < 1 ? `${Math.round(hours * 60)} min` : `${hours.toFixed(1)} h`
  return `${number(Math.round(hours / 24))} days`
}
