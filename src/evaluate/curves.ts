/** ROC, precision-recall and cost curves, thinned to what a picture needs. */
import type { EvaluationDocument } from '../core/documents.js'
import type { Costs } from '../core/metrics.js'
import type { RowWeights } from './metrics.js'
import type { Ranking } from './ranking.js'

export type RocCurve = NonNullable<EvaluationDocument['roc']>
export type PrecisionRecallCurve = NonNullable<EvaluationDocument['precisionRecall']>

const MOST_POINTS = 200

/**
 * Points at the distinct scores, falling, from (0, 0) (threshold: the top score + 1, since JSON has no infinity) to
 * (1, 1); at most `most`, with every corner of the upper hull kept. [] where a class is missing.
 */
export function rocCurve(ranking: Ranking, weights?: RowWeights, most = MOST_POINTS): RocCurve {
  const { thresholds, positives, negatives } = cumulated(ranking, weights)
  const last = thresholds.length - 1
  if (!(positives[last]! > 0 && negatives[last]! > 0)) return []
  const x = negatives.map((n) => n / negatives[last]!)
  const y = positives.map((p) => p / positives[last]!)
  return thin(x, y, most).map((i) => ({ fpr: x[i]!, tpr: y[i]!, threshold: thresholds[i]! }))
}

/**
 * Points at the distinct scores, falling, from (0, 1) on; as scikit-learn's, read from its end. At most `most`, corners
 * of the upper hull kept. [] where no row is positive.
 */
export function precisionRecallCurve(ranking: Ranking, weights?: RowWeights, most = MOST_POINTS): PrecisionRecallCurve {
  const { thresholds, positives, negatives } = cumulated(ranking, weights)
  const all = positives[thresholds.length - 1]!
  if (!(all > 0)) return []
  const x = positives.map((p) => p / all)
  const y = positives.map((p, i) => (p + negatives[i]! > 0 ? p / (p + negatives[i]!) : 1))
  return thin(x, y, most).map((i) => ({ recall: x[i]!, precision: y[i]!, threshold: thresholds[i]! }))
}

export type CostCurve = NonNullable<EvaluationDocument['costs']>['curve']

/**
 * Mean cost of a row by threshold, rising from calling all rows positive (threshold: the lowest score) to none (1, or
 * just above the top score where that is 1); at most `most` points, the cheapest among them.
 */
export function costCurve(ranking: Ranking, costs: Costs, weights?: RowWeights, most = MOST_POINTS): CostCurve {
  const { thresholds, positives, negatives } = cumulated(ranking, weights)
  const last = thresholds.length - 1
  const [allPositives, allNegatives] = [positives[last]!, negatives[last]!]
  thresholds[0] = Math.max(1, thresholds[0]! - 1)
  const cost = thresholds.map(
    (_, i) =>
      (costs.true_positive * positives[i]! +
        costs.false_positive * negatives[i]! +
        costs.true_negative * (allNegatives - negatives[i]!) +
        costs.false_negative * (allPositives - positives[i]!)) /
      (allPositives + allNegatives),
  )
  const x = thresholds.toReversed()
  const y = cost.toReversed()
  // the hull's corners are kept first: of the negative, so that the cheapest is one; both axes about 0 to 1
  const dearest = y.reduce((a, b) => Math.max(a, b), 0) || 1
  return thin(
    x,
    y.map((value) => -value / dearest),
    most,
  ).map((i) => ({ threshold: x[i]!, cost: y[i]! }))
}

/** Weight of positives and negatives at or above each threshold; the first threshold is above all. */
function cumulated(ranking: Ranking, weights: RowWeights) {
  const { order, positive, scores, ends } = ranking
  const points = scores.length + 1
  const [thresholds, positives, negatives] = [
    new Float64Array(points),
    new Float64Array(points),
    new Float64Array(points),
  ]
  thresholds[0] = (scores[0] ?? 0) + 1
  let [right, wrong, place] = [0, 0, 0]
  for (let group = 0; group < scores.length; group++) {
    for (; place < ends[group]!; place++) {
      const weight = weights === undefined ? 1 : weights[order[place]!]!
      if (positive[place] === 1) right += weight
      else wrong += weight
    }
    thresholds[group + 1] = scores[group]!
    positives[group + 1] = right
    negatives[group + 1] = wrong
  }
  return { thresholds, positives, negatives }
}

/**
 * Which points to keep, in order: the ends, the corners of the upper hull, then whatever lies farthest from the line
 * drawn so far (Douglas and Peucker, 1973, most distant first) until `most` or until nothing is off the line.
 */
export function thin(x: Float64Array, y: Float64Array, most: number): number[] {
  const hull = upperHull(x, y)
  const last = x.length - 1
  const corners = hull.length <= most ? hull : farthest(x, y, [0, last], most, hull)
  return farthest(x, y, corners, most)
}

/** Indexes of the corners of the upper hull; x does not fall (Andrew's chain, 1979). */
export function upperHull(x: Float64Array, y: Float64Array): number[] {
  const hull: number[] = []
  for (let i = 0; i < x.length; i++) {
    while (hull.length >= 2 && turn(x, y, hull[hull.length - 2]!, hull[hull.length - 1]!, i) >= 0) hull.pop()
    hull.push(i)
  }
  return hull
}

function turn(x: Float64Array, y: Float64Array, a: number, b: number, c: number): number {
  return (x[b]! - x[a]!) * (y[c]! - y[a]!) - (y[b]! - y[a]!) * (x[c]! - x[a]!)
}

/** Adds to `kept` the most distant points among `candidates` (all, if absent). */
function farthest(x: Float64Array, y: Float64Array, kept: readonly number[], most: number, candidates?: number[]) {
  const within = (from: number, to: number): { from: number; to: number; at: number; distance: number } => {
    const [dx, dy] = [x[to]! - x[from]!, y[to]! - y[from]!]
    const length = Math.hypot(dx, dy)
    let [at, distance] = [-1, 1e-9]
    const look = (i: number) => {
      const away =
        length > 0 ? Math.abs(turn(x, y, from, to, i)) / length : Math.hypot(x[i]! - x[from]!, y[i]! - y[from]!)
      if (away > distance) [at, distance] = [i, away]
    }
    if (candidates === undefined) for (let i = from + 1; i < to; i++) look(i)
    else for (const i of candidates) if (i > from && i < to) look(i)
    return { from, to, at, distance }
  }
  const result = [...kept]
  const gaps = kept.slice(1).map((to, i) => within(kept[i]!, to))
  while (result.length < most) {
    let worst = -1
    for (let g = 0; g < gaps.length; g++)
      if (gaps[g]!.at >= 0 && (worst < 0 || gaps[g]!.distance > gaps[worst]!.distance)) worst = g
    if (worst < 0) break
    const { from, to, at } = gaps[worst]!
    result.push(at)
    gaps.splice(worst, 1, within(from, at), within(at, to))
  }
  return result.sort((a, b) => a - b)
}
