/** Whether a model may be promoted: a pure decision, with its reasons in words. */
import { MillraceError, nearest } from '../core/errors.js'
import type { GateDocument, Score } from '../core/documents.js'
import { CLASSIFICATION_METRICS, isSmallerBetter, metricName, REGRESSION_METRICS } from '../core/metrics.js'
import type { Task } from '../core/schema.js'

/**
 * The metric a model is judged by: the file's, else rmse for regression, accuracy for many classes, and for two
 * roc_auc, or average_precision where under 5 % of the rows are positive (there ROC-AUC looks good whatever the model).
 * @param positiveShare of the test rows; weighted, if they are
 * @throws MR_GATE_METRIC for a metric that the task does not have
 */
export function gateMetric(wanted: string | undefined, task: Task, positiveShare?: number): string {
  const known: readonly string[] = task.kind === 'regression' ? REGRESSION_METRICS : CLASSIFICATION_METRICS
  if (wanted !== undefined) {
    if (known.includes(wanted)) return wanted
    const near = nearest(wanted, known)
    throw new MillraceError(
      'MR_GATE_METRIC',
      `gate.metric is ${JSON.stringify(wanted)}; ${task.kind} has no such metric`,
      {
        hint: `${near === undefined ? '' : `did you mean ${near}? `}metrics: ${known.join(', ')}`,
      },
    )
  }
  if (task.kind === 'regression') return 'rmse'
  if (task.classes.length !== 2) return 'accuracy'
  return positiveShare !== undefined && positiveShare < 0.05 ? 'average_precision' : 'roc_auc'
}

export interface GateQuestion {
  readonly metric: string
  /** Absent: these test rows could not give the metric. */
  readonly candidate: Score | undefined
  /** For metrics that are better when smaller it is the most that may be. */
  readonly minimum?: number | undefined
  /** What a constant answer scores. */
  readonly baseline?: number | undefined
  /** The model to beat, on the same rows; `difference` = candidate - champion, paired. */
  readonly champion?: { readonly version: number; readonly value: number; readonly difference?: Score } | undefined
}

/**
 * Passes if the value reaches the minimum and is not worse than the champion's. With a paired difference "worse" means
 * that its whole 95 % interval is on the worse side, so noise alone does not stop a retrained model; without one, that
 * the value is worse. A metric that could not be measured does not pass.
 */
export function decideGate({ metric, candidate, minimum, baseline, champion }: GateQuestion): GateDocument {
  const smaller = isSmallerBetter(metric)
  const reasons: string[] = []
  const limit = minimum === undefined ? {} : { minimum }
  if (candidate === undefined)
    return { passed: false, metric, value: 0, ...limit, reasons: [`the test rows cannot give ${metricName(metric)}`] }

  const { value, low, high } = candidate
  const shown = `${metricName(metric)} ${short(value)} (95 % interval ${short(low)} to ${short(high)})`
  const atLeast = (a: number, b: number) => (smaller ? a <= b : a >= b)
  let passed = true
  if (minimum !== undefined) {
    const reached = atLeast(value, minimum)
    const word = smaller ? (reached ? 'is within' : 'is above') : reached ? 'reaches' : 'is below'
    reasons.push(`${shown} ${word} the ${smaller ? 'maximum' : 'minimum'} ${minimum}`)
    if (reached && !atLeast(smaller ? high : low, minimum))
      reasons.push('the interval reaches past that limit: on other rows it might not hold')
    passed &&= reached
  }
  if (champion !== undefined) {
    const { version, difference } = champion
    const against = `the champion, version ${version}, with ${short(champion.value)}`
    if (difference === undefined) {
      const kept = atLeast(value, champion.value)
      reasons.push(`${shown} is ${kept ? 'not worse' : 'worse'} than ${against}`)
      passed &&= kept
    } else {
      const worse = smaller ? difference.low > 0 : difference.high < 0
      const better = smaller ? difference.high < 0 : difference.low > 0
      const range = `difference ${short(difference.value)}, 95 % interval ${short(difference.low)} to ${short(difference.high)}`
      reasons.push(
        `${shown} is ${worse ? 'worse' : better ? 'better' : 'not told apart'} ${better || worse ? 'than' : 'from'} ` +
          `${against}, on the same rows (${range})`,
      )
      passed &&= !worse
    }
  }
  if (minimum === undefined && champion === undefined)
    reasons.push(`${shown}; no minimum is set and there is no champion to compare with`)
  if (baseline !== undefined && atLeast(baseline, value))
    reasons.push(
      `a constant answer does as well on these rows (${short(baseline)}): the model has learnt nothing of use`,
    )
  return {
    passed,
    metric,
    value,
    ...limit,
    ...(champion === undefined ? {} : { champion }),
    reasons,
  }
}

function short(value: number): string {
  return Math.abs(value) >= 1000 || value === 0 ? String(Math.round(value)) : String(Number(value.toPrecision(4)))
}
