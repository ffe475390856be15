/**
 * The whole evaluation of one model on rows that it has never seen: every score with its interval, curves, calibration,
 * slices, and what a constant answer scores. Pure: data and a seed in, the document out.
 */
import type { EvaluationDocument, Score } from '../core/documents.js'
import { type Costs, metricName } from '../core/metrics.js'
import { Rng } from '../core/rng.js'
import type { RecordBatch } from '../core/table.js'
import { affordableReplicates, bootstrap, MOST_ROWS, sampleRows } from './bootstrap.js'
import { calibrationOf } from './calibration.js'
import { checkClassified, checkPredicted, checkWeights } from './check.js'
import { costCurve, precisionRecallCurve, rocCurve } from './curves.js'
import { gateMetric } from './gate.js'
import { confusionMatrix } from './metrics.js'
import type { Ranking } from './ranking.js'
import {
  type Classified,
  classificationScorer,
  decide,
  MOST_RANKED_CLASSES,
  pickModel,
  pickRows,
  questionsOf,
  rankClass,
  RANKED,
  regressionScorer,
  type Scorer,
} from './scorer.js'
import { sliceRows, type Slice } from './slices.js'
import type { Threshold } from './threshold.js'
import { nextTurn } from './turn.js'

/** All of the document but what needs other rooms: parity with the batch path, and the gate. */
export type Evaluation = Omit<EvaluationDocument, 'parity' | 'gate'>

interface CommonInput {
  /** One a test row; 1 each if absent. `weightsDescription` goes into the document. */
  readonly weights?: Float64Array | undefined
  readonly weightsDescription?: string | undefined
  /** The test rows' own columns, in the same row order, and which of them to slice by. */
  readonly slices?: { readonly rows: RecordBatch; readonly columns: readonly string[] } | undefined
  /** The metric of the slices; that of the gate if absent. */
  readonly metric?: string | undefined
  /** Replicates wanted. */
  readonly bootstrap: number
  readonly seed: number
  readonly signal?: AbortSignal | undefined
}

export interface ClassificationInput extends CommonInput {
  /** Class index, a test row. */
  readonly labels: Int32Array
  /** [rows, classes], row-major. */
  readonly probabilities: Float32Array | Float64Array
  /** Ascending. */
  readonly classes: readonly string[]
  /** Two classes: the last, if absent. More: ignored. */
  readonly positive?: string | undefined
  /** Two classes: as the model file has it, and where it is from. One half if absent. More: ignored. */
  readonly threshold?: Threshold | undefined
  /** Two classes: what answers cost, for the score `cost`. */
  readonly costs?: Costs | undefined
  /** How `probabilities` were corrected, and what they were before, in the same shape. */
  readonly calibrated?:
    { readonly method: string; readonly detail: string; readonly before: Float32Array | Float64Array } | undefined
  /** Training rows of each class: what the constant answer knows. */
  readonly trainingCounts: readonly number[]
}

export interface RegressionInput extends CommonInput {
  readonly actual: Float64Array
  readonly predicted: Float32Array | Float64Array
  /** Mean label of the training rows: the constant answer. */
  readonly trainingMean: number
}

const ONE_HALF: Threshold = { value: 0.5, rule: 'one half: none was chosen' }
const SLICE_REPLICATES = 400
const SLICE_ROWS = 20_000
/** Absent classes that a note names. */
const MOST_NAMED = 5
const SCATTER_POINTS = 500
const SCATTER_STREAM = 0x73636174 // 'scat'

/**
 * Scores a classifier. Metrics that the test rows cannot give (one class only, …) are left out, with the reason in
 * `notes`; so are those by rank for more than 30 classes. Yields to the event loop between its steps, and every few
 * milliseconds while it resamples.
 * @throws MR_EVALUATION_* for no rows, contradicting arrays, answers that are not finite, unknown slice columns
 */
