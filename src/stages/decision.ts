/** How probabilities become answers: weights of rows, calibration and the threshold, all from validation rows alone. */
import type { PipelineConfig } from '../config/config.js'
import { MillraceError } from '../core/errors.js'
import type { Costs } from '../core/metrics.js'
import type { Task } from '../core/schema.js'
import { type CalibratorFit, fitIsotonic, fitTemperature } from '../evaluate/calibrators.js'
import { positiveIndex } from '../evaluate/evaluate.js'
import { rankRows } from '../evaluate/ranking.js'
import { classColumn } from '../evaluate/scorer.js'
import { chooseThreshold, type Threshold } from '../evaluate/threshold.js'
import { weightsByClass } from './train.js'

/** What an evaluation reads of the file. */
type Asked = Pick<PipelineConfig, 'evaluation'>

/** Weights of rows by their class, if the file gives any. */
export function weightOf(
  { evaluation }: Asked,
  { task }: { readonly task: Task },
): ((labels: Int32Array) => Float64Array) | undefined {
  if (evaluation.class_weights === undefined || task.kind === 'regression') return undefined
  const weights = weightsByClass('evaluation.class_weights', evaluation.class_weights, task.classes)
  return (labels) => Float64Array.from(labels, (k) => weights[k] ?? 1)
}

export function describeWeights({ evaluation }: Asked, task: Task): string | undefined {
  if (evaluation.class_weights === undefined || task.kind === 'regression') return undefined
  const weights = weightsByClass('evaluation.class_weights', evaluation.class_weights, task.classes)
  return task.classes.map((name, k) => `a row of class ${name} counts ${weights[k]}`).join(', ')
}

/**
 * The costs that the file gives, if any.
 * @throws MR_EVALUATION_TASK where the task is not one of two classes
 */
export function costsOf({ evaluation: { threshold } }: Asked, task: Task): Costs | undefined {
  if (typeof threshold !== 'object') return undefined
  if (task.kind === 'classification' && task.classes.length === 2) return threshold.cost
  const what = task.kind === 'regression' ? 'a regression' : `${task.classes.length} classes`
  throw new MillraceError(
    'MR_EVALUATION_TASK',
    `evaluation.threshold.cost needs a label of two classes; this is ${what}`,
    { hint: 'remove evaluation.threshold: only two classes have one' },
  )
}

/** Rows as a network answers them: [rows, classes], row-major, and their class indexes. */
export interface Answered {
  readonly values: Float32Array
  readonly labels: Int32Array
}

/**
 * Fits what `evaluation.calibration` asks for; undefined where it asks for nothing.
 * @param answers of the validation rows: logits for temperature, probabilities for isotonic
 * @throws MR_EVALUATION_TASK for a regression
 */
export async function fitCalibration(
  config: Asked,
  task: Task,
  answers: (what: 'logits' | 'probability') => Promise<Answered>,
  signal?: AbortSignal,
): Promise<CalibratorFit | undefined> {
  const method = config.evaluation.calibration
  if (method === 'none') return undefined
  if (task.kind === 'regression')
    throw new MillraceError(
      'MR_EVALUATION_TASK',
      `evaluation.calibration is ${method}, but a regression predicts no probabilities`,
      { hint: 'remove evaluation.calibration' },
    )
  const { values, labels } = await answers(method === 'temperature' ? 'logits' : 'probability')
  const classes = task.classes.length
  const rows = {
    labels,
    classes,
    positive: classes === 2 ? positiveIndex(task.classes, task.positive) : undefined,
    weights: weightOf(config, { task })?.(labels),
  }
  return method === 'temperature' ? fitTemperature(values, rows, signal) : fitIsotonic(values, rows)
}

/**
 * Two classes: the threshold that `evaluation.threshold` asks for on the (calibrated) answers of validation rows, as the
 * model file holds it, a float32. Undefined for other tasks.
 */
export function thresholdOf(config: Asked, task: Task, { values, labels }: Answered): Threshold | undefined {
  if (task.kind === 'regression' || task.classes.length !== 2) return undefined
  const wanted = config.evaluation.threshold
  if (typeof wanted === 'number') return { value: Math.fround(wanted), rule: 'given by the file' }
  const positive = positiveIndex(task.classes, task.positive)
  const ranking = rankRows(classColumn(values, 2, positive), (row) => labels[row] === positive)
  const { value, rule } = chooseThreshold(wanted, ranking, weightOf(config, { task })?.(labels))
  return { value: Math.fround(value), rule }
}
