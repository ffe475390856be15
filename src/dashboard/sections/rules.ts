/** Validation rules: which held, what broke the others, where the rows that were taken out lie. */
import type { RuleResult, ValidationDocument } from '../../core/documents.js'
import { count, percent } from '../format.js'
import { markup, type Content } from '../../core/html.js'
import { name, table, type Column } from '../page.js'

/** Of more rules than this, those that hold are folded away: a wide table has one for each column. */
const MANY_RULES = 15

const isBroken = (r: RuleResult): boolean => r.violations > 0 || !r.passed

/** The rules, what broke them, what was not checked, and where the rows that were taken out lie. */
export function rules(validation: ValidationDocument, quarantine?: string): Content {
  const total = validation.rules.length
  const broken = validation.rules.filter(isBroken).length
  if (total === 0)
    return [
      markup`<p class="muted">The file asks for none.</p>`,
      unchecked(validation),
      quarantined(validation, quarantine),
    ]
  const columns: Column<RuleResult>[] = [
    { title: 'Rule', kind: 'text', cell: asked },
    { title: 'Result', kind: 'keep', cell: outcome },
  ]
  // the rows that are too few are no share of those that are there
  const share = (r: RuleResult) => (r.rule === 'min_records' ? 0 : r.violations / Math.max(1, validation.rowsIn))
  if (broken > 0)
    columns.push(
      { title: 'Rows', kind: 'n', cell: (r) => r.violations > 0 && count(r.violations), value: (r) => r.violations },
      { title: 'Share', kind: 'n', cell: (r) => share(r) > 0 && percent(share(r)), value: share },
      { title: 'Found', kind: 'text', cell: found },
    )
  const said =
    broken > 0
      ? `${count(broken)} of ${count(total)} ${broken === 1 ? 'was' : 'were'} broken.`
      : total === 1
        ? 'It holds.'
        : `All ${count(total)} hold.`
  return [
    markup`<p class="muted">${said}</p>`,
    total <= MANY_RULES
      ? table('Validation rules', columns, validation.rules, { sortable: true })
      : [
          broken > 0 && table('Broken rules', columns, validation.rules.filter(isBroken), { sortable: true }),
          total > broken &&
            markup`<details><summary>${count(total - broken)} rules that hold</summary>${table(
              'Rules that hold',
              columns.slice(0, 2),
              validation.rules.filter((r) => !isBroken(r)),
              { sortable: true, limit: 260 },
            )}</details>`,
        ],
    unchecked(validation),
    quarantined(validation, quarantine),
  ]
}

function asked(rule: RuleResult): Content {
  const more = [
    ...(rule.source === undefined ? [] : [markup`suite ${name(rule.source, 60)}`]),
    ...(rule.mostly === undefined ? [] : [markup`at least ${percent(rule.mostly)} of rows`]),
  ]
  return markup`${name(rule.expectation, 120)}${more.length > 0 && markup`<br><span class="muted small">${more.map((part, i) => markup`${i > 0 && ', '}${part}`)}</span>`}`
}

function found({ observed, examples }: RuleResult): Content {
  const shown = examples.slice(0, 5).map((e, i) => markup`${i > 0 && ', '}${name(e, 40)}`)
  const first = observed !== undefined && name(observed, 120)
  return markup`<span class="muted">${first}${first !== false && shown.length > 0 && ': '}${shown}</span>`
}

function outcome(rule: RuleResult): Content {
  if (!isBroken(rule)) return markup`<span class="tag good">holds</span>`
  if (rule.passed) return markup`<span class="tag warn">within its share</span>`
  if (rule.severity === 'fail') return markup`<span class="tag bad">stops the run</span>`
  return markup`<span class="tag warn">${rule.severity === 'drop' ? 'rows taken out' : 'noted'}</span>`
}

function unchecked({ unchecked: reasons = [] }: ValidationDocument): Content {
  if (reasons.length === 0) return false
  return markup`<details><summary>${count(reasons.length)} ${reasons.length === 1 ? 'expectation was' : 'expectations were'} not checked</summary><ul class="notes">${reasons
    .slice(0, 100)
    .map((reason) => markup`<li>${name(reason, 300)}</li>`)}</ul></details>`
}

function quarantined(validation: ValidationDocument, place: string | undefined): Content {
  const out = validation.quarantine
  if (!out || out.rows === 0) return false
  const digest = out.files[0]?.ref.digest.slice(0, 19)
  const where =
    place !== undefined
      ? markup`: <a href="${encodeURI(place)}">${place}</a>`
      : digest !== undefined && markup` (<code class="keep">${digest}…</code>)`
  return markup`<p>${count(out.rows)} ${out.rows === 1 ? 'row was' : 'rows were'} taken out and kept in quarantine with the rule that was broken${where}.</p>`
}