export async function evaluateClassification(input: ClassificationInput): Promise<Evaluation> {
  const { labels, probabilities, classes, weights } = input
  const k = classes.length
  const step = () => nextTurn(input.signal)
  checkClassified('test rows', labels, probabilities, k)
  checkWeights('test rows', labels.length, weights)
  await step()
  const positive = k === 2 ? positiveIndex(classes, input.positive) : undefined
  const notes: string[] = []

  const threshold = positive === undefined ? undefined : (input.threshold ?? ONE_HALF)
  const predicted = decide(probabilities, k, positive, threshold?.value)
  const model = { labels, probabilities, predicted, classes: k, positive, costs: input.costs }
  await step()
  const rankings = k > MOST_RANKED_CLASSES ? [] : await rankClasses(model, step)
  const ranking = positive === undefined ? undefined : rankings[0]
  const scorer = classificationScorer(model, undefined, rankings)
  await step()
  const replicates = affordableReplicates(input.bootstrap, scorer)
  const metrics = await bootstrap(scorer, { ...input, replicates })
  noteClasses(input, positive, metrics, notes)

  const confusion = confusionMatrix(labels, predicted, k, weights)
  await step()
  if (positive !== undefined && !predicted.includes(positive) && metrics['precision'] !== undefined)
    notes.push(`no row is predicted ${show(classes[positive]!)} at this threshold: precision is given as 0`)
  const task = {
    kind: 'classification',
    classes,
    ...(positive === undefined ? {} : { positive: classes[positive]! }),
  } as const
  const metric = gateMetric(input.metric, task, positive === undefined ? undefined : share(labels, positive, weights))
  const ofTwo = [...RANKED, 'recall', 'f1'].includes(metric)
  const slices = await scoreSlices(input, metric, notes, (rows) => {
    const single = ofTwo && rows.every((row) => labels[row] === labels[rows[0]!])
    return classificationScorer(pickModel(model, rows), [
      single || !scorer.names.includes(metric) ? 'accuracy' : metric,
    ])
  })
  const curves = ranking === undefined ? {} : await curvesOf(ranking, weights, step)
  const calibration = calibrationOf(model, weights, ranking)
  await step()
  const calibrated = await beforeCalibration(input, model, metrics, notes, step)
  const costs = ranking === undefined || input.costs === undefined ? undefined : costsOf(input.costs, ranking, weights)
  await step()
  return {
    split: 'test',
    rows: labels.length,
    task,
    metrics,
    ...(threshold === undefined ? {} : { threshold }),
    confusion: classes.map((_, c) => Array.from(confusion.subarray(c * k, (c + 1) * k))),
    ...curves,
    calibration,
    ...(calibrated === undefined ? {} : { calibrated }),
    ...(costs === undefined ? {} : { costs }),
    slices,
    ...(input.weightsDescription === undefined ? {} : { weights: input.weightsDescription }),
    baseline: {
      ...constantClass(input, positive),
      ...(costs === undefined ? {} : { cost: Math.min(costs.none, costs.all) }),
    },
    bootstrap: method(input.bootstrap, replicates, scorer.rows),
    ...(notes.length === 0 ? {} : { notes }),
  }
}

/** Scores a regression: MAE, RMSE, R², a sample of points, slices. As evaluateClassification otherwise. */
export async function evaluateRegression(input: RegressionInput): Promise<Evaluation> {
  const { actual, predicted, weights } = input
  checkPredicted('test rows', actual, predicted)
  checkWeights('test rows', actual.length, weights)
  await nextTurn(input.signal)
  const notes: string[] = []
  const scorer = regressionScorer(actual, predicted)
  const replicates = affordableReplicates(input.bootstrap, scorer)
  const metrics = await bootstrap(scorer, { ...input, replicates })
  if (metrics['r2'] === undefined) notes.push('R² is left out: all true values of the test rows are the same')
  const metric = gateMetric(input.metric, { kind: 'regression' })
  const slices = await scoreSlices(input, metric, notes, (rows) =>
    regressionScorer(pickRows(actual, rows) as Float64Array, pickRows(predicted, rows)),
  )
  const constant = regressionScorer(actual, new Float64Array(actual.length).fill(input.trainingMean))
  return {
    split: 'test',
    rows: actual.length,
    task: { kind: 'regression' },
    metrics,
    scatter: Array.from(sampleRows(actual.length, SCATTER_POINTS, new Rng(input.seed, SCATTER_STREAM)), (row) => ({
      actual: actual[row]!,
      predicted: predicted[row]!,
    })),
    slices,
    ...(input.weightsDescription === undefined ? {} : { weights: input.weightsDescription }),
    baseline: pointScores(constant, weights),
    bootstrap: method(input.bootstrap, replicates, scorer.rows),
    ...(notes.length === 0 ? {} : { notes }),
  }
}

