import { describe, expect, it } from 'vitest'
import { EXTREMES, NUMBERS, transformConformance } from '../../test/conformance/transform.js'
import recorded from '../../test/golden/sklearn/transforms.json' with { type: 'json' }
import { impute } from './impute.js'

const STRATEGIES = ['mean', 'median', 'mode', 'constant', 'drop'] as const
const step = (strategy: (typeof STRATEGIES)[number], indicator = false) => ({
  impute: { strategy, indicator, ...(strategy === 'constant' ? { value: -7 } : {}) },
})

transformConformance(impute, [
  ...STRATEGIES.map((strategy) => ({
    title: `${strategy} takes extremes`,
    type: 'number' as const,
    steps: [step(strategy)],
    train: NUMBERS,
    probe: EXTREMES,
  })),
  ...STRATEGIES.flatMap((strategy) =>
    Object.entries(recorded.numbers).map(([name, column]) => ({
      title: `${strategy} with indicator equals scikit-learn: ${name}`,
      type: 'number' as const,
      steps: [step(strategy, true)],
      train: column.values,
      expected: [column[`impute ${strategy === 'drop' ? 'median' : strategy}`], column.indicator],
    })),
  ),
  {
    title: 'keeps the indicator out of later steps',
    type: 'number',
    steps: [{ impute: { strategy: 'mean', indicator: true } }, 'min_max'],
    train: [0, null, 4],
    expected: [
      [0, 0.5, 1],
      [0, 1, 0],
    ],
  },
  {
    title: 'takes whole numbers',
    type: 'integer',
    steps: [{ impute: 'mode' }],
    train: [10, 2, 10, 2, null],
    expected: [[10, 2, 10, 2, 2]],
  },
  {
    title: 'takes booleans',
    type: 'boolean',
    steps: [{ impute: 'mode' }],
    train: [true, false, true, null],
    expected: [[1, 0, 1, 1]],
  },
  {
    title: 'takes a boolean constant',
    type: 'boolean',
    steps: [{ impute: false }],
    train: [true, null],
    expected: [[1, 0]],
  },
  {
    title: 'takes texts, empty ones too',
    type: 'text',
    steps: [{ impute: { strategy: 'mode', indicator: true } }, 'index'],
    train: ['b', 'a', '', null, 'b'],
    probe: ['unseen', ''],
    expected: [
      [0, 0, 1, 1, 0, 0, 1],
      [0, 1, 0, 0, 0, 2, 0],
    ],
  },
  {
    title: 'gives missing texts an index of their own by a constant',
    type: 'text',
    steps: [{ impute: { value: 'it\'s "missing"' } }, 'index'],
    train: ['a', '', null],
    probe: ['b'],
    expected: [[1, 0, 0, 2]],
  },
  {
    title: 'drop gives texts that stay the mode',
    type: 'text',
    steps: [{ impute: 'drop' }, 'index'],
    train: ['b', 'b', 'a'],
    probe: [null, ''],
    expected: [[0, 0, 1, 0, 0]],
  },
  {
    title: 'drop gives booleans that stay the mode',
    type: 'boolean',
    steps: [{ impute: 'drop' }],
    train: [true, false, true],
    probe: [null],
    expected: [[1, 0, 1, 1]],
  },
  {
    title: 'drop gives parts of times that stay the median',
    type: 'date',
    steps: [{ date_parts: ['day'] }, { impute: 'drop' }],
    train: [0n, 86_400_000_000n, 172_800_000_000n],
    probe: [null],
    expected: [[1, 2, 3, 2]],
  },
  {
    title: 'fills a column without values by a constant',
    type: 'number',
    steps: [{ impute: { value: 3 } }, 'standard'],
    train: [null, NaN],
    expected: [[0, 0]],
  },
])

describe('impute', () => {
  it.each([
    [
      'number',
      { strategy: 'meen' },
      /strategy of a number column must be one of mean, median, mode, constant, drop, not "meen"/,
    ],
    ['text', 'mean', /strategy of a text column must be one of mode, constant, drop, not "mean"/],
    ['number', { strategy: 'constant' }, /value must be a finite number, not undefined/],
    ['number', { strategy: 'constant', value: '3' }, /value must be a finite number, not "3"/],
    ['text', { value: '' }, /text that is not empty, not ""/],
    ['number', { strategy: 'mean', value: 3 }, /value goes with the strategy constant only/],
    ['number', { indicator: 'yes' }, /indicator must be true or false, not "yes"/],
    ['number', { stratgy: 'mean' }, /unknown option "stratgy"; there are strategy, value, indicator/],
    ['number', ['mean'], /options are a map of strategy, value, indicator, not \["mean"\]/],
  ] as const)('refuses on a %s column %j', (kind, given, message) => {
    expect(() => impute.options(given, kind, { maxCategories: 1 })).toThrow(message)
  })

  it('finds no mode among too many equally frequent numbers', () => {
    const values = Array.from({ length: 1000 }, (_, i) => ({ value: String(i), count: 1 }))
    const options = { strategy: 'mode', indicator: false } as const
    expect(() => impute.fit({ rows: 2000, missing: 0, values, distinct: 2000 }, options, 'number')).toThrow(
      /none is the mode/,
    )
    expect(impute.fit({ rows: 1000, missing: 0, values, distinct: 1000 }, options, 'number').value).toBe(0)
  })
})
