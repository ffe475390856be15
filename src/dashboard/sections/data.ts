/** Data: where the rows came from, which rules they met, what stands in each column. */
import type { ColumnProfile, RuleResult, ValidationDocument } from '../../core/documents.js'
import { sparkHistogram, sparkValues } from '../charts/bars.js'
import { bytes, count, microseconds, number, percent } from '../format.js'
import { markup, shorten, type Content } from '../html.js'
import { name, table, type Section } from '../page.js'
import type { RunPageData } from '../run-page-data.js'

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
      ${validation && markup`<h3>Rules</h3>${rules(validation, data.quarantine)}`}`,
  }
}

/** The rules, what broke them, and where the rows that were taken out lie. */
export function rules(validation: ValidationDocument, quarantine?: string): Content {
  const broken = validation.rules.filter((r) => r.violations > 0 || !r.passed).length
  const out = validation.quarantine
  return markup`${
    validation.rules.length === 0
      ? markup`<p class="muted">The file asks for none.</p>`
      : markup`<p class="muted">
              ${broken === 0 ? `All ${count(validation.rules.length)} hold on every row.` : `${count(broken)} of ${count(validation.rules.length)} were broken by some rows.`}
            </p>
            ${table<RuleResult>(
              'Validation rules',
              [
                { title: 'Rule', kind: 'text', cell: (r) => name(r.expectation, 120) },
                { title: 'Result', kind: 'keep', cell: outcome },
                {
                  title: 'Rows',
                  kind: 'n',
                  cell: (r) => (r.violations > 0 ? count(r.violations) : ''),
                  value: (r) => r.violations,
                },
                {
                  title: 'Share',
                  kind: 'n',
                  cell: (r) => (r.violations > 0 ? percent(r.violations / Math.max(1, validation.rowsIn)) : ''),
                  value: (r) => r.violations,
                },
                {
                  title: 'For example',
                  kind: 'text',
                  cell: (r) =>
                    markup`<span class="muted">${r.examples.slice(0, 5).map((e, i) => markup`${i > 0 && ', '}${name(e, 40)}`)}</span>`,
                },
              ],
              validation.rules,
              { sortable: true },
            )}`
  }
    ${out && out.rows > 0 && markup`<p>${count(out.rows)} rows were taken out and are kept in quarantine, each with the rule that it broke${quarantine !== undefined ? markup`: <code>${quarantine}</code>` : markup` (<code class="keep">${out.files[0]?.ref.digest.slice(0, 19)}…</code>)`}.</p>`}`
}

function outcome(rule: RuleResult): Content {
  if (rule.violations === 0 && rule.passed) return markup`<span class="tag good">holds</span>`
  if (rule.severity === 'fail') return markup`<span class="tag bad">stops the run</span>`
  return markup`<span class="tag warn">${rule.severity === 'drop' ? 'rows taken out' : 'noted'}</span>`
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
        { title: 'Distinct', kind: 'n', cell: (c) => count(c.distinct), value: (c) => c.distinct },
        { title: 'Shape', kind: 'keep', cell: (c) => (drawn.has(c) ? shape(c, rows) : '') },
        { title: 'Summary', kind: 'text', cell: (c) => markup`<span class="muted">${summary(c, rows)}</span>` },
      ],
      validation.columns,
      { sortable: true, limit: 260 },
    ),
  }
}

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
  if (column.min !== undefined && column.distinct <= 1) return `always ${show(column, column.min)}`
  if (column.min !== undefined && isTime(column)) return `${show(column, column.min)} to ${show(column, column.max)}`
  if (column.min !== undefined)
    return `${number(column.min)} to ${number(column.max)}; mean ${number(column.mean)}, deviation ${number(column.stddev)}`
  const top = column.top ?? []
  if (top.length > 0 && column.distinct === 1) return markup`always ${name(top[0]?.value ?? '', 40)}`
  if ((top[0]?.count ?? 0) <= 1)
    return top.length > 0 ? markup`every value its own, e.g. ${name(top[0]?.value ?? '', 40)}` : ''
  const shown = top
    .slice(0, 3)
    .map((t, i) => markup`${i > 0 && ', '}${name(t.value, 26)} ${percent(t.count / rows, 0)}`)
  return markup`${shown}${column.distinct > 3 && `, and ${count(column.distinct - 3)} more`}`
}
