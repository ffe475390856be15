import { expect, test } from 'vitest'
import { schemaAt } from '../config/schema.js'
import { gateMetric } from '../evaluate/gate.js'
import { classificationScorer, regressionScorer } from '../evaluate/scorer.js'
import { CLASSIFICATION_METRICS, isSmallerBetter, METRICS, metricName, REGRESSION_METRICS } from './metrics.js'

const COSTS = { false_positive: 1, false_negative: 5, true_positive: 0, true_negative: 0 }

test('the pipeline file takes every metric that evaluation gives, and no other', () => {
  const labels = Int32Array.of(0, 1)
  const answers = {
    labels,
    probabilities: Float64Array.of(0.7, 0.3, 0.4, 0.6),
    predicted: labels,
    classes: 2,
    costs: COSTS,
  }
  const given = [
    ...classificationScorer({ ...answers, positive: 1 }).names,
    ...regressionScorer(Float64Array.of(1, 2), Float64Array.of(1, 3)).names,
  ]
  for (const metric of given) expect(schemaAt(['gate', 'metric'])?.facts?.rule).toContain(metric)
  expect([...METRICS].sort()).toEqual([...given].sort())
  const two = { kind: 'classification', classes: ['a', 'b'] } as const
  for (const metric of CLASSIFICATION_METRICS) expect(gateMetric(metric, two)).toBe(metric)
  for (const metric of REGRESSION_METRICS) expect(gateMetric(metric, { kind: 'regression' })).toBe(metric)
})

test('a better model has the better value, whichever way that is', () => {
  const score = (scorer: ReturnType<typeof regressionScorer>) => {
    const out = new Float64Array(scorer.names.length)
    scorer.score(new Float64Array(scorer.rows).fill(1), out)
    return new Map(scorer.names.map((name, m) => [name, out[m]!]))
  }
  const labels = Int32Array.of(0, 0, 1, 1)
  const classified = (positive: number[], predicted: number[]) =>
    score(
      classificationScorer({
        labels,
        probabilities: Float64Array.from(positive.flatMap((p) => [1 - p, p])),
        predicted: Int32Array.from(predicted),
        classes: 2,
        positive: 1,
        costs: COSTS,
      }),
    )
  const actual = Float64Array.of(1, 2, 3)
  const good = new Map([
    ...classified([0.1, 0.2, 0.8, 0.9], [0, 0, 1, 1]),
    ...score(regressionScorer(actual, Float64Array.of(1, 2, 3.1))),
  ])
  const bad = new Map([
    ...classified([0.6, 0.7, 0.4, 0.5], [1, 1, 0, 1]),
    ...score(regressionScorer(actual, Float64Array.of(3, 2, 1))),
  ])
  for (const metric of METRICS) expect(good.get(metric)! < bad.get(metric)!, metric).toBe(isSmallerBetter(metric))
})

test('names are for people', () => {
  expect(metricName('roc_auc')).toBe('ROC-AUC')
  expect(METRICS.filter((metric) => metricName(metric).includes('_'))).toEqual([])
  for (const unknown of ['lift', '__proto__', 'constructor']) {
    expect(metricName(unknown)).toBe(unknown)
    expect(isSmallerBetter(unknown)).toBe(false)
  }
})
