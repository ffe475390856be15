import { EXTREMES, NUMBERS, transformConformance } from '../../test/conformance/transform.js'
import recorded from '../../test/golden/sklearn/transforms.json' with { type: 'json' }
import { minMax } from './min_max.js'

const known = (values: readonly (number | null)[]): number[] => values.filter((value) => value !== null)

transformConformance(minMax, [
  { title: 'takes extremes', type: 'number', steps: [{ impute: 'mean' }, 'min_max'], train: NUMBERS, probe: EXTREMES },
  {
    title: 'gives zeros for a constant column',
    type: 'integer',
    steps: ['min_max'],
    train: [3, 3, null],
    probe: [9],
    expected: [[0, 0, 0, 0]],
  },
  {
    title: 'counts booleans as 0 and 1',
    type: 'boolean',
    steps: ['min_max'],
    train: [true, false, true, null],
    expected: [[1, 0, 1, 1]],
  },
  ...Object.entries(recorded.numbers).map(([name, column]) => ({
    title: `equals scikit-learn: ${name}`,
    type: 'number' as const,
    steps: ['min_max'],
    train: known(column.values),
    expected: [known(column.min_max)],
  })),
])
