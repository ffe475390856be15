/** Refuses labels, probabilities and weights that contradict each other, before a wrong score can be made of them. */
import { MillraceError } from '../core/errors.js'

/** @throws MR_EVALUATION_EMPTY, MR_EVALUATION_INPUT, MR_EVALUATION_NOT_FINITE */
export function checkClassified(
  what: string,
  labels: Int32Array,
  probabilities: Float32Array | Float64Array,
  classes: number,
): void {
  if (labels.length === 0) throw empty(what)
  if (classes < 2) throw wrong(`${what}: a classification needs 2 classes, not ${classes}`)
  if (probabilities.length !== labels.length * classes)
    throw wrong(`${what}: ${labels.length} labels, but ${probabilities.length} probabilities for ${classes} classes`)
  for (const label of labels)
    if (!(label >= 0 && label < classes)) throw wrong(`${what}: a label is ${label}; labels are 0 to ${classes - 1}`)
  checkFinite(what, probabilities)
  for (let i = 0; i < probabilities.length; i++) {
    const p = probabilities[i]!
    if (p < -1e-3 || p > 1.001) throw wrong(`${what}: value ${p} at row ${Math.floor(i / classes)} is no probability`)
  }
}

/** @throws MR_EVALUATION_EMPTY, MR_EVALUATION_INPUT, MR_EVALUATION_NOT_FINITE */
export function checkPredicted(what: string, actual: Float64Array, predicted: Float32Array | Float64Array): void {
  if (actual.length === 0) throw empty(what)
  if (actual.length !== predicted.length)
    throw wrong(`${what}: ${actual.length} true values, but ${predicted.length} predictions`)
  if (!actual.every((value) => Number.isFinite(value))) throw wrong(`${what}: a true value is not a finite number`)
  checkFinite(what, predicted)
}

/** @throws MR_EVALUATION_INPUT */
export function checkWeights(what: string, rows: number, weights: Float64Array | undefined): void {
  if (weights === undefined) return
  if (weights.length !== rows) throw wrong(`${what}: ${rows} rows, but ${weights.length} weights`)
  let sum = 0
  for (const weight of weights) {
    if (!(weight >= 0 && weight < Infinity)) throw wrong(`${what}: a weight is ${weight}; weights are finite and >= 0`)
    sum += weight
  }
  if (!(sum > 0)) throw wrong(`${what}: all weights are 0`)
}

/** @throws MR_EVALUATION_NOT_FINITE */
export function checkFinite(what: string, values: Float32Array | Float64Array): void {
  let bad = 0
  let first = -1
  for (let i = 0; i < values.length; i++)
    if (!Number.isFinite(values[i])) {
      if (bad === 0) first = i
      bad++
    }
  if (bad > 0)
    throw new MillraceError(
      'MR_EVALUATION_NOT_FINITE',
      `${what}: ${bad} of the model's ${values.length} answers are not finite (the first: ${values[first]})`,
      { hint: 'training has diverged: lower training.learning_rate or set training.clip_norm' },
    )
}

const empty = (what: string) =>
  new MillraceError('MR_EVALUATION_EMPTY', `${what}: there are no rows to score the model on`, {
    hint: 'raise split.test (and split.validation), or give more data',
  })

const wrong = (message: string) => new MillraceError('MR_EVALUATION_INPUT', message)