/** The metrics at the base weights, without intervals; undefined ones are absent. */
export function pointScores(scorer: Scorer, weights?: Float64Array): Record<string, number> {
  const out = new Float64Array(scorer.names.length)
  scorer.score(weights ?? new Float64Array(scorer.rows).fill(1), out)
  return Object.fromEntries(
    scorer.names.map((name, m) => [name, out[m]!] as const).filter(([, v]) => Number.isFinite(v)),
  )
}

/** Index of the positive of two classes: the one named, else the last. An unknown name falls to the last too. */
export function positiveIndex(classes: readonly string[], positive?: string): number {
  const index = positive === undefined ? -1 : classes.indexOf(positive)
  return index >= 0 ? index : classes.length - 1
}

async function rankClasses(model: Classified, step: () => Promise<void>): Promise<readonly Ranking[]> {
  const rankings: Ranking[] = []
  for (const c of questionsOf(model)) {
    rankings.push(rankClass(model, c))
    await step()
  }
  return rankings
}

async function curvesOf(
  ranking: Ranking,
  weights: Float64Array | undefined,
  step: () => Promise<void>,
): Promise<Pick<Evaluation, 'roc' | 'precisionRecall'>> {
  const roc = rocCurve(ranking, weights)
  await step()
  const precisionRecall = precisionRecallCurve(ranking, weights)
  await step()
  return { roc, precisionRecall }
}

/** The same test rows by the probabilities that were there before they were corrected. */
async function beforeCalibration(
  { calibrated, weights }: ClassificationInput,
  model: Classified,
  metrics: Record<string, Score>,
  notes: string[],
  step: () => Promise<void>,
): Promise<Evaluation['calibrated']> {
  if (calibrated === undefined) return undefined
  const { method, detail, before } = calibrated
  const old = { ...model, probabilities: before }
  checkClassified('test rows before calibration', old.labels, before, old.classes)
  const { ece, brier, bins } = calibrationOf(old, weights)
  await step()
  const { log_loss, roc_auc } = pointScores(classificationScorer(old, ['log_loss', 'roc_auc']), weights)
  const rocAuc = metrics['roc_auc']?.value
  if (roc_auc !== undefined && rocAuc !== undefined && roc_auc !== rocAuc && method === 'isotonic')
    notes.push(
      `isotonic calibration gives one probability to all rows of a step, so their order is lost: ` +
        `ROC-AUC was ${roc_auc.toFixed(4)} before, ${rocAuc.toFixed(4)} now`,
    )
  return {
    method,
    detail,
    eceBefore: ece,
    brierBefore: brier,
    logLossBefore: log_loss ?? 0,
    ...(roc_auc === undefined || rocAuc === undefined ? {} : { rocAucBefore: roc_auc }),
    binsBefore: bins,
  }
}

function costsOf(table: Costs, ranking: Ranking, weights: Float64Array | undefined): NonNullable<Evaluation['costs']> {
  const curve = costCurve(ranking, table, weights)
  return { table, none: curve.at(-1)!.cost, all: curve[0]!.cost, curve }
}

/** Why a metric is missing, and which classes no test row has. */
function noteClasses(
  { labels, classes }: ClassificationInput,
  positive: number | undefined,
  metrics: Record<string, Score>,
  notes: string[],
): void {
  if (classes.length > MOST_RANKED_CLASSES)
    notes.push(
      `${RANKED.map(metricName).join(', ')} left out: there are ${classes.length} classes; with more than ` +
        `${MOST_RANKED_CLASSES} their intervals would take minutes`,
    )
  const present = new Uint8Array(classes.length)
  for (const label of labels) present[label] = 1
  const absent = classes.filter((_, c) => present[c] === 0)
  if (absent.length === 0) return
  if (absent.length === classes.length - 1) {
    // Ranking rows of one class against nothing says nothing, even where a formula gives 1.
    for (const name of RANKED) delete metrics[name]
    const left = [...RANKED, 'recall', 'f1'].filter((name) => metrics[name] === undefined)
    notes.push(
      `${left.map(metricName).join(', ')} left out: all test rows are of the class ${show(classes[labels[0]!]!)}`,
    )
  } else if (positive === undefined) {
    const more = absent.length > MOST_NAMED ? ` and ${absent.length - MOST_NAMED} more` : ''
    const named = absent.slice(0, MOST_NAMED).map(show).join(', ')
    notes.push(`no test row is of the class ${named}${more}: means over classes leave it out`)
  }
}

