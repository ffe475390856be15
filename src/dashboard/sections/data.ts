/** Data: where the rows came from, which rules they met, what stands in each column. */
import type { ColumnProfile, ValidationDocument } from '../../core/documents.js'
import { sparkHistogram, sparkValues } from '../charts/bars.js'
import { bytes, count, microseconds, number, percent } from '../format.js'
import { markup, shorten, type Content } from '../../core/html.js'
import { name, table, type Section } from '../page.js'
import type { RunPageData } from '../run-page-data.js'
import { rules } from './rules.js'

export function dataSection(data: RunPageData): Section | undefined {
  const { table: source, validation } = data
  if (!source && !validation && data.source === undefined) return undefined
  const facts: (readonly [string, Content])[] = []
  if (data.source !== undefined) facts.push(['Source', name(data.source, 120)])
  if (source) {
    facts.push(['Rows read', count(source.rows)], ['Columns', count(source.schema.length)])
    const size = source.files.reduce((sum, f) => sum + f.ref.size, 0)
    facts.push(['Files', `${count(source.files.length)} (${bytes(size)})`])
  }
  if (validation)
    facts.push([
      'Rows kept',
      markup`${count(validation.rowsOut)} <span class="muted">of ${count(validation.rowsIn)}</span>`,
    ])
  return {
    id: 'data',
    title: 'Data',
    body: markup`<dl class="facts">
        ${facts.map(
          ([k, v]) =>
            markup`<div>
              <dt>${k}</dt>
              <dd>${v}</dd>
            </div>`,
        )}
      </dl>
      ${data.sourceNotes && differing(data.sourceNotes)}${validation && markup`<h3>Rules</h3>${rules(validation, data.quarantine)}`}`,
  }
}

const DRAWN = 60

/** One line a column: missing, distinct, spread, shape. The first 60 with pictures, the next 200 without. */
export function columnsSection(validation: ValidationDocument | undefined): Section | undefined {
  if (!validation || validation.columns.length === 0) return undefined
  const rows = validation.rowsOut
  const drawn = new Set(validation.columns.slice(0, DRAWN))
  const share = (c: ColumnProfile) => c.missing / Math.max(1, rows)
  return {
    id: 'columns',
    title: 'Columns',
    lead: markup`What stands in each of the ${count(validation.columns.length)} columns, over the ${count(rows)} rows that
    were kept.${validation.columns.length > DRAWN && ` Shapes are drawn for the first ${DRAWN}.`}`,
    body: table<ColumnProfile>(
      'Column statistics',
      [
        { title: 'Column', kind: 'name', cell: (c) => name(c.name, 60) },
        { title: 'Type', kind: 'keep', cell: (c) => markup`<span class="muted">${c.type}</span>` },
        {
          title: 'Missing',
          kind: 'n',
          cell: (c) => (c.missing === 0 ? markup`<span class="muted">0</span>` : percent(share(c))),
          value: share,
        },
        {
          title: 'Distinct',
          kind: 'n',
          cell: (c) => (c.distinct !== undefined ? count(c.distinct) : isCounted(c) ? 'over 1,000' : ''),
          value: (c) => c.distinct ?? (isCounted(c) ? 1000 : -1),
        },
        { title: 'Shape', kind: 'keep', cell: (c) => (drawn.has(c) ? shape(c, rows) : '') },
        { title: 'Summary', kind: 'text', cell: (c) => markup`<span class="muted">${summary(c, rows)}</span>` },
      ],
      validation.columns,
      { sortable: true, limit: 260 },
    ),
  }
}

/** Of other numbers and times it is never told how many differ. */
const isCounted = ({ type }: ColumnProfile) => type === 'integer' || type === 'date'
const isTime = (c: ColumnProfile) => c.type === 'timestamp' || c.type === 'date'
const show = (c: ColumnProfile, value: number | undefined) => (isTime(c) ? microseconds(value) : number(value))

function shape(column: ColumnProfile, rows: number): Content {
  const label = shorten(column.name, 60)
  if (column.histogram && column.histogram.some((n) => n > 0))
    return sparkHistogram(label, column.histogram, show(column, column.min), show(column, column.max))
  if (column.top && column.top.length > 0 && (column.top[0]?.count ?? 0) > 1)
    return sparkValues(label, column.top, rows)
  return false
}

function summary(column: ColumnProfile, rows: number): Content {
  if (rows > 0 && column.missing >= rows) return 'every value is missing'
  if (rows === 0) return 'no rows'
  if (column.min !== undefined && column.min === column.max) return `always ${show(column, column.min)}`
  if (column.min !== undefined && isTime(column)) return `${show(column, column.min)} to ${show(column, column.max)}`
  if (column.min !== undefined)
    return `${number(column.min)} to ${number(column.max)}; mean ${number(column.mean)}, deviation ${number(column.stddev)}`
  const top = column.top ?? []
  if (top.length > 0 && column.distinct === 1) return markup`always ${name(top[0]?.value ?? '', 40)}`
  if ((top[0]?.count ?? 0) <= 1)
    return top.length > 0 ? markup`every value its own, e.g. ${name(top[0]?.value ?? '', 40)}` : ''
  const { distinct = 0 } = column
  const shown = top
    .slice(0, 3)
    .map((t, i) => markup`${i > 0 && ', '}${name(t.value, 26)} ${percent(t.count / rows, 0)}`)
  return markup`${shown}${distinct > 3 && `, and ${count(distinct - 3)} more`}`
}

const differing = (notes: readonly string[]): Content =>
  markup`<h3>Files that differ</h3>
    <ul>
      ${notes.map((note) => markup`<li>${shorten(note, 400)}</li>`)}
    </ul>`
