/** Class weights and what labels are like. */
import { expect, test } from 'vitest'
import { makeRows, temporaryFolder, writeRows } from '../../test/conformance/training-data.js'
import { balancedClassWeights, summarizeLabels } from './job.js'
import { ShardReader } from './shard-reader.js'

test('balanced class weights are those of scikit-learn over the classes that occur', () => {
  // compute_class_weight('balanced', classes=[0, 1], y=[0] * 9 + [1]) is [10 / 18, 10 / 2]
  expect(balancedClassWeights([9, 1])).toEqual([10 / 18, 5])
  expect(balancedClassWeights([9, 0, 1])).toEqual([10 / 18, 0, 5])
  expect(balancedClassWeights([0, 0])).toEqual([0, 0])
})

test('labels are counted, or have a mean and a deviation, over all shards', async () => {
  await using folder = await temporaryFolder()
  const classes = { numeric: 1, categories: [], classes: 3 }
  let at = 0
  const counted = makeRows(classes, 10, 1, () => (at++ < 7 ? 0 : 2))
  using reader = new ShardReader(await writeRows(folder.path, 'classes', classes, counted, 4))
  expect(summarizeLabels(reader, 3)).toEqual({ counts: [7, 0, 3], mean: 0, scale: 1 })
  expect(() => summarizeLabels(reader, 2)).toThrow(expect.objectContaining({ code: 'MR_SHARD_VALUE' }) as Error)

  const targets = { numeric: 1, categories: [] }
  at = 0
  const rows = makeRows(targets, 4, 1, () => 1e6 + [1, 2, 3, 6][at++]!)
  using numbers = new ShardReader(await writeRows(folder.path, 'targets', targets, rows, 3))
  expect(summarizeLabels(numbers, 1)).toEqual({ counts: [0], mean: 1_000_003, scale: Math.sqrt(14 / 4) })
})