/** The most frequent class of the training rows as the answer, their shares as its probabilities. */
function constantClass(
  { labels, classes, trainingCounts, weights }: ClassificationInput,
  positive: number | undefined,
): Record<string, number> {
  const k = classes.length
  const all = trainingCounts.reduce((a, b) => a + b, 0)
  const prior = classes.map((_, c) => (all > 0 ? (trainingCounts[c] ?? 0) / all : 1 / k))
  // Rows of one class are all answered alike, so one row a class with their weight stands for them.
  const byClass = new Float64Array(k)
  for (let i = 0; i < labels.length; i++) byClass[labels[i]!]! += weights === undefined ? 1 : weights[i]!
  const probabilities = new Float64Array(k * k)
  for (let i = 0; i < probabilities.length; i++) probabilities[i] = prior[i % k]!
  const answers = {
    labels: Int32Array.from(classes, (_, c) => c),
    probabilities,
    predicted: new Int32Array(k).fill(prior.indexOf(prior.reduce((a, b) => Math.max(a, b)))),
    classes: k,
    positive,
  }
  const scores = pointScores(classificationScorer(answers), byClass)
  if (labels.every((label) => label === labels[0])) for (const name of RANKED) delete scores[name]
  return scores
}

async function scoreSlices(
  input: CommonInput,
  metric: string,
  notes: string[],
  scorerOf: (rows: Uint32Array) => Scorer,
): Promise<Evaluation['slices']> {
  if (input.slices === undefined) return []
  const scored: Evaluation['slices'][number][] = []
  const without: Slice[] = []
  for (const slice of await slicesOf(input.slices, input.signal)) {
    const scorer = scorerOf(slice.rows)
    const weights = input.weights === undefined ? undefined : (pickRows(input.weights, slice.rows) as Float64Array)
    const replicates = affordableReplicates(Math.min(input.bootstrap, SLICE_REPLICATES), scorer, SLICE_ROWS)
    const scores = await bootstrap(scorer, { ...input, weights, replicates, mostRows: SLICE_ROWS })
    const name = scores[metric] === undefined ? scorer.names[0]! : metric
    const score = scores[name]
    if (score === undefined) without.push(slice)
    else scored.push({ column: slice.column, value: slice.value, rows: slice.rows.length, metric: name, score })
  }
  for (const { column, value } of without) notes.push(`slice ${column} = ${show(value)} has no ${metricName(metric)}`)
  return scored
}

async function slicesOf(
  { rows, columns }: NonNullable<CommonInput['slices']>,
  signal: AbortSignal | undefined,
): Promise<readonly Slice[]> {
  const slices: Slice[] = []
  for (const column of columns) {
    slices.push(...sliceRows(rows, [column]))
    await nextTurn(signal)
  }
  return slices
}

function share(labels: Int32Array, positive: number, weights: Float64Array | undefined): number {
  let [of, all] = [0, 0]
  for (let i = 0; i < labels.length; i++) {
    const weight = weights === undefined ? 1 : weights[i]!
    all += weight
    if (labels[i] === positive) of += weight
  }
  return of / all
}

function method(wanted: number, replicates: number, rows: number): NonNullable<Evaluation['bootstrap']> {
  const fewer = replicates < wanted ? ` (${wanted} were asked for; with so many rows that takes too long)` : ''
  const sampled = rows > MOST_ROWS ? ` of a sample of ${MOST_ROWS} rows, scaled to all ${rows}` : ''
  return {
    replicates,
    sliceReplicates: Math.min(replicates, SLICE_REPLICATES),
    method:
      `95 % percentile bootstrap over rows, ${replicates} replicates${fewer}${sampled}; ` +
      "at 0, at 1 or with under 10 rows, Wilson's interval",
  }
}

const show = (name: string) => JSON.stringify(name)
