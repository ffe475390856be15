/** Evaluation: scores with intervals, curves, confusion, calibration, slices, parity. */
import type { EvaluationDocument, Score } from '../../core/documents.js'
import { isSmallerBetter } from '../../core/metrics.js'
import { calibrationChart } from '../charts/calibration.js'
import { costChart } from '../charts/cost.js'
import { confusionChart } from '../charts/confusion.js'
import { curveChart } from '../charts/curve.js'
import { dotWhiskerChart } from '../charts/dot-whisker.js'
import { histogram } from '../charts/bars.js'
import { scatterChart } from '../charts/scatter.js'
import { count, number, percent, score } from '../format.js'
import { markup, type Content } from '../../core/html.js'
import { figure, name, table, type Section } from '../page.js'
import { inReadingOrder, metricName } from './metrics.js'

export function evaluationSection(evaluation: EvaluationDocument | undefined): Section | undefined {
  if (!evaluation) return undefined
  const metrics = inReadingOrder(evaluation.metrics)
  const unit = metrics.filter(([m, s]) => !isSmallerBetter(m) && s.value >= -1 && s.value <= 1)
  const errors = metrics.filter(([m, s]) => (m === 'mae' || m === 'rmse') && Number.isFinite(s.value))
  return {
    id: 'evaluation',
    title: 'Evaluation',
    lead: markup`On ${count(evaluation.rows)} test rows that neither training nor tuning saw. Intervals cover 95%, by
    bootstrap.${evaluation.weights !== undefined && markup` Rows are weighted: ${evaluation.weights}.`}`,
    body: markup`<div class="grid">
        <div>
          ${table<(typeof metrics)[number]>(
            'Scores',
            [
              {
                title: 'Score',
                kind: 'name',
                cell: ([m]) =>
                  markup`${metricName(m)}${isSmallerBetter(m) && markup` <span class="muted small">lower is better</span>`}`,
              },
              { title: 'Value', kind: 'n', cell: ([, s]) => markup`<strong>${score(s.value)}</strong>` },
              { title: '95% interval', kind: 'n', cell: ([, s]) => `${score(s.low)} to ${score(s.high)}` },
              {
                title: 'Baseline',
                kind: 'n',
                cell: ([m]) => markup`<span class="muted">${score(evaluation.baseline[m])}</span>`,
              },
            ],
            metrics,
          )}
          <p class="muted small">Baseline: what a constant answer scores on the same rows.</p>
          ${gate(evaluation)}
        </div>
        <div>${[whiskers('Scores with intervals', unit, evaluation), whiskers('Errors with intervals', errors, evaluation)]}</div>
      </div>
      ${curves(evaluation)}${grid(regression(evaluation))}
      ${slices(evaluation)} ${parity(evaluation)}${notes(evaluation)}`,
  }
}

/** One axis for scores that share a unit; nothing where there are none. */
function whiskers(
  title: string,
  metrics: readonly (readonly [string, Score])[],
  evaluation: EvaluationDocument,
): Content {
  const rows = metrics.map(([m, s]) => {
    const baseline = Object.hasOwn(evaluation.baseline, m) ? evaluation.baseline[m] : undefined
    return { label: metricName(m), ...s, ...(baseline === undefined ? {} : { baseline }) }
  })
  const note = 'Dot: this model; line: 95% interval; diamond: a constant answer'
  return rows.length > 0 && figure(title, note, dotWhiskerChart({ title, rows }))
}

function gate(evaluation: EvaluationDocument): Content {
  const g = evaluation.gate
  // A run that stopped before the gate decided has no metric yet.
  if (g.metric === '') return false
  return markup`<p class="small">
    <span class="tag ${g.passed ? 'good' : 'warn'}">${g.passed ? 'gate passed' : 'gate refused'}</span>
    ${metricName(g.metric)}
    ${score(g.value)}${g.minimum !== undefined && markup`; ${isSmallerBetter(g.metric) ? 'at most' : 'at least'} ${number(g.minimum, 3)}`}${g.champion && markup`; champion, version ${g.champion.version}: ${score(g.champion.value)}`}
  </p>`
}

