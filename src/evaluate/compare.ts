/** Two models on the same rows: what the gate asks about a candidate and the champion. */
import { MillraceError } from '../core/errors.js'
import type { Score } from '../core/documents.js'
import { CLASSIFICATION_METRICS, type Costs, REGRESSION_METRICS } from '../core/metrics.js'
import { affordableReplicates, pairedBootstrap, type BootstrapOptions } from './bootstrap.js'
import { checkClassified, checkPredicted, checkWeights } from './check.js'
import { pointScores, positiveIndex } from './evaluate.js'
import { classificationScorer, decide, regressionScorer, type Scorer } from './scorer.js'
import { nextTurn } from './turn.js'

export interface Comparison {
  /** The champion's value on these rows. */
  readonly value: number
  /** Candidate - champion, with the paired 95 % interval. */
  readonly difference: Score
}

export interface ClassifierAnswers {
  /** [rows, classes], row-major, in the order of the same classes. */
  readonly probabilities: Float32Array | Float64Array
  readonly threshold?: number | undefined
}

/** Undefined where these rows cannot give the metric. Errors as evaluateClassification. */
export async function compareClassifiers(
  question: BootstrapOptions & {
    readonly metric: string
    readonly labels: Int32Array
    readonly classes: readonly string[]
    readonly positive?: string | undefined
    readonly candidate: ClassifierAnswers
    readonly champion: ClassifierAnswers
    /** Two classes, for `cost`: of this file, for both models. */
    readonly costs?: Costs | undefined
  },
): Promise<Comparison | undefined> {
  const { labels, classes, metric } = question
  const k = classes.length
  const positive = k === 2 ? positiveIndex(classes, question.positive) : undefined
  const scorerOf = (who: string, { probabilities, threshold }: ClassifierAnswers) => {
    checkClassified(who, labels, probabilities, k)
    const predicted = decide(probabilities, k, positive, threshold)
    const model = { labels, probabilities, predicted, classes: k, positive, costs: question.costs }
    return classificationScorer(model, [metric])
  }
  checkMetric(metric, CLASSIFICATION_METRICS)
  const candidate = scorerOf('candidate', question.candidate)
  await nextTurn(question.signal)
  return compare(question, candidate, scorerOf('champion', question.champion))
}

/** As compareClassifiers, for two regressions. */
export async function compareRegressions(
  question: BootstrapOptions & {
    readonly metric: string
    readonly actual: Float64Array
    readonly candidate: Float32Array | Float64Array
    readonly champion: Float32Array | Float64Array
  },
): Promise<Comparison | undefined> {
  const { actual, candidate, champion } = question
  checkMetric(question.metric, REGRESSION_METRICS)
  checkPredicted('candidate', actual, candidate)
  checkPredicted('champion', actual, champion)
  return compare(question, regressionScorer(actual, candidate), regressionScorer(actual, champion))
}

function checkMetric(metric: string, known: readonly string[]): void {
  if (!known.includes(metric))
    throw new MillraceError('MR_GATE_METRIC', `${JSON.stringify(metric)} is not among ${known.join(', ')}`)
}

async function compare(
  question: BootstrapOptions & { readonly metric: string },
  candidate: Scorer,
  champion: Scorer,
): Promise<Comparison | undefined> {
  const { metric, weights } = question
  if (!candidate.names.includes(metric)) return undefined // so many classes have no such metric
  checkWeights('test rows', candidate.rows, weights)
  const replicates = affordableReplicates(question.replicates, { ...candidate, passes: 2 * candidate.passes })
  const difference = (await pairedBootstrap(candidate, champion, { ...question, replicates }))[metric]
  const value = pointScores(champion, weights)[metric]
  return difference === undefined || value === undefined ? undefined : { value, difference }
}
