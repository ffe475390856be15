/**
 * Scores of a model on rows, as scikit-learn defines them. Pure functions on typed arrays; row weights are optional and
 * a weight of 2 equals the row twice. A metric that these rows cannot give (one class only, no weight) is NaN here; the
 * document leaves it out and says why.
 */
import type { Costs } from '../core/metrics.js'
import type { Ranking } from './ranking.js'

/** Weights of rows, all at least 0; undefined is 1 for each. */
export type RowWeights = Float64Array | undefined

/**
 * ROC-AUC: the chance that a positive row scores above a negative one, ties counting half.
 * NaN where either class has no weight.
 */
export function rocAuc(ranking: Ranking, weights?: RowWeights): number {
  const { order, positive, ends } = ranking
  let place = 0
  let positives = 0
  let negatives = 0
  let above = 0
  for (let group = 0; group < ends.length; group++) {
    const end = ends[group]!
    let groupPositives = 0
    let groupNegatives = 0
    for (; place < end; place++) {
      const weight = weights === undefined ? 1 : weights[order[place]!]!
      if (positive[place] === 1) groupPositives += weight
      else groupNegatives += weight
    }
    above += groupNegatives * (positives + groupPositives / 2)
    positives += groupPositives
    negatives += groupNegatives
  }
  return positives > 0 && negatives > 0 ? above / (positives * negatives) : NaN
}

/**
 * Average precision: the sum over thresholds of (recall gained) x precision, without interpolation.
 * NaN where no positive row has weight.
 */
export function averagePrecision(ranking: Ranking, weights?: RowWeights): number {
  const { order, positive, ends } = ranking
  let place = 0
  let positives = 0
  let all = 0
  let sum = 0
  for (let group = 0; group < ends.length; group++) {
    const end = ends[group]!
    let gained = 0
    for (; place < end; place++) {
      const weight = weights === undefined ? 1 : weights[order[place]!]!
      all += weight
      if (positive[place] === 1) gained += weight
    }
    if (gained > 0) {
      positives += gained
      sum += (gained * positives) / all
    }
  }
  return positives > 0 ? sum / positives : NaN
}

/** Weight of rows by true class (row of the matrix) and predicted class (column), [classes x classes], row-major. */
export function confusionMatrix(
  labels: Int32Array,
  predicted: Int32Array,
  classes: number,
  weights?: RowWeights,
  out: Float64Array = new Float64Array(classes * classes),
): Float64Array {
  out.fill(0)
  for (let i = 0; i < labels.length; i++)
    out[labels[i]! * classes + predicted[i]!]! += weights === undefined ? 1 : weights[i]!
  return out
}

/** Weight of rows by class: the truth, what is predicted, and where both are the same. All that these scores need. */
export interface ClassWeights {
  readonly actual: Float64Array
  readonly predicted: Float64Array
  readonly right: Float64Array
}

export function noClassWeights(classes: number): ClassWeights {
  const one = () => new Float64Array(classes)
  return { actual: one(), predicted: one(), right: one() }
}

/** The class weights of rows, into `out` (filled anew). Costs the rows and the classes, not the classes squared. */
export function weighClasses(
  labels: Int32Array,
  predicted: Int32Array,
  weights: RowWeights,
  out: ClassWeights,
): ClassWeights {
  for (const vector of [out.actual, out.predicted, out.right]) vector.fill(0)
  for (let i = 0; i < labels.length; i++) {
    const [label, answer] = [labels[i]!, predicted[i]!]
    const weight = weights === undefined ? 1 : weights[i]!
    out.actual[label]! += weight
    out.predicted[answer]! += weight
    if (label === answer) out.right[label]! += weight
  }
  return out
}

/** Share of the weight that is predicted right. */
export function accuracy({ actual, right }: ClassWeights): number {
  return total(right) / total(actual)
}

/** Mean recall over the classes that have rows. */
export function balancedAccuracy({ actual, right }: ClassWeights): number {
  let [recalls, present] = [0, 0]
  for (let c = 0; c < actual.length; c++) {
    if (actual[c] === 0) continue
    recalls += right[c]! / actual[c]!
    present++
  }
  return recalls / present
}

export interface PrecisionRecall {
  readonly precision: number
  readonly recall: number
  readonly f1: number
}

/**
 * Precision, recall and F1 of class `positive`; without it the plain mean over the classes that are true or predicted
 * somewhere. What would be 0/0 is 0, as in scikit-learn, but recall and F1 of a positive class without rows are NaN.
 */
