/** The probability from which a two-class model says yes, chosen on validation rows (never on test rows). */
import { type Costs, metricName } from '../core/metrics.js'
import { checkFinite } from './check.js'
import type { Ranking } from './ranking.js'
import type { RowWeights } from './metrics.js'

/** A score to make the highest, or costs whose mean is to be the lowest. */
export type ThresholdRule = 'f1' | 'accuracy' | 'balanced_accuracy' | { readonly cost: Costs }

export interface Threshold {
  /**
   * A row is positive from this probability on; exact in 32-bit floats, so every engine decides alike. 0 to 1, or 2
   * where it is best that no row ever is.
   */
  readonly value: number
  /** In words. */
  readonly rule: string
}

/**
 * The threshold that is best by `rule` on the ranked validation rows. Every cut between two neighbouring scores decides
 * the same, so the midpoint stands for it; of equally good cuts the one nearest 0.5 is taken (then the lower).
 * Rows of one class, or none, can't choose: 0.5.
 * @throws MR_EVALUATION_NOT_FINITE for scores that are none
 */
export function chooseThreshold(rule: ThresholdRule, ranking: Ranking, weights?: RowWeights): Threshold {
  const { order, positive, scores, ends } = ranking
  checkFinite('validation rows', scores)
  let [positives, negatives] = [0, 0]
  for (let place = 0; place < order.length; place++) {
    const weight = weights === undefined ? 1 : weights[order[place]!]!
    if (positive[place] === 1) positives += weight
    else negatives += weight
  }
  if (!(positives > 0 && negatives > 0))
    return {
      value: 0.5,
      rule: `0.5, because ${order.length === 0 ? 'there are no validation rows' : 'the validation rows hold one class only'} (wanted: ${inWords(rule)})`,
    }

  let best = { value: NaN, score: -Infinity }
  let [right, wrong, place] = [0, 0, 0] // weight of positives and of negatives at or above the cut
  for (let cut = 0; cut <= scores.length; cut++) {
    const score = scoreOf(rule, right, wrong, positives, negatives)
    const value = midpoint(scores[cut - 1], scores[cut])
    const near = Math.abs(value - 0.5) - Math.abs(best.value - 0.5)
    // Sums in another order differ in the last bits: equal within 1e-12 is equal.
    if (score > best.score + 1e-12 || (score > best.score - 1e-12 && (near < 0 || (near === 0 && value < best.value))))
      best = { value, score: Math.max(score, best.score) }
    if (cut === scores.length) break
    for (; place < ends[cut]!; place++) {
      const weight = weights === undefined ? 1 : weights[order[place]!]!
      if (positive[place] === 1) right += weight
      else wrong += weight
    }
  }
  const never = best.value > 1 ? ': no row is positive, whatever its probability' : ''
  return { value: best.value, rule: `${inWords(rule)} on validation rows${never}` }
}

function inWords(rule: ThresholdRule): string {
  if (typeof rule === 'string') return `highest ${metricName(rule)}`
  const { false_positive, false_negative, true_positive, true_negative } = rule.cost
  const right = [
    ...(true_positive > 0 ? [`a true positive ${true_positive}`] : []),
    ...(true_negative > 0 ? [`a true negative ${true_negative}`] : []),
  ]
  const parts = [`a false positive costs ${false_positive}`, `a false negative ${false_negative}`, ...right]
  return `least ${metricName('cost')} (${parts.join(', ')})`
}

function scoreOf(rule: ThresholdRule, right: number, wrong: number, positives: number, negatives: number): number {
  if (typeof rule === 'object') {
    const { false_positive, false_negative, true_positive, true_negative } = rule.cost
    const cost =
      false_positive * wrong +
      true_negative * (negatives - wrong) +
      true_positive * right +
      false_negative * (positives - right)
    // in units of the dearest mistake, so that what counts as equal does not go by the currency
    return -cost / ((positives + negatives) * Math.max(false_positive, false_negative))
  }
  switch (rule) {
    case 'f1':
      return (2 * right) / (positives + right + wrong)
    case 'accuracy':
      return (right + negatives - wrong) / (positives + negatives)
    case 'balanced_accuracy':
      return (right / positives + 1 - wrong / negatives) / 2
  }
}

/**
 * A 32-bit float above `below` and at most `above`, halfway where it can be. Ends: above all scores (nothing is
 * positive) halfway to 1, or 2 where 1 is a score; below all of them (everything is positive) halfway to 0.
 */
function midpoint(above: number | undefined, below: number | undefined): number {
  if (above === undefined) return below! < 1 ? between(1, below!) : 2
  return between(above, below ?? 0)
}

function between(above: number, below: number): number {
  const middle = Math.fround((above + below) / 2)
  return middle > below && middle <= above ? middle : above
}
