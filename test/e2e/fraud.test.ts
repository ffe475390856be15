/** The fraud example as a newcomer meets it: a time split, one payment in 580 a fraud, judged by average precision. */
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { evaluationOf, example, resultOf, succeed } from './cli.js'
import { python } from './python.js'

/** A legitimate row of the sample stands for so many: `evaluation.class_weights` of the example. */
const WEIGHTS = '[11.1, 1]'

test('examples/fraud: no worse than logistic regression on the same rows; the file alone says the same', async () => {
  await using fraud = await example('fraud')
  const home = ['--home', join(fraud.path, '.millrace')]
  const result = resultOf(await succeed(['run', fraud.file, '--json']))
  const ours = await evaluationOf(fraud.path, result.run)
  const theirs = await python<{ average_precision: number; rows: number }>(
    'logistic_regression.py',
    join(fraud.path, 'output/features'),
    'Class',
    '1',
    WEIGHTS,
  )
  expect(ours.rows).toBe(theirs.rows)
  const precision = ours.metrics['average_precision']
  expect(precision?.value).toBeGreaterThanOrEqual(theirs.average_precision)
  // published scores of a time split are 0.78 to 0.80: they must lie within what these rows can tell apart
  expect(precision?.low).toBeGreaterThan(0.6)
  expect(precision?.high).toBeGreaterThan(0.78)
  expect(ours.parity.maxDifference).toBeLessThanOrEqual(1e-6)

  const data = join(fraud.path, 'data/creditcard_uniform_sample_all_frauds.parquet')
  const [model, scored] = [join(fraud.path, 'model.onnx'), join(fraud.path, 'scored.csv')]
  await succeed(['export', 'models:/fraud@champion', '--out', model, ...home])
  await succeed(['predict', 'models:/fraud@champion', data, '--out', scored, ...home])
  const same = await python<{ rows: number; difference: number; wrong: number }>(
    'same_predictions.py',
    model,
    data,
    scored,
  )
  expect(same).toMatchObject({ rows: 26_103, wrong: 0 })
  expect(same.difference).toBeLessThanOrEqual(1e-6)
})