function curves(evaluation: EvaluationDocument): Content {
  const { roc, precisionRecall, calibration, calibrated, costs, confusion, threshold, task, metrics } = evaluation
  if (task.kind !== 'classification') return false
  const positive = task.classes.length === 2 ? (task.positive ?? task.classes[1] ?? '') : undefined
  const area = (m: string) => {
    const s = Object.hasOwn(metrics, m) ? metrics[m] : undefined
    return s ? `area ${score(s.value)} (${score(s.low)} to ${score(s.high)})` : 'area not given'
  }
  const chosen = (m: string) => (Object.hasOwn(metrics, m) ? (metrics[m]?.value ?? NaN) : NaN)
  const label = threshold ? `threshold ${number(threshold.value, 3)}` : ''
  const nearest = roc?.reduce<(typeof roc)[number] | undefined>(
    (best, p) =>
      threshold && Math.abs(p.threshold - threshold.value) < Math.abs((best?.threshold ?? Infinity) - threshold.value)
        ? p
        : best,
    undefined,
  )
  const prevalence = evaluation.baseline['average_precision'] ?? share(evaluation)
  return [
    grid([
      roc &&
        roc.length > 1 &&
        figure(
          'ROC',
          area('roc_auc'),
          curveChart({
            title: 'ROC curve',
            xName: 'false positive rate',
            yName: 'true positive rate',
            points: roc.map((p) => ({ x: p.fpr, y: p.tpr })),
            reference: { kind: 'diagonal' },
            referenceLabel: 'chance',
            ...(nearest && threshold ? { chosen: { x: nearest.fpr, y: nearest.tpr, label } } : {}),
            summary: area('roc_auc'),
          }),
        ),
      precisionRecall &&
        precisionRecall.length > 1 &&
        figure(
          'Precision and recall',
          area('average_precision'),
          curveChart({
            title: 'Precision-recall curve',
            xName: 'recall',
            yName: 'precision',
            points: [...precisionRecall]
              .sort((a, b) => a.recall - b.recall || b.precision - a.precision)
              .map((p) => ({ x: p.recall, y: p.precision })),
            reference: { kind: 'level', y: prevalence },
            referenceLabel: `prevalence ${percent(prevalence)}`,
            ...(threshold ? { chosen: { x: chosen('recall'), y: chosen('precision'), label } } : {}),
            summary: area('average_precision'),
          }),
        ),
      calibration &&
        calibration.bins.length > 0 &&
        figure(
          'Calibration',
          markup`${positive === undefined && 'Of the most probable class. '}Error ${number(calibration.ece, 2)}${calibrated && ` (${number(calibrated.eceBefore, 2)} before)`}, Brier ${number(calibration.brier, 3)}${calibrated && ` (${number(calibrated.brierBefore, 3)} before)`}; grey: rows`,
          calibrationChart({ ...calibration, ...(calibrated ? { before: calibrated.binsBefore } : {}) }),
        ),
    ]),
    grid([
      confusion &&
        confusion.length > 0 &&
        figure(
          'Confusion',
          threshold
            ? markup`${name(positive ?? '', 24)} from ${number(threshold.value, 3)} up; percent of each true class`
            : 'Percent of each true class',
          confusionChart({ classes: task.classes, counts: confusion }),
        ),
      costs &&
        figure(
          'Cost by threshold',
          'Of test rows; the threshold was chosen on validation rows',
          costChart({
            points: costs.curve,
            none: costs.none,
            all: costs.all,
            ...(threshold ? { chosen: { threshold: threshold.value, cost: chosen('cost') } } : {}),
          }),
        ),
      threshold &&
        markup`<div>
        <h3>Threshold</h3>
        <dl class="pairs">
          <dt>Value</dt>
          <dd><strong>${number(threshold.value)}</strong></dd>
          <dt>Chosen for</dt>
          <dd>${threshold.rule}</dd>
          ${
            positive !== undefined &&
            markup`<dt>Positive</dt>
              <dd>${name(positive, 40)}</dd>`
          }${
            Number.isFinite(prevalence) &&
            markup`<dt>Prevalence</dt>
              <dd>${percent(prevalence)} of test rows</dd>`
          }${
            costs &&
            markup`<dt>Cost</dt>
              <dd>100 rows cost ${number(100 * chosen('cost'), 3)}; calling none positive ${number(100 * costs.none, 3)}, all ${number(100 * costs.all, 3)}</dd>`
          }${
            calibrated &&
            markup`<dt>Calibration</dt>
              <dd>${calibrated.detail}</dd>`
          }
          <dt>Precision</dt>
          <dd>${percent(chosen('precision'))} of the rows that it flags are ${name(positive ?? 'positive', 30)}</dd>
          <dt>Recall</dt>
          <dd>${percent(chosen('recall'))} of all ${name(positive ?? 'positive', 30)} rows are flagged</dd>
        </dl>
      </div>`,
    ]),
  ]
}

