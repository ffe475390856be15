import { describe, expect, it } from 'vitest'
import { EXTREMES, transformConformance } from '../../test/conformance/transform.js'
import recorded from '../../test/golden/sklearn/transforms.json' with { type: 'json' }
import { log } from './log.js'

const known = (values: readonly (number | null)[]): number[] => values.filter((value) => value !== null)

const positive = [1.5, null, 0, -0, 4, NaN, 0.1, 1e6, 5e-324]
transformConformance(
  log,
  [
    {
      title: 'takes extremes, held at the edge of its domain',
      type: 'number',
      steps: ['log'],
      train: positive,
      probe: EXTREMES,
    },
    {
      title: 'counts at least as the smaller of 1 and the training minimum',
      type: 'number',
      steps: [{ log: { offset: 0 } }],
      train: [0.5, 8],
      probe: [-3, 0, 0.25, 0.75],
      expected: [[0.5, 8, 0.5, 0.5, 0.5, 0.75].map((value) => Math.log(value))],
    },
    { title: 'is scaled further', type: 'integer', steps: ['log', 'standard'], train: [1, 10, 100, null], probe: [-5] },
    ...Object.entries(recorded.numbers).map(([name, column]) => ({
      title: `equals numpy's log1p: ${name}`,
      type: 'number' as const,
      steps: ['log'],
      train: known(column.values).map((value) => Math.abs(value)),
      expected: [known(column.log1p)],
    })),
  ],
  { tolerance: 1e-6 },
)

describe('log', () => {
  it('refuses training rows outside its domain, naming the minimum', () => {
    expect(() => log.fit({ rows: 2, missing: 0, min: -1, max: 3 }, 1, 'number')).toThrow(/-1, plus the offset 1 is 0/)
    expect(() => log.fit({ rows: 2, missing: 0, min: -Infinity, max: 3 }, 1, 'number')).toThrow(/must be finite/)
  })
})
