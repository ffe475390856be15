/**
 * Corrections of probabilities, fitted on validation rows: temperature (Guo et al., On Calibration of Modern Neural
 * Networks, 2017) and isotonic regression (Zadrozny and Elkan, 2002) as scikit-learn defines it. Pure: arrays in, a small
 * table out. `calibration.ts` measures what they do.
 */
import { checkFinite } from './check.js'
import type { RowWeights } from './metrics.js'
import { rankRows } from './ranking.js'
import { classColumn } from './scorer.js'
import { nextTurn } from './turn.js'

/** Knots with rising `x` (float32) and `y` that does not fall: linear between two of them, constant outside. */
export interface IsotonicCurve {
  readonly x: readonly number[]
  readonly y: readonly number[]
}

export type Calibrator =
  /** Logits are divided by it; above 1 makes a model less sure. Exact in 32-bit floats. */
  | { readonly kind: 'temperature'; readonly temperature: number }
  /**
   * A curve a class, absent where validation rows could not give one. Two classes: of the positive one alone, the other
   * is 1 - it. More: each class against the rest, then divided by their sum.
   */
  | { readonly kind: 'isotonic'; readonly curves: readonly (IsotonicCurve | undefined)[] }

export interface CalibratorFit {
  /** Absent: probabilities stay as they are, and `warnings` say why. */
  readonly calibrator?: Calibrator
  /** In words. */
  readonly detail: string
  readonly warnings: readonly string[]
}

export interface CalibratorRows {
  /** Class index, a row. */
  readonly labels: Int32Array
  readonly classes: number
  /** Two classes: index of the positive one. */
  readonly positive: number | undefined
  readonly weights?: RowWeights
}

/** Temperatures that are looked at: 1 / 20 to 20. */
const MOST_SHARPENED = 20
/** Fewer rows than this make a staircase of chance. */
const FEW_ROWS = 200

/**
 * The temperature with the least weighted log loss. The loss is convex in 1 / T, so Newton's method inside a shrinking
 * bracket finds its one minimum; sums go in row order, so equal rows give equal bits.
 * @param logits [rows, classes], row-major
 * @throws MR_EVALUATION_NOT_FINITE
 */
export async function fitTemperature(
  logits: Float32Array,
  rows: CalibratorRows,
  signal?: AbortSignal,
): Promise<CalibratorFit> {
  checkFinite('validation rows', logits)
  const none = cannotFit(rows)
  if (none !== undefined) return none
  let [low, high] = [1 / MOST_SHARPENED, MOST_SHARPENED]
  if (slopeAt(high, logits, rows).first <= 0) {
    // also where all logits of a row are the same, whatever the row: no temperature changes anything
    const flat = slopeAt(1, logits, rows).first === 0
    const why = flat ? 'no temperature changes anything' : 'the validation rows are told apart without a fault'
    return leftAlone(`${why}, so they give no temperature`)
  }
  const warnings: string[] = []
  if (slopeAt(low, logits, rows).first >= 0) {
    high = low
    warnings.push(`the best temperature is ${MOST_SHARPENED} or more: the model knows next to nothing of these rows`)
  }
  let sharpness = Math.min(1, high)
  for (let i = 0; i < 100 && high - low > 1e-12 * high; i++) {
    const { first, second } = slopeAt(sharpness, logits, rows)
    if (first === 0) break
    if (first > 0) high = sharpness
    else low = sharpness
    const newton = sharpness - first / second
    const next = newton > low && newton < high ? newton : (low + high) / 2
    if (Math.abs(next - sharpness) <= 1e-12 * sharpness) break
    sharpness = next
    await nextTurn(signal)
  }
  const temperature = Math.fround(1 / sharpness)
  const effect = temperature > 1 ? 'less sure' : temperature < 1 ? 'surer' : 'as sure'
  return {
    calibrator: { kind: 'temperature', temperature },
    detail: `temperature ${Number(temperature.toPrecision(4))}: probabilities become ${effect}`,
    warnings,
  }
}

/** First and second derivative of the weighted log loss by the sharpness, 1 / T. */
function slopeAt(sharpness: number, logits: Float32Array, { labels, classes, weights }: CalibratorRows) {
  let [first, second] = [0, 0]
  for (let row = 0; row < labels.length; row++) {
    const start = row * classes
    let top = -Infinity
    for (let c = 0; c < classes; c++) top = Math.max(top, logits[start + c]!)
    let [sum, mean, square] = [0, 0, 0]
    for (let c = 0; c < classes; c++) {
      const below = logits[start + c]! - top
      const p = Math.exp(sharpness * below)
      sum += p
      mean += p * below
      square += p * below * below
    }
    mean /= sum
    const weight = weights === undefined ? 1 : weights[row]!
    first += weight * (mean - (logits[start + labels[row]!]! - top))
    second += weight * (square / sum - mean * mean)
  }
  return { first, second }
}

/**
 * Isotonic regression of each class (two classes: the positive one) on its probabilities. No probability comes nearer to
 * 0 or 1 than 1 / (2 (n + 1)) of n validation rows: what Jeffreys' prior gives for something never seen in n rows.
 * @param probabilities [rows, classes], row-major
 * @throws MR_EVALUATION_NOT_FINITE
 */