export function precisionRecall(classes: ClassWeights, positive?: number): PrecisionRecall {
  const { actual, predicted } = classes
  if (positive !== undefined) {
    const one = ofClass(classes, positive)
    return actual[positive]! > 0 ? one : { precision: one.precision, recall: NaN, f1: NaN }
  }
  let [precision, recall, f1, present] = [0, 0, 0, 0]
  for (let c = 0; c < actual.length; c++) {
    if (actual[c] === 0 && predicted[c] === 0) continue
    const one = ofClass(classes, c)
    precision += one.precision
    recall += one.recall
    f1 += one.f1
    present++
  }
  return { precision: precision / present, recall: recall / present, f1: f1 / present }
}

function ofClass({ actual, predicted, right }: ClassWeights, c: number): PrecisionRecall {
  const both = actual[c]! + predicted[c]!
  return {
    precision: predicted[c]! > 0 ? right[c]! / predicted[c]! : 0,
    recall: actual[c]! > 0 ? right[c]! / actual[c]! : 0,
    f1: both > 0 ? (2 * right[c]!) / both : 0,
  }
}

/** Mean cost of a row of two classes, in the unit of the costs. */
export function meanCost({ actual, predicted, right }: ClassWeights, positive: number, costs: Costs): number {
  const [found, left] = [right[positive]!, right[1 - positive]!]
  const cost =
    costs.true_positive * found +
    costs.false_positive * (predicted[positive]! - found) +
    costs.true_negative * left +
    costs.false_negative * (predicted[1 - positive]! - left)
  return cost / total(actual)
}

function total(values: Float64Array): number {
  return values.reduce((all, value) => all + value, 0)
}

/**
 * -ln of the probability given to the true class, a row. Probabilities are clipped to 2^-52 from 0 and 1, so a model
 * that is sure and wrong costs 36, not infinity.
 */
export function logLosses(
  labels: Int32Array,
  probabilities: Float32Array | Float64Array,
  classes: number,
): Float64Array {
  const losses = new Float64Array(labels.length)
  for (let i = 0; i < labels.length; i++) {
    const p = probabilities[i * classes + labels[i]!]!
    losses[i] = -Math.log(Math.min(1 - Number.EPSILON, Math.max(Number.EPSILON, p)))
  }
  return losses
}

/**
 * Brier score a row: with `positive`, (its probability - whether the row is)²; without, half the sum of squares over the
 * classes, so both lie in 0 to 1.
 */
export function brierLosses(
  labels: Int32Array,
  probabilities: Float32Array | Float64Array,
  classes: number,
  positive?: number,
): Float64Array {
  const losses = new Float64Array(labels.length)
  for (let i = 0; i < labels.length; i++) {
    if (positive !== undefined) {
      losses[i] = (probabilities[i * classes + positive]! - (labels[i] === positive ? 1 : 0)) ** 2
      continue
    }
    let sum = 0
    for (let c = 0; c < classes; c++) sum += (probabilities[i * classes + c]! - (labels[i] === c ? 1 : 0)) ** 2
    losses[i] = sum / 2
  }
  return losses
}

/** Weighted mean; NaN without weight. */
export function mean(values: Float64Array, weights?: RowWeights): number {
  let sum = 0
  let all = 0
  for (let i = 0; i < values.length; i++) {
    const weight = weights === undefined ? 1 : weights[i]!
    sum += weight * values[i]!
    all += weight
  }
  return sum / all
}

export interface RegressionScores {
  readonly mae: number
  readonly rmse: number
  /** 1 - squared error / squared distance from the mean; NaN where all true values are the same. */
  readonly r2: number
}

/** Mean absolute error, root mean squared error and R² in two passes. */
export function regressionScores(
  actual: Float64Array,
  predicted: Float32Array | Float64Array,
  weights?: RowWeights,
): RegressionScores {
  const centre = mean(actual, weights)
  let [all, absolute, squared, spread] = [0, 0, 0, 0]
  let [min, max] = [Infinity, -Infinity]
  for (let i = 0; i < actual.length; i++) {
    const weight = weights === undefined ? 1 : weights[i]!
    if (weight === 0) continue
    const error = predicted[i]! - actual[i]!
    all += weight
    absolute += weight * Math.abs(error)
    squared += weight * error * error
    spread += weight * (actual[i]! - centre) ** 2
    if (actual[i]! < min) min = actual[i]!
    if (actual[i]! > max) max = actual[i]!
  }
  // A constant column's spread need not be 0 in floating point: its mean is rounded.
  return { mae: absolute / all, rmse: Math.sqrt(squared / all), r2: max > min ? 1 - squared / spread : NaN }
}
