/** The shell of a page: head with content security policy, bar with sections, theme switch, footer. */
import { createHash } from 'node:crypto'
import { markup, shorten, trusted, type Content, type Markup } from '../core/html.js'
import { SCRIPT, STYLE } from './style.js'

export interface Section {
  readonly id: string
  readonly title: string
  readonly lead?: Content
  readonly body: Content
}

const sha = (text: string) => `'sha256-${createHash('sha256').update(text).digest('base64')}'`

/** Nothing may be loaded, sent or framed; only this style sheet and this script run. */
const POLICY = `default-src 'none'; style-src ${sha(STYLE)}; script-src ${sha(SCRIPT)}; base-uri 'none'; form-action 'none'`

/** One self-contained HTML file. `name` stands in the bar, `title` in the tab. */
export function page(options: {
  readonly title: string
  readonly name: string
  readonly header: Content
  readonly sections: readonly Section[]
  readonly footer: Content
}): string {
  const { sections } = options
  const body = sections.map(
    (s) => markup`<section id="${s.id}" aria-labelledby="${s.id}-title">
<h2 id="${s.id}-title">${s.title}</h2>
${s.lead !== undefined && markup`<p class="lead">${s.lead}</p>`}
${s.body}
</section>
`,
  )
  // Style and script stand exactly as they were hashed: no white space around them.
  return markup`<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta http-equiv="Content-Security-Policy" content="${trusted(POLICY)}">
<meta name="viewport" content="width=device-width,initial-scale=1">
<meta name="referrer" content="no-referrer">
<title>${shorten(options.title, 120)}</title>
<style>${trusted(STYLE)}</style>
</head>
<body>
<a class="skip" href="#main">Skip to the content</a>
<div class="bar"><div class="wrap"><strong><bdi>${shorten(options.name, 40)}</bdi></strong><nav aria-label="Sections">${sections.map((s) => markup`<a href="#${s.id}">${s.title}</a>`)}</nav><button id="theme" type="button" hidden>Dark</button></div></div>
<main id="main" class="wrap">
<header>${options.header}</header>
${body}</main>
<footer class="wrap">${options.footer}</footer>
<script>${trusted(SCRIPT)}</script>
</body>
</html>
`.toString()
}

export interface Column<Row> {
  readonly title: string
  readonly cell: (row: Row) => Content
  /** What to sort by where the text will not do. */
  readonly value?: (row: Row) => number | undefined
  readonly kind?: 'n' | 'name' | 'text' | 'keep'
}

/** A table in its own scroll box; at most `limit` rows are drawn and the rest is counted. */
export function table<Row>(
  caption: string,
  columns: readonly Column<Row>[],
  rows: readonly Row[],
  options: { readonly sortable?: boolean; readonly limit?: number } = {},
): Markup {
  const shown = rows.slice(0, options.limit ?? 100)
  const left = rows.length - shown.length
  return markup`<div class="scroll" tabindex="0" role="region" aria-label="${caption}"><table${options.sortable === true && trusted(' class="sortable"')}><thead><tr>${columns.map(
    (c) => markup`<th scope="col"${c.kind && trusted(` class="${c.kind}"`)}>${c.title}</th>`,
  )}</tr></thead><tbody>
${shown.map(
  (row) =>
    markup`<tr>${columns.map((c) => cell(c, row))}</tr>
`,
)}</tbody></table></div>${
    left > 0 &&
    markup`<p class="muted small">${left} more rows are not shown here; they are in the run’s documents.</p>`
  }`
}

function cell<Row>(column: Column<Row>, row: Row): Markup {
  const value = column.value?.(row)
  return markup`<td${column.kind && trusted(` class="${column.kind}"`)}${column.value && markup` data-value="${value !== undefined && Number.isFinite(value) ? value : '-1e999'}"`}>${column.cell(row)}</td>`
}

/** A picture with its name and one line of what it says. */
export function figure(title: string, note: Content, chart: Content, full = false): Markup {
  return markup`<figure${full && trusted(' class="full"')}><figcaption>${title}<small>${note}</small></figcaption>${chart}</figure>`
}

/** Text from outside, kept from reordering what stands around it. */
export function name(text: string, length = 80): Markup {
  if (text.trim() === '') return markup`<span class="muted">(blank)</span>`
  return markup`<bdi${text.length > length && markup` title="${text}"`}>${shorten(text, length)}</bdi>`
}

/** A sentence in which `commands` stand between backticks. */
export function prose(text: string): Content {
  return text.split('`').map((part, i) => (i % 2 === 1 ? markup`<code>${part}</code>` : part))
}

/** A line to copy; long ones break, the copy does not. */
export function command(title: string, text: string): Markup {
  return markup`<h3>${title}</h3>
    <div class="command"><pre class="wrapped">${text}</pre><button type="button" hidden>Copy</button></div>`
}
