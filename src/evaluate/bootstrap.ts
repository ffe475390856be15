/**
 * 95 % intervals by resampling rows (Efron's percentile bootstrap). Every replicate draws as many rows as there are,
 * with replacement and not stratified, so the share of each class varies as it would in a new sample. The work yields
 * to the event loop every few milliseconds: a worker thread would save no time and costs a start and a copy.
 */
import { Rng } from '../core/rng.js'
import type { Score } from '../core/documents.js'
import type { Scorer } from './scorer.js'
import { nextTurn } from './turn.js'

export interface BootstrapOptions {
  /** How many are wanted; 0 gives intervals of no width. */
  readonly replicates: number
  readonly seed: number
  /** Base weights of the rows; 1 each if absent. */
  readonly weights?: Float64Array | undefined
  readonly signal?: AbortSignal | undefined
  /** Rows that are resampled; of more, a sample of so many. 100,000 if absent. */
  readonly mostRows?: number | undefined
}

/** Milliseconds of work between two looks at the event loop. */
const SLICE = 8
/** Rows x passes that intervals may cost: some seconds of one core. */
const BUDGET = 2e8
/** Fewer replicates than this do not carry a 95 % interval. */
const FEWEST = 200
/** Rows that are resampled; of more, a random sample of this size. */
export const MOST_ROWS = 100_000
const STREAM = 0x626f6f74 // 'boot'

/** The replicates that `wanted` comes to on rows so many that all would take minutes: never under 200. */
export function affordableReplicates(wanted: number, scorer: Scorer, mostRows = MOST_ROWS): number {
  const rows = Math.min(scorer.rows, mostRows)
  return Math.min(wanted, Math.max(FEWEST, Math.floor(BUDGET / Math.max(1, rows * (scorer.passes + 1)))))
}

/**
 * Scores with intervals, by metric; metrics that are undefined on these rows are absent.
 * A value of exactly 0 or 1, or one that rests on fewer than 10 rows, varies too little between replicates; its
 * interval is widened to Wilson's for that many rows (for ROC-AUC an upper bound: Cortes and Mohri, NIPS 2004).
 */
export async function bootstrap(scorer: Scorer, options: BootstrapOptions): Promise<Record<string, Score>> {
  const [replicated] = await replicate([scorer], options)
  const scores: Record<string, Score> = {}
  scorer.names.forEach((name, m) => {
    const value = replicated!.point[m]!
    if (!Number.isFinite(value)) return
    scores[name] = widen(interval(value, replicated!.draws[m]!), scorer.evidence[m]!)
  })
  return scores
}

/**
 * The difference first - second of two models on the same rows, by metric, each replicate scoring both on the same
 * draw: what the models share cancels out.
 */
export async function pairedBootstrap(
  first: Scorer,
  second: Scorer,
  options: BootstrapOptions,
): Promise<Record<string, Score>> {
  const [left, right] = await replicate([first, second], options)
  const differences: Record<string, Score> = {}
  first.names.forEach((name, m) => {
    const value = left!.point[m]! - right!.point[m]!
    if (!Number.isFinite(value)) return
    const others = right!.draws[m]!
    differences[name] = interval(
      value,
      left!.draws[m]!.map((x, r) => x - others[r]!),
    )
  })
  return differences
}

interface Replicated {
  /** The metrics on all rows. */
  readonly point: Float64Array
  /** [metric][replicate] */
  readonly draws: readonly Float64Array[]
}

/**
 * Draws the replicates, the same rows for every scorer. Of more than `mostRows` rows a random sample is resampled and
 * its deviations shrunk by sqrt(sample / rows), the rate of all these metrics (m out of n: Bickel, Götze and van Zwet,
 * 1997): the interval of a million rows is then known to a few per cent of its own, very small, width.
 */
