/** All metrics of one model on one set of rows, prepared so that they can be taken again under other row weights. */
import { CLASSIFICATION_METRICS, type ClassificationMetric, type Costs, REGRESSION_METRICS } from '../core/metrics.js'
import {
  accuracy,
  averagePrecision,
  balancedAccuracy,
  brierLosses,
  logLosses,
  meanCost,
  noClassWeights,
  precisionRecall,
  regressionScores,
  rocAuc,
  weighClasses,
} from './metrics.js'
import { rankRows, type Ranking } from './ranking.js'

export interface Scorer {
  readonly names: readonly string[]
  readonly rows: number
  /** By metric, the rows that it rests on (those of the rarer class, …); Infinity where it is no share. */
  readonly evidence: readonly number[]
  /** Passes over the rows that `score` takes: what a replicate costs. */
  readonly passes: number
  /** Writes one value a name into `out`; NaN where the weighted rows cannot give it. */
  score(weights: Float64Array, out: Float64Array): void
  /** The same for some of the rows. */
  subset(rows: Uint32Array): Scorer
}

export interface Classified {
  /** Class index, a row. */
  readonly labels: Int32Array
  /** [rows, classes], row-major. */
  readonly probabilities: Float32Array | Float64Array
  /** Class index, a row. */
  readonly predicted: Int32Array
  readonly classes: number
  /** Two classes: index of the positive one. Undefined: means over the classes. */
  readonly positive: number | undefined
  /** Two classes: what answers cost; without it there is no `cost`. */
  readonly costs?: Costs | undefined
}

/**
 * With more classes than this there is no ROC-AUC and no average precision: one sorting of all rows a class, and as many
 * passes a replicate, would take minutes.
 */
export const MOST_RANKED_CLASSES = 30

/** The metrics that go by the rank of the rows' probabilities. */
export const RANKED: readonly ClassificationMetric[] = ['roc_auc', 'average_precision']

/**
 * Sorts once; each `score` is then a few passes. `only` restricts it to some of CLASSIFICATION_METRICS; those that more
 * than 30 classes do not have are left out, and `cost` without costs.
 * @param ranked of `questionsOf`, in their order; made here if absent
 */
export function classificationScorer(
  model: Classified,
  only: readonly string[] = CLASSIFICATION_METRICS,
  ranked?: readonly Ranking[],
): Scorer {
  const { labels, predicted, classes, positive, costs } = model
  const rows = labels.length
  const names = CLASSIFICATION_METRICS.filter(
    (name) =>
      only.includes(name) &&
      (classes <= MOST_RANKED_CLASSES || !RANKED.includes(name)) &&
      (name !== 'cost' || (costs !== undefined && positive !== undefined)),
  )
  const wants = (...some: readonly ClassificationMetric[]) => some.some((name) => names.includes(name))
  const rankings = wants(...RANKED) ? (ranked ?? questionsOf(model).map((c) => rankClass(model, c))) : []
  const logs = wants('log_loss') ? logLosses(labels, model.probabilities, classes) : undefined
  const squares = wants('brier') ? brierLosses(labels, model.probabilities, classes, positive) : undefined
  const byClass = noClassWeights(classes)

  const counts = new Array<number>(classes).fill(0)
  for (const label of labels) counts[label]!++
  const rarest = counts.reduce((least, count) => (count > 0 ? Math.min(least, count) : least), Infinity)
  const evidence: Record<string, number> = {
    accuracy: rows,
    balanced_accuracy: rarest,
    precision: positive === undefined ? rarest : predicted.reduce((n, c) => n + (c === positive ? 1 : 0), 0),
    recall: positive === undefined ? rarest : counts[positive]!,
    f1: positive === undefined ? rarest : counts[positive]!,
    roc_auc: rarest,
    average_precision: positive === undefined ? rarest : counts[positive]!,
  }

  const value: Record<string, number> = {}
  return {
    names,
    rows,
    evidence: names.map((name) => evidence[name] ?? Infinity),
    passes: 1 + rankings.length * (wants('roc_auc') && wants('average_precision') ? 2 : 1),
    score(weights, out) {
      weighClasses(labels, predicted, weights, byClass)
      let [all, log, square] = [0, 0, 0]
      for (let i = 0; i < rows; i++) {
        const weight = weights[i]!
        all += weight
        if (logs !== undefined) log += weight * logs[i]!
        if (squares !== undefined) square += weight * squares[i]!
      }
      value['accuracy'] = accuracy(byClass)
      value['balanced_accuracy'] = balancedAccuracy(byClass)
      Object.assign(value, precisionRecall(byClass, positive))
      if (wants('roc_auc')) value['roc_auc'] = meanOfKnown(rankings, (r) => rocAuc(r, weights))
      if (wants('average_precision'))
        value['average_precision'] = meanOfKnown(rankings, (r) => averagePrecision(r, weights))
      value['log_loss'] = log / all
      value['brier'] = square / all
      if (costs !== undefined && positive !== undefined) value['cost'] = meanCost(byClass, positive, costs)
      for (let m = 0; m < names.length; m++) out[m] = value[names[m]!]!
    },
    subset: (some) => classificationScorer(pickModel(model, some), names),
  }
}

