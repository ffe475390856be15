import { describe, expect, it } from 'vitest'
import { type TransformCase, transformConformance } from '../../test/conformance/transform.js'
import recorded from '../../test/golden/sklearn/transforms.json' with { type: 'json' }
import { index, oneHot } from './vocabulary.js'

const HOSTILE = [
  "it's",
  '"quoted"',
  'a,b',
  'tab\t',
  'line\nbreak',
  '日本',
  '👩‍👩‍👧',
  ' ',
  'NULL',
  'null',
  '\\',
  '%',
  '__proto__',
  'É',
  'é',
  'Ε',
]
const COUNTED = ['b', 'b', 'b', 'a', 'a', 'c', 'c', 'rare', null, '']

for (const [transform, name] of [
  [index, 'index'],
  [oneHot, 'one_hot'],
] as const)
  transformConformance(transform, [
    {
      title: 'orders by frequency, ties by bytes; unseen and missing are last',
      type: 'text',
      steps: [name],
      train: COUNTED,
      probe: ['unseen', 'B', 'b '],
      expected: [[0, 0, 0, 1, 1, 2, 2, 3, 4, 4, 4, 4, 4]],
    },
    {
      title: 'shares the last index beyond max_categories',
      type: 'text',
      steps: [{ [name]: { max_categories: 2 } }],
      train: COUNTED,
      probe: ['unseen'],
      expected: [[0, 0, 0, 1, 1, 2, 2, 2, 2, 2, 2]],
    },
    {
      title: 'shares the last index below min_count',
      type: 'text',
      steps: [{ [name]: { min_count: 3 } }],
      train: COUNTED,
      expected: [[0, 0, 0, 1, 1, 1, 1, 1, 1, 1]],
    },
    {
      title: 'orders ties by UTF-8 bytes',
      type: 'text',
      steps: [name],
      train: ['\u{1F600}', '\uFFFD', 'z', 'é', 'Z'],
      expected: [[4, 3, 1, 2, 0]],
    },
    { title: 'takes hostile texts', type: 'text', steps: [name], train: HOSTILE, probe: ['e', 'it', "it''s"] },
    {
      title: 'takes a column without values',
      type: 'text',
      steps: [name],
      train: [null, ''],
      probe: ['a'],
      expected: [[0, 0, 0]],
    },
    {
      title: 'takes one value',
      type: 'text',
      steps: [name],
      train: ['only', 'only'],
      probe: [null],
      expected: [[0, 0, 1]],
    },
    {
      title: 'takes whole numbers as text; beyond 2^53 missing',
      type: 'integer',
      steps: [name],
      train: [10, 10, 2, -3, -3, -3, null, 0],
      probe: [2 ** 53, 9223372036854774784, 7],
      expected: [[1, 1, 3, 0, 0, 0, 4, 2, 4, 4, 4]],
    },
    {
      title: 'takes booleans',
      type: 'boolean',
      steps: [name],
      train: [true, false, true, null],
      expected: [[0, 1, 0, 2]],
    },
    ...Object.entries(recorded.texts).map(([title, column]): TransformCase => ({
      title: `equals scikit-learn: ${title}`,
      type: 'text',
      steps: [name],
      train: column.values,
      probe: column.probe.slice(column.values.length),
      expected: [
        name === 'index' ? column.index : column.one_hot.map((row) => (row.includes(1) ? row.indexOf(1) : row.length)),
      ],
    })),
  ])

describe('one_hot', () => {
  it.each([
    [{ max_categories: 0 }, /max_categories must be a whole number from 1 to 1000000, not 0/],
    [{ max_categories: 2.5 }, /max_categories must be a whole number/],
    [{ min_count: -1 }, /min_count must be a whole number/],
    [{ max_catgories: 3 }, /unknown option "max_catgories"; there are max_categories, min_count/],
  ])('refuses %j', (given, message) => {
    expect(() => oneHot.options(given, 'text', { maxCategories: 20 })).toThrow(message)
  })

  it('takes the cap of the pipeline file where the step names none', () => {
    expect(oneHot.options(undefined, 'text', { maxCategories: 7 })).toEqual({ maxCategories: 7, minCount: 1 })
    expect(oneHot.options(50, 'text', { maxCategories: 7 })).toEqual({ maxCategories: 50, minCount: 1 })
  })

  it('says what shares the last index', () => {
    expect(oneHot.describe({ values: ['a', 'b'], others: 5 })).toBe(
      'one_hot (2 values: "a", "b"; one index for 5 rarer, unseen and missing)',
    )
  })
})
