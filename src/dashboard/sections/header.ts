/** The top of the run page: what came of the run, in one sentence and three numbers. */
import type { Score } from '../../core/documents.js'
import { count, duration, moment, score as scoreText } from '../format.js'
import { markup, type Content } from '../../core/html.js'
import { name, prose } from '../page.js'
import type { RunPageData } from '../run-page-data.js'
import { metricName } from './metrics.js'

interface Verdict {
  readonly tone: 'good' | 'warn' | 'bad' | 'plain'
  readonly word: string
  readonly text: Content
}

/** Name, verdict, the numbers that matter, the facts of the run. */
export function header(data: RunPageData): Content {
  const { run, evaluation, features, table } = data
  const verdict = verdictOf(data)
  const rows = data.validation?.rowsOut ?? table?.rows
  const facts: (readonly [string, Content])[] = [
    ['Started', moment(run.started)],
    ['Took', duration(run.seconds)],
    ['Seed', String(run.seed)],
  ]
  if (rows !== undefined) facts.push(['Rows', count(rows)])
  if (features) facts.push(['Features', count(features.columns.filter((c) => c.role === 'feature').length)])
  if (data.training) facts.push(['Parameters', count(data.training.parameters)])
  return markup`<p class="eyebrow">Run ${name(run.id, 60)}</p>
    <h1>${name(run.pipeline, 120)} <span class="muted">${name(run.version, 30)}</span></h1>
    ${features && markup`<p class="lead">Predicts ${name(features.label, 60)}${features.task.kind === 'classification' ? `, one of ${features.task.classes.length} ${features.task.classes.length === 1 ? 'class' : 'classes'}` : ', a number'}.</p>`}
    <div class="verdict ${verdict.tone}" role="status">
      <p class="word">${verdict.word}</p>
      ${verdict.text}
    </div>
    ${evaluation && markup`<div class="figures">${figures(data)}</div>`}
    <dl class="facts">
      ${facts.map(
        ([k, v]) =>
          markup`<div>
            <dt>${k}</dt>
            <dd>${v}</dd>
          </div>`,
      )}
    </dl>
    <pre class="wrapped">${run.command}</pre>
    ${
      data.notes.length > 0 &&
      markup`<ul class="notes">
        ${data.notes.map((n) => markup`<li>${prose(n)}</li>`)}
      </ul>`
    }`
}

function verdictOf(data: RunPageData): Verdict {
  const { run, error, evaluation, registration } = data
  const gate = evaluation?.gate
  if (error !== undefined && run.status !== 'success') {
    const stage = error.stage ?? data.stages.find((s) => s.status === 'failed')?.name
    return {
      tone: 'bad',
      word:
        run.status === 'cancelled'
          ? 'Interrupted'
          : stage === undefined
            ? 'The run failed'
            : `The run failed in ${stage}`,
      text: markup`<p><code>${error.code}</code> ${prose(error.message)}</p>
        ${error.hint !== undefined && markup`<p><strong>Next:</strong> ${prose(error.hint)}</p>`}`,
    }
  }
  if (run.status === 'failed')
    return {
      tone: 'bad',
      word: 'The run failed',
      text: markup`<p>No reason was recorded; the stages below say how far it came.</p>`,
    }
  if (run.status === 'cancelled')
    return {
      tone: 'warn',
      word: 'Interrupted',
      text: markup`<p>What is done is kept; <code>millrace resume</code> goes on from there.</p>`,
    }
  if (run.status === 'running')
    return {
      tone: 'plain',
      word: 'Still running',
      text: markup`<p>This page shows what was known when it was written.</p>`,
    }
  const reasons = gate && gate.reasons.length > 0 ? markup`<p>${gate.reasons.join('; ')}.</p>` : false
  if (gate && !gate.passed)
    return {
      tone: 'warn',
      word: 'The gate refused this model',
      text: markup`${reasons}
        <p>The alias <code>champion</code> was left where it was.</p>`,
    }
  if (registration?.aliases.includes('champion') === true)
    return { tone: 'good', word: `Promoted to champion: version ${registration.version}`, text: reasons }
  if (registration) return { tone: 'good', word: `Registered as version ${registration.version}`, text: reasons }
  if (gate) return { tone: 'good', word: 'The gate accepted this model', text: reasons }
  return { tone: 'good', word: 'Done', text: markup`<p>Every stage of the run has finished.</p>` }
}

/** The gate's metric first, then the usual ones of the task. */
function figures(data: RunPageData): Content {
  const evaluation = data.evaluation
  if (!evaluation) return false
  const usual =
    evaluation.task.kind === 'regression'
      ? ['r2', 'rmse', 'mae']
      : evaluation.task.classes.length === 2
        ? ['roc_auc', 'average_precision', 'f1', 'accuracy']
        : ['accuracy', 'log_loss', 'f1']
  const names = [...new Set([evaluation.gate.metric, ...usual])].filter((m) => m in evaluation.metrics).slice(0, 3)
  return names.map((m) => {
    const score = evaluation.metrics[m] as Score
    const baseline = evaluation.baseline[m]
    return markup`<div class="figure">
      <div class="name">${metricName(m)}</div>
      <div class="big">${scoreText(score.value)}</div>
      <div class="more">
        ${scoreText(score.low)} to ${scoreText(score.high)}
        (95%)${baseline !== undefined && markup`<br/>a constant answer: ${scoreText(baseline)}`}
      </div>
    </div>`
  })
}