/** Share of the positive class by the confusion matrix. */
function share(evaluation: EvaluationDocument): number {
  const { confusion, task } = evaluation
  if (!confusion || task.kind !== 'classification') return NaN
  const totals = confusion.map((row) => row.reduce((a, b) => a + b, 0))
  const i = task.positive === undefined ? task.classes.length - 1 : task.classes.indexOf(task.positive)
  return (totals[i] ?? NaN) / totals.reduce((a, b) => a + b, 0)
}

/** Pictures side by side where there is room; nothing at all if there are none. */
function grid(content: readonly Content[]): Content {
  return content.some((c) => c !== false && c !== undefined) && markup`<div class="grid">${content}</div>`
}

function regression(evaluation: EvaluationDocument): readonly Content[] {
  const points = (evaluation.scatter ?? []).filter((p) => Number.isFinite(p.actual) && Number.isFinite(p.predicted))
  if (points.length === 0) return []
  const residuals = points.map((p) => p.predicted - p.actual)
  const extent = Math.max(...residuals.map(Math.abs)) || 1
  const bins = Array.from({ length: 21 }, () => 0)
  for (const r of residuals) {
    const i = Math.min(20, Math.floor(((r + extent) / (2 * extent)) * 21))
    bins[i] = (bins[i] ?? 0) + 1
  }
  return [
    figure('Predicted against actual', markup`A sample of ${count(points.length)} test rows`, scatterChart(points)),
    figure(
      'Residuals',
      'Predicted minus actual, same sample',
      histogram({ title: 'Residuals', xName: 'predicted − actual', low: -extent, high: extent, bins }),
    ),
  ]
}

const DRAWN_SLICES = 12

function slices(evaluation: EvaluationDocument): Content {
  const columns = [...new Set(evaluation.slices.map((s) => s.column))]
  if (columns.length === 0) return false
  return markup`<h3>Slices</h3>
    <p class="muted">
      The same score on parts of the test rows, against the score on all of them. A slice whose interval does not touch
      the line behaves differently.
    </p>
    <div class="grid">
      ${columns.slice(0, 12).map((column) => {
        const rows = evaluation.slices.filter((s) => s.column === column)
        const metric = rows[0]?.metric ?? ''
        const overall = Object.hasOwn(evaluation.metrics, metric) ? evaluation.metrics[metric]?.value : undefined
        return figure(
          column.length > 60 ? `${Array.from(column).slice(0, 59).join('')}…` : column,
          markup`${metricName(metric)}${rows.length > DRAWN_SLICES && markup`; ${count(rows.length - DRAWN_SLICES)} of ${count(rows.length)} values not shown`}`,
          dotWhiskerChart({
            title: `${metricName(metric)} by ${column}`,
            rows: rows.slice(0, DRAWN_SLICES).map((s) => ({
              label: s.value === '' ? 'missing' : s.value.trim() === '' ? '(blank)' : s.value,
              detail: `${count(s.rows)} rows`,
              ...s.score,
            })),
            ...(overall === undefined ? {} : { reference: { value: overall, label: 'all rows' } }),
          }),
        )
      })}
    </div>
    ${columns.length > 12 && markup`<p class="muted small">${count(columns.length - 12)} more columns are not shown here.</p>`}`
}

/** What could not be measured, and what else a reader should know. */
function notes({ notes: found = [] }: EvaluationDocument): Content {
  return found.length > 0 && markup`<h3>Notes</h3><ul>${found.map((note) => markup`<li>${note}</li>`)}</ul>`
}

function parity(evaluation: EvaluationDocument): Content {
  const p = evaluation.parity
  const same = p.maxDifference <= p.tolerance
  return markup`<h3>Parity</h3>
    <p>
      <span class="tag ${same ? 'good' : 'bad'}">${same ? 'same answers' : 'different answers'}</span> The served file
      and the batch path were compared on ${count(p.rows)} rows; ${p.maxDifference === 0 ? 'predictions are equal to the last bit' : `predictions differ by at most ${number(p.maxDifference, 2)} (allowed: ${number(p.tolerance, 2)})`}.
    </p>`
}
