import { EXTREMES, NUMBERS, transformConformance } from '../../test/conformance/transform.js'
import recorded from '../../test/golden/sklearn/transforms.json' with { type: 'json' }
import { standard } from './standard.js'

const known = (values: readonly (number | null)[]): number[] => values.filter((value) => value !== null)

/** scikit-learn scales by the population deviation, this by the sample's: smaller by sqrt((n-1)/n). */
const factor = (values: readonly (number | null)[]): number => {
  const n = known(values).length
  return n < 2 ? 0 : Math.sqrt((n - 1) / n)
}

transformConformance(standard, [
  {
    title: 'gives zeros for a constant column, other values included',
    type: 'number',
    steps: [{ impute: 'mean' }, 'standard'],
    train: [0.1, 0.1, 0.1, 0.1, 0.1, 0.1, 0.1],
    probe: EXTREMES,
    expected: [new Array<number>(7 + EXTREMES.length).fill(0)],
  },
  { title: 'takes extremes', type: 'number', steps: [{ impute: 'mean' }, 'standard'], train: NUMBERS, probe: EXTREMES },
  { title: 'comes before impute', type: 'number', steps: ['standard'], train: NUMBERS, probe: EXTREMES },
  { title: 'takes large whole numbers', type: 'integer', steps: ['standard'], train: [2 ** 53, 2 ** 53 - 1, null, 7] },
  { title: 'counts booleans as 0 and 1', type: 'boolean', steps: ['standard'], train: [true, false, null, true] },
  {
    title: 'divides by what is one as a single but not as a double',
    type: 'number',
    steps: [{ clip: [-9, 9] }, 'standard'],
    train: [-1.00000001, 0, 1.00000001],
    probe: [1e-46, 0.3],
  },
  { title: 'takes a single row', type: 'number', steps: ['standard'], train: [42], probe: [43], expected: [[0, 0]] },
  ...Object.entries(recorded.numbers).map(([name, column]) => ({
    title: `equals scikit-learn but for the deviation: ${name}`,
    type: 'number' as const,
    // scikit-learn leaves missing values; the mean becomes 0
    steps: [{ impute: 'mean' }, { clip: [-1e12, 1e12] }, 'standard'],
    train: known(column.values),
    expected: [known(column.standard).map((value) => value * factor(column.values))],
  })),
])
