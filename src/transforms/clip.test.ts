import { describe, expect, it } from 'vitest'
import { EXTREMES, NUMBERS, transformConformance } from '../../test/conformance/transform.js'
import { clip } from './clip.js'

transformConformance(clip, [
  {
    title: 'holds values at both bounds',
    type: 'number',
    steps: [{ clip: [0, 3] }, { impute: { value: 2 } }],
    train: [-1, 0, 1.5, 3, 4, null],
    probe: [Infinity, -Infinity, NaN],
    expected: [[0, 0, 1.5, 3, 3, 2, 3, 0, 2]],
  },
  { title: 'takes extremes', type: 'number', steps: [{ clip: [-5, 5] }], train: NUMBERS, probe: EXTREMES },
  { title: 'has no upper bound', type: 'number', steps: [{ clip: [0, null] }], train: NUMBERS, probe: EXTREMES },
  { title: 'has no lower bound', type: 'integer', steps: [{ clip: { high: 2 } }], train: [1, 2, 3, null] },
  {
    title: 'makes infinite values fit to scale',
    type: 'number',
    steps: [{ clip: [0, 9] }, 'standard'],
    train: [1, Infinity, -Infinity],
  },
])

describe('clip', () => {
  it.each([
    [undefined, /needs a bound/],
    [[1], /takes \[low, high\]/],
    [[3, 1], /low must not be above high, not \[3,1\]/],
    [['a', 1], /low must be a finite number, not "a"/],
    [{ lo: 1 }, /unknown option "lo"; there are low, high/],
  ])('refuses %j', (given, message) => {
    expect(() => clip.options(given, 'number', { maxCategories: 1 })).toThrow(message)
  })
})
