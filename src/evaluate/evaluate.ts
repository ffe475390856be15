/**
 * The whole evaluation of one model on rows that it has never seen: every score with its interval, curves, calibration,
 * slices, and what a constant answer scores. Pure: data and a seed in, the document out.
 */
import type { EvaluationDocument, Score } from '../core/documents.js'
import { Rng } from '../core/rng.js'
import type { RecordBatch } from '../core/table.js'
import { affordableReplicates, bootstrap, MOST_ROWS, sampleRows } from './bootstrap.js'
import { calibrate } from './calibration.js'
import { checkClassified, checkPredicted, checkWeights } from './check.js'
import { precisionRecallCurve, rocCurve } from './curves.js'
import { gateMetric } from './gate.js'
import { confusionMatrix } from './metrics.js'
import { rankRows, type Ranking } from './ranking.js'
import {
  classColumn,
  classificationScorer,
  decide,
  pickModel,
  pickRows,
  regressionScorer,
  type Scorer,
} from './scorer.js'
import { sliceRows, type Slice } from './slices.js'
import { chooseThreshold, type ThresholdRule } from './threshold.js'

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
  /** Two classes: what the threshold maximises on the validation rows, or the threshold itself. */
  readonly threshold: ThresholdRule | number
  readonly validation: {
    readonly labels: Int32Array
    readonly probabilities: Float32Array | Float64Array
    readonly weights?: Float64Array | undefined
  }
  /** Training rows of each class: what the constant answer knows. */
  readonly trainingCounts: readonly number[]
}

export interface RegressionInput extends CommonInput {
  readonly actual: Float64Array
  readonly predicted: Float32Array | Float64Array
  /** Mean label of the training rows: the constant answer. */
  readonly trainingMean: number
}

const SLICE_REPLICATES = 400
const SLICE_ROWS = 20_000
const SCATTER_POINTS = 500
const SCATTER_STREAM = 0x73636174 // 'scat'

/**
 * Scores a classifier. Metrics that the test rows cannot give (one class only, …) are left out, with the reason in
 * `notes`. Yields to the event loop every few milliseconds.
 * @throws MR_EVALUATION_* for no rows, contradicting arrays, answers that are not finite, unknown slice columns
 */
export async function evaluateClassification(input: ClassificationInput): Promise<Evaluation> {
  const { labels, probabilities, classes, weights } = input
  const k = classes.length
  checkClassified('test rows', labels, probabilities, k)
  checkWeights('test rows', labels.length, weights)
  const positive = k === 2 ? positiveIndex(classes, input.positive) : undefined
  const notes: string[] = []

  let threshold: { value: number; rule: string } | undefined
  let ranking: Ranking | undefined
  if (positive !== undefined) {
    threshold = thresholdOf(input, positive)
    ranking = rankRows(classColumn(probabilities, k, positive), (row) => labels[row] === positive)
  }
  const predicted = decide(probabilities, k, positive, threshold?.value)
  const model = { labels, probabilities, predicted, classes: k, positive }
  const scorer = classificationScorer(model, undefined, ranking)
  const replicates = affordableReplicates(input.bootstrap, scorer)
  const metrics = await bootstrap(scorer, { ...input, replicates })
  noteClasses(input, positive, metrics, notes)

  const confusion = confusionMatrix(labels, predicted, k, weights)
  if (positive !== undefined && !predicted.includes(positive) && metrics['precision'] !== undefined)
    notes.push(`no row is predicted ${show(classes[positive]!)} at this threshold: precision is given as 0`)
  const task = {
    kind: 'classification',
    classes,
    ...(positive === undefined ? {} : { positive: classes[positive]! }),
  } as const
  const metric = gateMetric(input.metric, task, positive === undefined ? undefined : share(labels, positive, weights))
  const ranked = metric === 'roc_auc' || metric === 'average_precision' || metric === 'recall' || metric === 'f1'
  const slices = await scoreSlices(input, metric, notes, (rows) => {
    const single = rows.every((row) => labels[row] === labels[rows[0]!])
    return classificationScorer(pickModel(model, rows), [single && ranked ? 'accuracy' : metric])
  })
  return {
    split: 'test',
    rows: labels.length,
    task,
    metrics,
    ...(threshold === undefined ? {} : { threshold }),
    confusion: classes.map((_, c) => Array.from(confusion.subarray(c * k, (c + 1) * k))),
    ...(ranking === undefined
      ? {}
      : {
          roc: rocCurve(ranking, weights),
          precisionRecall: precisionRecallCurve(ranking, weights),
          calibration: calibrate(ranking, weights),
        }),
    slices,
    ...(input.weightsDescription === undefined ? {} : { weights: input.weightsDescription }),
    baseline: constantClass(input, positive),
    bootstrap: method(input.bootstrap, replicates, scorer.rows),
    ...(notes.length === 0 ? {} : { notes }),
  }
}

