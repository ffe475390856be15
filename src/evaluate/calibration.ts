/** Whether a predicted probability of 30 % means 30 of 100 rows. */
import type { EvaluationDocument } from '../core/documents.js'
import { brierLosses, mean, type RowWeights } from './metrics.js'
import { rankRows, type Ranking } from './ranking.js'
import { type Classified, decide, rankClass } from './scorer.js'

export type Calibration = NonNullable<EvaluationDocument['calibration']>

/**
 * Bins of about equal row counts by rising probability; rows of one probability stay in one bin.
 * `ece` (expected calibration error) is the mean over rows of |observed - predicted| of their bin; `brier` the mean of
 * (probability - outcome)².
 */
export function calibrate(ranking: Ranking, weights?: RowWeights, wanted = 10): Calibration {
  const { order, positive, scores, ends } = ranking
  const rows = order.length
  const bins: { predicted: number; observed: number; count: number }[] = []
  let [all, gaps, squares] = [0, 0, 0]
  let bin = { weight: 0, predicted: 0, observed: 0, count: 0 }
  for (let group = scores.length - 1; group >= 0; group--) {
    const score = scores[group]!
    const start = group === 0 ? 0 : ends[group - 1]!
    for (let place = start; place < ends[group]!; place++) {
      const weight = weights === undefined ? 1 : weights[order[place]!]!
      bin.weight += weight
      bin.predicted += weight * score
      bin.observed += weight * positive[place]!
      bin.count++
      squares += weight * (score - positive[place]!) ** 2
    }
    // Closed once the rows so far reach the next tenth of all.
    if (rows - start < ((bins.length + 1) * rows) / wanted && group > 0) continue
    if (bin.weight > 0) {
      const [predicted, observed] = [bin.predicted / bin.weight, bin.observed / bin.weight]
      bins.push({ predicted, observed, count: bin.count })
      gaps += Math.abs(observed - predicted) * bin.weight
      all += bin.weight
    }
    bin = { weight: 0, predicted: 0, observed: 0, count: 0 }
  }
  return { bins, ece: gaps / all, brier: squares / all }
}

/**
 * The calibration of a classifier: of the positive class of two, else of the most probable class, whether it is right
 * (Guo et al., 2017); `brier` is over all classes then.
 * @param ranked by the positive class; made here if absent
 */
export function calibrationOf(
  model: Omit<Classified, 'predicted'>,
  weights?: RowWeights,
  ranked?: Ranking,
): Calibration {
  const { labels, probabilities, classes, positive } = model
  if (positive !== undefined) return calibrate(ranked ?? rankClass({ ...model, predicted: labels }, positive), weights)
  const predicted = decide(probabilities, classes, undefined)
  const sure = Float64Array.from(predicted, (c, row) => probabilities[row * classes + c]!)
  const ranking = rankRows(sure, (row) => predicted[row] === labels[row])
  return { ...calibrate(ranking, weights), brier: mean(brierLosses(labels, probabilities, classes), weights) }
}
