import type { RunResult } from '../run/result.ts'
import type { Trace } from '../run/trace.ts'
import { buildPicture } from './build-picture.ts'
import { formatTime } from './client/time.ts'
import { clientScript } from './client-script.ts'
import { htmlDocument, htmlTable } from './document.ts'
import { escapeHtml, scriptJson } from './escape.ts'
import { faultPlace, fieldWords } from './fault-words.ts'
import type { RunPicture } from './picture.ts'

/**
 * The page of one recorded run: a file of HTML that needs nothing else. It draws with a script; what was decided and what
 * was broken stands in tables as well.
 */
export function renderRun(trace: Trace, result: RunResult): string {
  const picture = buildPicture(trace, result)
  const body = `${header(picture, result)}
${toolbar}
<main>
<section class="stage" aria-label="chart">
<canvas id="overview" aria-hidden="true"></canvas>
<div class="frame"><canvas id="chart" tabindex="0" role="img" aria-label="${escapeHtml(chartText(picture))}"></canvas>
<div id="tooltip" hidden></div></div>
<p id="shown" role="status"></p>
<div id="legend" aria-label="legend and filters"></div>
</section>
<aside>
${violationSection(picture)}
<details open><summary>Machines at <b id="moment-time"></b></summary>
<div class="scroll"><table class="moment"><thead><tr><th>#</th><th>phase</th><th>plan</th><th>leader</th><th>links</th><th>etcd</th></tr></thead>
<tbody id="moment"></tbody></table></div></details>
<details open class="around"><summary>What happened around it</summary><ol id="events" tabindex="0"></ol></details>
${decisionSection(picture)}
${faultSection(trace)}
${planSection(trace, result)}
</aside>
</main>
<script type="application/json" id="data">${scriptJson(picture)}</script>
<script type="module">
${clientScript()}</script>`
  return htmlDocument(picture.title, ['page.css', 'run.css'], body)
}

function header(picture: RunPicture, result: RunResult): string {
  const { violations, endMs, recordedMs } = picture
  const { events, premise, forked, excused, formation, digest } = result
  const broken = [...new Set(violations.map(({ invariant }) => invariant))]
  const verdict =
    broken.length > 0
      ? `<strong class="verdict bad">violated: ${escapeHtml(broken.join(', '))}</strong>`
      : '<strong class="verdict good">no violation</strong>'
  const facts: (readonly [string, string])[] = [
    ['virtual time', formatTime(endMs, 100)],
    ['events', events.toLocaleString('en')],
    ['charter', optionalTime(formation.charterMs)],
    ['first active', optionalTime(formation.activeMs)],
    ['all active', optionalTime(formation.allActiveMs)],
    ['premise of S1, S2', premise ? 'holds' : 'broken'],
    ['forked', forked ? 'yes' : 'no'],
    ...(excused === '' ? [] : [['liveness not asked', excused] as const]),
    ['digest', digest.slice(0, 16)],
  ]
  const list = facts.map(([name, value]) => `<div><dt>${name}</dt><dd>${escapeHtml(value)}</dd></div>`)
  return `<header><h1>${escapeHtml(picture.title)}</h1>${verdict}<dl>${list.join('')}</dl>${
    recordedMs < endMs
      ? `<p class="warning">The trace ends at ${formatTime(recordedMs, 10)}: more happened than was kept.</p>`
      : ''
  }</header>`
}

function optionalTime(ms: number | undefined): string {
  return ms === undefined ? 'never' : formatTime(ms, 100)
}

const button = (action: string, text: string, title: string): string =>
  `<button type="button" data-do="${action}" title="${title}">${text}</button>`

const toolbar = `<nav aria-label="time">
<span>${button('whole', 'Whole run', 'key 0')}${button('zoom-in', 'Zoom in', 'key +')}${button('zoom-out', 'Zoom out', 'key -')}</span>
<span>${button('earlier', '◀ Earlier', 'left arrow')}${button('later', 'Later ▶', 'right arrow')}</span>
<span>${button('previous-mark', '◀ Mark', 'key p: decision, violation, cut, crash')}${button('next-mark', 'Mark ▶', 'key n: decision, violation, cut, crash')}</span>
<span>${button('previous-event', '◀ Event', 'key ,')}${button('next-event', 'Event ▶', 'key .')}</span>
<span>${button('causes', 'What led to this', 'key c: choose a point on a lane first; then only messages that can have had a part in it')}${button('clear', 'Clear', 'Escape')}</span>
<small>Wheel zooms, drag moves, shift and wheel scrolls, a click chooses a point, a click on a name keeps one machine's messages.</small>
</nav>`

