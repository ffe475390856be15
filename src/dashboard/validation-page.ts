/** The validation report as a page of its own: what the rules said and what stands in the columns. */
import type { RuleResult, ValidationDocument } from '../core/documents.js'
import { count, moment } from './format.js'
import { type Content, markup } from '../core/html.js'
import { name, page, type Section } from './page.js'
import { columnsSection } from './sections/data.js'
import { rules } from './sections/rules.js'

export interface ValidationPageOptions {
  readonly pipeline: string
  /** Where the rows came from. */
  readonly source?: string
  readonly run?: { readonly id: string; readonly started: string }
  /** The file of the quarantined rows, relative to the page. */
  readonly quarantine?: string
}

/** One self-contained HTML file; pure. */
export function renderValidationPage(document: ValidationDocument, options: ValidationPageOptions): string {
  const taken = document.rowsIn - document.rowsOut
  const stopped = document.rules.filter((r) => !r.passed && r.severity === 'fail')
  const tone = !document.passed ? 'bad' : taken > 0 || document.rules.some((r) => r.violations > 0) ? 'warn' : 'good'
  const word = !document.passed
    ? 'The data does not pass'
    : tone === 'warn'
      ? 'The data passes, with remarks'
      : 'The data passes'
  const sections = [
    { id: 'rules', title: 'Rules', body: rules(document, options.quarantine) },
    columnsSection(document),
  ].filter((s): s is Section => s !== undefined)
  return page({
    title: `${options.pipeline}: validation report`,
    name: options.pipeline,
    header: markup`<p class="eyebrow">
        Validation report${options.run && markup`, run ${name(options.run.id, 60)}, ${moment(options.run.started)}`}
      </p>
      <h1>${name(options.pipeline, 120)}</h1>
      <div class="verdict ${tone}" role="status">
        <p class="word">${word}</p>
        <p>
          ${stopped.length > 0 ? named(stopped) : `${count(document.rowsOut)} of ${count(document.rowsIn)} rows were kept${taken > 0 ? `, ${count(taken)} taken out` : ''}`}.
        </p>
      </div>
      <dl class="facts">
        ${
          options.source !== undefined &&
          markup`<div>
            <dt>Source</dt>
            <dd>${name(options.source, 120)}</dd>
          </div>`
        }
        <div>
          <dt>Rows read</dt>
          <dd>${count(document.rowsIn)}</dd>
        </div>
        <div>
          <dt>Rows kept</dt>
          <dd>${count(document.rowsOut)}</dd>
        </div>
        <div>
          <dt>Columns</dt>
          <dd>${count(document.columns.length)}</dd>
        </div>
        <div>
          <dt>Rules</dt>
          <dd>${count(document.rules.length)}</dd>
        </div>
      </dl>`,
    sections,
    footer: markup`Written by Millrace. This file stands alone: it loads nothing and sends nothing.`,
  })
}

/** The rules that stopped it; all of them are in the table below. */
function named(stopped: readonly RuleResult[]): Content {
  const some = stopped.slice(0, 4).map((r, i) => markup`${i > 0 && '; '}${name(r.expectation, 160)}`)
  return [some, stopped.length > 4 && `; and ${count(stopped.length - 4)} more`]
}
