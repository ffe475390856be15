/** Leaks: every check with what it measured beside its limit, and what the file allows. */
import type { LeakCheck, LeakDocument, LeakFinding } from '../../core/documents.js'
import { count } from '../format.js'
import { markup, type Content } from '../../core/html.js'
import { name, table, type Section } from '../page.js'

const QUESTIONS: Readonly<Record<LeakCheck, string>> = {
  fitted_on_other_rows: 'Was everything fitted on training rows alone?',
  duplicates: 'Are rows that judge copies of training rows?',
  entity_across_splits: 'Is an entity on both sides of the split?',
  label_in_features: 'Does a column tell the label by itself?',
  look_ahead: 'Does a feature know what comes after its row?',
}

const isLeak = ({ passed, allowed }: LeakFinding): boolean => !passed && allowed !== true

export function leaksSection(leaks: LeakDocument | undefined): Section | undefined {
  if (leaks === undefined) return undefined
  const found = leaks.checks.filter(isLeak).length
  const allowed = leaks.checks.filter((finding) => finding.allowed === true).length
  const checks = new Set(leaks.checks.map(({ check }) => check)).size
  const said =
    found === 0
      ? `No leak was found by ${checks} checks.`
      : `${count(found)} ${found === 1 ? 'leak was' : 'leaks were'} found${leaks.action === 'refuse' ? ', so nothing was trained' : '; the file says to warn only, so the scores may be too good to be true'}.`
  return {
    id: 'leaks',
    title: 'Leaks',
    lead: markup`${said}${allowed > 0 && ` ${count(allowed)} ${allowed === 1 ? 'finding is' : 'findings are'} allowed by the file.`}
      A leak is something that a model sees while it learns but will not have when it is used: it scores well here and
      badly there.`,
    body: table<LeakFinding>(
      'Leak checks',
      [
        { title: 'Check', kind: 'text', cell: asked },
        { title: 'Result', kind: 'keep', cell: outcome },
        { title: 'Figure', kind: 'n', cell: (f) => shown(f.value), value: (f) => f.value },
        { title: 'Limit', kind: 'n', cell: (f) => shown(f.limit), value: (f) => f.limit },
        { title: 'In words', kind: 'text', cell: (f) => markup`<span class="muted">${name(f.detail, 600)}</span>` },
      ],
      [...leaks.checks].sort((a, b) => Number(isLeak(b)) - Number(isLeak(a))),
    ),
  }
}

const shown = (value: number): string => (Number.isFinite(value) ? String(Number(value.toPrecision(3))) : '–')

function asked({ check, column }: LeakFinding): Content {
  return markup`${QUESTIONS[check]}<br><code class="small">${check}</code>${column !== undefined && markup` <span class="muted small">${name(column, 60)}</span>`}`
}

function outcome(finding: LeakFinding): Content {
  if (finding.passed) return markup`<span class="tag good">no leak</span>`
  if (finding.allowed === true) return markup`<span class="tag warn">allowed</span>`
  return markup`<span class="tag bad">leak</span>`
}