/** What a jump is made of: the client listens to it. */
function jump(at: number, node: number, text: string): string {
  return `<button type="button" data-at="${at}" data-node="${node}">${escapeHtml(text)}</button>`
}

function violationSection({ violations }: RunPicture): string {
  if (violations.length === 0) return ''
  const rows = violations.map(({ at, node, invariant, text }) => [
    jump(at, node, formatTime(at, 1)),
    `<b class="invariant">${escapeHtml(invariant)}</b>`,
    node < 0 ? 'site' : String(node),
    escapeHtml(text),
  ])
  return `<details open class="violations"><summary>Violations (${violations.length})</summary>${htmlTable('Broken promises, in order', ['at', 'promise', 'machine', 'what is wrong'], rows)}</details>`
}

function decisionSection({ decisions, lanes }: RunPicture): string {
  const rows = decisions.map(({ label, phase, firstAt, firstNode, lastAt, nodes, hash, conflict }) => [
    `<b${conflict ? ' class="invariant"' : ''}>${escapeHtml(label)}</b>`,
    escapeHtml(phase),
    jump(firstAt, firstNode, formatTime(firstAt, 1)),
    String(firstNode),
    `${nodes}/${lanes.length}`,
    formatTime(lastAt, 1),
    `<code>${escapeHtml(hash.slice(0, 6))}</code>`,
  ])
  const table =
    rows.length === 0
      ? '<p>No machine took a certified plan.</p>'
      : htmlTable(
          'Certified plans, in the order of first sight',
          ['plan', 'phase', 'first', 'by', 'taken by', 'last', 'hash'],
          rows,
        )
  return `<details open class="decisions"><summary>Decisions (${rows.length})</summary>${table}</details>`
}

function faultSection({ plan }: Trace): string {
  if (plan.faults.length === 0) return ''
  const rows = plan.faults
    .toSorted((a, b) => a.at - b.at)
    .map((fault) => [
      jump(fault.at, 'node' in fault ? fault.node : -1, formatTime(fault.at, 1)),
      'forMs' in fault ? formatTime(fault.forMs, 100) : '',
      escapeHtml(fault.kind),
      escapeHtml([faultPlace(fault), fieldWords(fault)].filter(Boolean).join('; ')),
    ])
  const table = htmlTable('What the plan lets go wrong', ['at', 'for', 'fault', 'where'], rows)
  return `<details class="faults"><summary>Faults (${rows.length})</summary>${table}</details>`
}

function planSection({ plan }: Trace, { coverage }: RunResult): string {
  const rows = Object.entries(coverage)
    .filter(([, count]) => count > 0)
    .map(([name, count]) => [escapeHtml(name), count.toLocaleString('en')])
  return `<details><summary>Coverage (${rows.length})</summary>${htmlTable('How often each thing happened', ['what', 'times'], rows)}</details>
<details><summary>Plan as JSON</summary><textarea readonly rows="12" aria-label="the plan as JSON, for a replay">${escapeHtml(JSON.stringify(plan, null, 1))}</textarea></details>`
}

/** What somebody hears who does not see the chart. */
function chartText({ lanes, endMs, decisions, violations, bands }: RunPicture): string {
  const decided = decisions.map(
    ({ label, phase, firstAt }) => `${label} ${phase} at ${formatTime(firstAt, 1)}`,
  )
  return [
    `${lanes.length} machines over ${formatTime(endMs, 100)} of virtual time`,
    `${bands.length} cuts of links`,
    decided.length === 0 ? 'nothing decided' : `decided: ${decided.join(', ')}`,
    violations.length === 0 ? 'no violation' : `${violations.length} violations`,
    'the tables beside the chart say the same',
  ].join('; ')
}
