/**
 * What a benchmark says of its samples: medians, and the ratio of two contenders' medians with an interval. Seeded, so the
 * same samples give the same interval.
 */
import { Rng } from '../src/core/rng.js'

const SEED = 20_260_101
const REPLICATES = 2000

export interface RatioInterval {
  /** median(theirs) / median(ours): how many times as much they take. */
  readonly ratio: number
  readonly low: number
  readonly high: number
  /** Were rounds drawn (both sides of one round together), or each side's samples alone? */
  readonly paired: boolean
}

/** The middle value, or the mean of the two in the middle; NaN of nothing. */
export function median(values: readonly number[]): number {
  const sorted = [...values].sort((a, b) => a - b)
  const half = sorted.length >> 1
  const [low = NaN, high = NaN] =
    sorted.length % 2 === 1 ? [sorted[half], sorted[half]] : sorted.slice(half - 1, half + 1)
  return (low + high) / 2
}

/**
 * `median(theirs) / median(ours)` with a percentile bootstrap 95 % interval (Efron 1979; 2,000 seeded replicates). Samples
 * in any one unit (seconds, bytes). Of equal length they are taken as rounds and drawn in pairs, so that a slow moment of
 * the machine, which met both, is no difference. A RangeError for no samples or ones that are not above 0.
 */
export function ratioInterval(ours: readonly number[], theirs: readonly number[]): RatioInterval {
  if (ours.length === 0 || theirs.length === 0) throw new RangeError('ratioInterval: no samples')
  const wrong = [...ours, ...theirs].find((value) => !(value > 0 && value < Infinity))
  if (wrong !== undefined) throw new RangeError(`ratioInterval: a sample is ${wrong}; it must be above 0`)
  const rng = new Rng(SEED)
  const paired = ours.length === theirs.length
  const draw = (count: number): number[] => Array.from({ length: count }, () => Math.floor(rng.uniform() * count))
  const ratios = Array.from({ length: REPLICATES }, () => {
    const left = draw(ours.length)
    const right = paired ? left : draw(theirs.length)
    return median(right.map((i) => theirs[i] ?? NaN)) / median(left.map((i) => ours[i] ?? NaN))
  }).sort((a, b) => a - b)
  const at = (share: number): number => ratios[Math.round(share * (REPLICATES - 1))] ?? NaN
  return { ratio: median(theirs) / median(ours), low: at(0.025), high: at(0.975), paired }
}