async function replicate(full: readonly Scorer[], options: BootstrapOptions): Promise<Replicated[]> {
  const { replicates, seed, signal, mostRows = MOST_ROWS } = options
  const all = full[0]!.rows
  const allWeights = options.weights ?? new Float64Array(all).fill(1)
  const points: Float64Array[] = []
  for (const scorer of full) {
    points.push(valuesOf(scorer, allWeights))
    await nextTurn(signal)
  }
  const some = all > mostRows && replicates > 0 ? sampleRows(all, mostRows, new Rng(seed, STREAM, 1)) : undefined
  const scorers: Scorer[] = []
  for (const scorer of full) {
    scorers.push(some === undefined ? scorer : scorer.subset(some))
    if (some !== undefined) await nextTurn(signal)
  }
  const base = some === undefined ? allWeights : Float64Array.from(some, (row) => allWeights[row]!)
  const rows = base.length
  const draws = scorers.map((scorer) => scorer.names.map(() => new Float64Array(replicates)))
  const outs = scorers.map((scorer) => new Float64Array(scorer.names.length))
  const weights = new Float64Array(rows)
  const rng = new Rng(seed, STREAM)
  let resumed = performance.now()
  for (let r = 0; r < replicates; r++) {
    weights.fill(0)
    for (let i = 0; i < rows; i++) {
      const row = rng.below(rows)
      weights[row]! += base[row]!
    }
    scorers.forEach((scorer, s) => {
      const out = outs[s]!
      scorer.score(weights, out)
      for (let m = 0; m < out.length; m++) draws[s]![m]![r] = out[m]!
    })
    if (performance.now() - resumed < SLICE) continue
    await nextTurn(signal)
    resumed = performance.now()
  }
  const shrink = Math.sqrt(rows / all)
  return scorers.map((scorer, s) => {
    const point = points[s]!
    if (some === undefined) return { point, draws: draws[s]! }
    const centre = valuesOf(scorer, base)
    return { point, draws: draws[s]!.map((metric, m) => metric.map((x) => point[m]! + (x - centre[m]!) * shrink)) }
  })
}

function valuesOf(scorer: Scorer, weights: Float64Array): Float64Array {
  const out = new Float64Array(scorer.names.length)
  scorer.score(weights, out)
  return out
}

/** `size` of the row numbers 0 … rows - 1, rising, each set equally likely (Knuth's algorithm S). */
export function sampleRows(rows: number, size: number, rng: Rng): Uint32Array {
  const chosen = new Uint32Array(Math.min(rows, size))
  let found = 0
  for (let row = 0; row < rows && found < chosen.length; row++)
    if (rng.uniform() * (rows - row) < chosen.length - found) chosen[found++] = row
  return chosen
}

/** The 2.5 and 97.5 % points (interpolated) of the replicates that have a value; always around the estimate. */
function interval(value: number, draws: Float64Array): Score {
  const known = draws.filter((x) => Number.isFinite(x)).sort()
  if (known.length === 0) return { value, low: value, high: value }
  const at = (share: number) => {
    const position = share * (known.length - 1)
    const below = Math.floor(position)
    const above = Math.min(below + 1, known.length - 1)
    return known[below]! + (position - below) * (known[above]! - known[below]!)
  }
  return { value, low: Math.min(value, at(0.025)), high: Math.max(value, at(0.975)) }
}

const Z = 1.959963984540054

function widen(score: Score, evidence: number): Score {
  const { value } = score
  if (evidence === Infinity || (evidence >= 10 && value > 0 && value < 1)) return score
  if (evidence === 0) return { value, low: 0, high: 1 }
  const centre = (value + Z ** 2 / (2 * evidence)) / (1 + Z ** 2 / evidence)
  const half =
    (Z / (1 + Z ** 2 / evidence)) * Math.sqrt((value * (1 - value)) / evidence + Z ** 2 / (4 * evidence ** 2))
  const [low, high] = [Math.min(score.low, centre - half), Math.max(score.high, centre + half)]
  return { value, low: Math.max(0, Math.min(low, value)), high: Math.min(1, Math.max(high, value)) }
}