/** Scores a regression: MAE, RMSE, R², a sample of points, slices. As evaluateClassification otherwise. */
export async function evaluateRegression(input: RegressionInput): Promise<Evaluation> {
  const { actual, predicted, weights } = input
  checkPredicted('test rows', actual, predicted)
  checkWeights('test rows', actual.length, weights)
  const notes: string[] = []
  const scorer = regressionScorer(actual, predicted)
  const replicates = affordableReplicates(input.bootstrap, scorer)
  const metrics = await bootstrap(scorer, { ...input, replicates })
  if (metrics['r2'] === undefined) notes.push('r2 is left out: all true values of the test rows are the same')
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

function thresholdOf({ threshold, validation, classes }: ClassificationInput, positive: number) {
  if (typeof threshold === 'number') return { value: threshold, rule: 'given by the file' }
  if (validation.labels.length === 0)
    return { value: 0.5, rule: `0.5, because there are no validation rows (wanted: highest ${threshold})` }
  const k = classes.length
  checkClassified('validation rows', validation.labels, validation.probabilities, k)
  checkWeights('validation rows', validation.labels.length, validation.weights)
  const ranking = rankRows(
    classColumn(validation.probabilities, k, positive),
    (row) => validation.labels[row] === positive,
  )
  return chooseThreshold(threshold, ranking, validation.weights)
}

/** Why a metric is missing, and which classes no test row has. */
function noteClasses(
  { labels, classes }: ClassificationInput,
  positive: number | undefined,
  metrics: Record<string, Score>,
  notes: string[],
): void {
  const absent = classes.filter((_, c) => !labels.includes(c))
  if (absent.length === 0) return
  if (absent.length === classes.length - 1) {
    // Ranking rows of one class against nothing says nothing, even where a formula gives 1.
    for (const name of ['roc_auc', 'average_precision']) delete metrics[name]
    const left = ['roc_auc', 'average_precision', 'recall', 'f1'].filter((name) => metrics[name] === undefined)
    notes.push(`${left.join(', ')} left out: all test rows are of the class ${show(classes[labels[0]!]!)}`)
  } else if (positive === undefined)
    notes.push(`no test row is of the class ${absent.map(show).join(', ')}: means over classes leave it out`)
}

/** The most frequent class of the training rows as the answer, their shares as its probabilities. */
function constantClass(
  { labels, classes, trainingCounts, weights }: ClassificationInput,
  positive: number | undefined,
): Record<string, number> {
  const k = classes.length
  const all = trainingCounts.reduce((a, b) => a + b, 0)
  const prior = classes.map((_, c) => (all > 0 ? (trainingCounts[c] ?? 0) / all : 1 / k))
  const probabilities = new Float64Array(labels.length * k)
  for (let i = 0; i < probabilities.length; i++) probabilities[i] = prior[i % k]!
  const predicted = new Int32Array(labels.length).fill(prior.indexOf(Math.max(...prior)))
  const scores = pointScores(classificationScorer({ labels, probabilities, predicted, classes: k, positive }), weights)
  if (labels.every((label) => label === labels[0])) {
    delete scores['roc_auc']
    delete scores['average_precision']
  }
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
  for (const slice of sliceRows(input.slices.rows, input.slices.columns)) {
    const scorer = scorerOf(slice.rows)
    const weights = input.weights === undefined ? undefined : (pickRows(input.weights, slice.rows) as Float64Array)
    const replicates = affordableReplicates(Math.min(input.bootstrap, SLICE_REPLICATES), scorer, SLICE_ROWS)
    const scores = await bootstrap(scorer, { ...input, weights, replicates, mostRows: SLICE_ROWS })
    const name = scores[metric] === undefined ? scorer.names[0]! : metric
    const score = scores[name]
    if (score === undefined) without.push(slice)
    else scored.push({ column: slice.column, value: slice.value, rows: slice.rows.length, metric: name, score })
  }
  for (const { column, value } of without) notes.push(`slice ${column} = ${show(value)} has no ${metric}`)
  return scored
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