/** The classes that are asked for against the rest: the positive one of two, or each. */
export function questionsOf({ classes, positive }: Classified): readonly number[] {
  return positive === undefined ? Array.from({ length: classes }, (_, c) => c) : [positive]
}

/** The rows by their probability of class `c`. */
export function rankClass({ labels, probabilities, classes }: Classified, c: number): Ranking {
  return rankRows(classColumn(probabilities, classes, c), (row) => labels[row] === c)
}

/** The mean over the one-against-the-rest questions that the rows can answer. */
function meanOfKnown(rankings: readonly Ranking[], metric: (ranking: Ranking) => number): number {
  let [sum, known] = [0, 0]
  for (const ranking of rankings) {
    const value = metric(ranking)
    if (Number.isNaN(value)) continue
    sum += value
    known++
  }
  return known > 0 ? sum / known : NaN
}

/** One class's probabilities. */
export function classColumn(
  probabilities: Float32Array | Float64Array,
  classes: number,
  c: number,
): Float32Array | Float64Array {
  const rows = probabilities.length / classes
  const column = probabilities instanceof Float32Array ? new Float32Array(rows) : new Float64Array(rows)
  for (let i = 0; i < rows; i++) column[i] = probabilities[i * classes + c]!
  return column
}

/** MAE, RMSE and R² of predictions. */
export function regressionScorer(actual: Float64Array, predicted: Float32Array | Float64Array): Scorer {
  return {
    names: REGRESSION_METRICS,
    rows: actual.length,
    evidence: REGRESSION_METRICS.map(() => Infinity),
    passes: 2,
    score(weights, out) {
      const scores = regressionScores(actual, predicted, weights)
      REGRESSION_METRICS.forEach((name, m) => (out[m] = scores[name]))
    },
    subset: (some) => regressionScorer(pickRows(actual, some) as Float64Array, pickRows(predicted, some)),
  }
}

/** The class each row is given: with `positive`, by its probability >= threshold; else the most probable, first of equals. */
export function decide(
  probabilities: Float32Array | Float64Array,
  classes: number,
  positive: number | undefined,
  threshold = 0.5,
): Int32Array {
  const rows = probabilities.length / classes
  const decided = new Int32Array(rows)
  if (classes === 2 && positive !== undefined) {
    for (let i = 0; i < rows; i++) decided[i] = probabilities[i * 2 + positive]! >= threshold ? positive : 1 - positive
    return decided
  }
  for (let i = 0; i < rows; i++) {
    let best = 0
    for (let c = 1; c < classes; c++) if (probabilities[i * classes + c]! > probabilities[i * classes + best]!) best = c
    decided[i] = best
  }
  return decided
}

/** The given rows of a row-major array, in their order. */
export function pickRows(
  values: Float32Array | Float64Array,
  rows: Uint32Array,
  width = 1,
): Float32Array | Float64Array {
  const size = rows.length * width
  const out = values instanceof Float32Array ? new Float32Array(size) : new Float64Array(size)
  for (let i = 0; i < rows.length; i++)
    for (let c = 0; c < width; c++) out[i * width + c] = values[rows[i]! * width + c]!
  return out
}

/** A model's answers on some of the rows. */
export function pickModel(model: Classified, rows: Uint32Array): Classified {
  return {
    ...model,
    labels: Int32Array.from(rows, (row) => model.labels[row]!),
    predicted: Int32Array.from(rows, (row) => model.predicted[row]!),
    probabilities: pickRows(model.probabilities, rows, model.classes),
  }
}
