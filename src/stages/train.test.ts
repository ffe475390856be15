import { expect, test } from 'vitest'
import type { NetworkSpec } from '../train/trainer.js'
import { tableNote } from './train.js'

const network = (size: number, hidden: readonly number[]): NetworkSpec => ({
  numeric: 1,
  categories: [size],
  hidden,
  outputs: 2,
  task: 'classification',
})

test('many categories in many steps are said to cost, with the ways out', () => {
  expect(tableNote(network(100_001, [64, 32]), 280_000, 256)).toBe(
    '100001 categories have 6400064 weights, and each of 1094 steps of an epoch updates all of them: ' +
      'a larger training.batch_size (256) or a smaller max_categories is faster',
  )
  // few weights a category, few categories, few steps
  expect(tableNote(network(100_001, []), 280_000, 256)).toBeUndefined()
  expect(tableNote(network(101, [64]), 280_000, 256)).toBeUndefined()
  expect(tableNote(network(100_001, [64]), 280_000, 4096)).toBeUndefined()
})