export function fitIsotonic(probabilities: Float32Array, rows: CalibratorRows): CalibratorFit {
  checkFinite('validation rows', probabilities)
  const none = cannotFit(rows)
  if (none !== undefined) return none
  const { labels, classes, positive, weights } = rows
  const curves = Array.from({ length: classes }, (_, c) => {
    if (classes === 2 && c !== positive) return undefined
    const isClass = (row: number) => labels[row] === c
    return labels.includes(c) ? isotonicCurve(classColumn(probabilities, classes, c), isClass, weights) : undefined
  })
  const knots = curves.reduce((sum, curve) => sum + (curve?.x.length ?? 0), 0)
  const warnings: string[] = []
  if (labels.length < FEW_ROWS)
    warnings.push(
      `isotonic calibration rests on ${labels.length} validation rows; with under ${FEW_ROWS} temperature is safer`,
    )
  const absent = classes > 2 ? curves.filter((curve) => curve === undefined).length : 0
  if (absent > 0)
    warnings.push(`${absent} of ${classes} classes have no validation rows: their probabilities are only rescaled`)
  return {
    calibrator: { kind: 'isotonic', curves },
    detail: `isotonic regression with ${knots} knots${classes > 2 ? ', each class against the rest' : ''}`,
    warnings,
  }
}

/**
 * Pool adjacent violators: the rising step function with the least weighted squared error, kept as scikit-learn keeps it,
 * by both ends of each step. Undefined where no row has weight.
 */
export function isotonicCurve(
  scores: Float32Array | Float64Array,
  isPositive: (row: number) => boolean,
  weights?: RowWeights,
): IsotonicCurve | undefined {
  const { order, positive, scores: distinct, ends } = rankRows(scores, isPositive)
  const blocks: { low: number; high: number; positives: number; weight: number }[] = []
  for (let group = distinct.length - 1; group >= 0; group--) {
    let block = { low: distinct[group]!, high: distinct[group]!, positives: 0, weight: 0 }
    for (let place = group === 0 ? 0 : ends[group - 1]!; place < ends[group]!; place++) {
      const weight = weights === undefined ? 1 : weights[order[place]!]!
      block.weight += weight
      block.positives += weight * positive[place]!
    }
    if (block.weight === 0) continue
    for (let last = blocks.at(-1); last !== undefined && shareOf(last) >= shareOf(block); last = blocks.at(-1)) {
      block = {
        low: last.low,
        high: block.high,
        positives: last.positives + block.positives,
        weight: last.weight + block.weight,
      }
      blocks.pop()
    }
    blocks.push(block)
  }
  if (blocks.length === 0) return undefined
  const least = 1 / (2 * (scores.length + 1))
  const [x, y]: [number[], number[]] = [[], []]
  for (const block of blocks) {
    const value = Math.fround(Math.min(1 - least, Math.max(least, shareOf(block))))
    x.push(block.low)
    y.push(value)
    if (block.high === block.low) continue
    x.push(block.high)
    y.push(value)
  }
  return { x, y }
}

const shareOf = ({ positives, weight }: { readonly positives: number; readonly weight: number }) => positives / weight

/** A curve as tables by the number of knots at or below a probability: value = base + (p - start) * slope. */
export interface IsotonicTables {
  readonly knots: readonly number[]
  readonly start: readonly number[]
  readonly base: readonly number[]
  readonly slope: readonly number[]
}

/** What the batch path and the model file both compute with, in doubles, so both give the same bits. */
export function isotonicTables({ x, y }: IsotonicCurve): IsotonicTables {
  const slope = x.map((from, i) => (i + 1 < x.length ? (y[i + 1]! - y[i]!) / (x[i + 1]! - from) : 0))
  return { knots: x, start: [x[0]!, ...x], base: [y[0]!, ...y], slope: [0, ...slope] }
}

function lookUp({ knots, start, base, slope }: IsotonicTables, p: number): number {
  let [low, high] = [0, knots.length]
  while (low < high) {
    const middle = (low + high) >>> 1
    if (p >= knots[middle]!) low = middle + 1
    else high = middle
  }
  return base[low]! + (p - start[low]!) * slope[low]!
}

/**
 * The corrected probabilities of an isotonic calibrator, in a new array of the same shape; the bits are the model file's.
 * `slack`: by how much each can differ where its uncorrected probabilities differ by `tolerance`: curves may be steep.
 */
export function applyIsotonic(
  { curves }: Calibrator & { readonly kind: 'isotonic' },
  probabilities: Float32Array,
  tolerance = 0,
): { readonly probabilities: Float32Array; readonly slack: Float32Array } {
  const k = curves.length
  const tables = curves.map((curve) => curve && isotonicTables(curve))
  const [out, slack] = [new Float32Array(probabilities.length), new Float32Array(probabilities.length)]
  const at = (c: number, p: number) => (tables[c] === undefined ? p : lookUp(tables[c], p))
  const only = k === 2 ? tables.findIndex((table) => table !== undefined) : -1
  for (let start = 0; start < probabilities.length; start += k) {
    let [sum, range] = [0, 0]
    for (let c = 0; c < k; c++) {
      if (only >= 0 && c !== only) continue
      const p = probabilities[start + c]!
      sum += at(c, p)
      range += at(c, p + tolerance) - at(c, p - tolerance)
    }
    for (let c = 0; c < k; c++) {
      if (only < 0) out[start + c] = at(c, probabilities[start + c]!) / sum
      else out[start + c] = c === only ? sum : 1 - Math.fround(sum)
      slack[start + c] = only < 0 ? range / sum : range
    }
  }
  return { probabilities: out, slack }
}

/** Rows of one class, or none, say nothing about probabilities. */
function cannotFit({ labels, weights }: CalibratorRows): CalibratorFit | undefined {
  if (labels.length === 0) return leftAlone('there are no validation rows')
  const seen = new Set<number>()
  for (let row = 0; row < labels.length; row++) if (weights === undefined || weights[row]! > 0) seen.add(labels[row]!)
  return seen.size > 1 ? undefined : leftAlone('the validation rows hold one class only')
}

const leftAlone = (why: string): CalibratorFit => ({
  detail: 'probabilities are left as they are',
  warnings: [`probabilities are not calibrated: ${why}`],
})
