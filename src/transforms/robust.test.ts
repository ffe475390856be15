import { EXTREMES, NUMBERS, transformConformance } from '../../test/conformance/transform.js'
import recorded from '../../test/golden/sklearn/transforms.json' with { type: 'json' }
import { robust } from './robust.js'

const known = (values: readonly (number | null)[]): number[] => values.filter((value) => value !== null)

transformConformance(robust, [
  { title: 'takes extremes', type: 'number', steps: [{ impute: 'median' }, 'robust'], train: NUMBERS, probe: EXTREMES },
  {
    title: 'takes off the median only where the quartiles are equal',
    type: 'integer',
    steps: ['robust'],
    train: [0, 0, 0, 0, 0, 0, 0, 5],
    probe: [-1],
    expected: [[0, 0, 0, 0, 0, 0, 0, 5, -1]],
  },
  ...Object.entries(recorded.numbers).map(([name, column]) => ({
    title: `equals scikit-learn: ${name}`,
    type: 'number' as const,
    steps: ['robust'],
    train: known(column.values),
    expected: [known(column.robust)],
  })),
])
