/** `standard`: (x - mean) / sample standard deviation. A constant column becomes zeros. */
import { settled } from '../etl/statistics.js'
import { applyAffine, emitAffine, finite } from './affine.js'
import { optionMap } from './options.js'
import { NUMBERS, type Transform, figure } from './transform.js'

/** `stddev` is 0 for a constant column. scikit-learn divides by the population deviation: its result is sqrt(n/(n-1)) larger. */
export interface StandardFitted {
  readonly mean: number
  readonly stddev: number
}

const affine = ({ mean, stddev }: StandardFitted) => ({ center: mean, scale: stddev })

export const standard: Transform<null, StandardFitted> = {
  name: 'standard',
  version: 1,
  accepts: NUMBERS,
  result: () => 'number',
  options: (given) => (optionMap(given, []), null),
  statistics: () => ({ mean: true, stddev: true, range: true }),
  fit(statistics) {
    const { mean, stddev, min, max } = statistics
    finite(statistics, { minimum: min, maximum: max, mean, 'standard deviation': stddev })
    // by the range, exactly: the deviation of a constant may differ from 0 by rounding
    if (min === max) return { mean: min as number, stddev: 0 }
    const [center, scale] = [mean as number, stddev as number]
    return { mean: settled(center, scale), stddev: settled(scale, scale) }
  },
  apply: (value, fitted) => applyAffine(value, affine(fitted)),
  onnx: (graph, value, fitted) => emitAffine(graph, value, fitted.map(affine)),
  describe: ({ mean, stddev }) =>
    stddev === 0
      ? `scale standard (constant ${figure(mean)}: zeros)`
      : `scale standard (mean ${figure(mean)}, sd ${figure(stddev)})`,
}
