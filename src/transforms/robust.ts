/**
 * `robust`: (x - median) / interquartile range, both exact and interpolated. Where the quartiles are equal but the
 * column is not constant (mostly zeros, say) only the median is taken off, as scikit-learn does.
 */
import { applyAffine, emitAffine, finite } from './affine.js'
import { optionMap } from './options.js'
import { NUMBERS, type Transform, figure } from './transform.js'

export interface RobustFitted {
  readonly median: number
  readonly iqr: number
}

const affine = ({ median, iqr }: RobustFitted) => ({ center: median, scale: iqr === 0 ? 1 : iqr })

export const robust: Transform<null, RobustFitted> = {
  name: 'robust',
  version: 1,
  accepts: NUMBERS,
  result: () => 'number',
  options: (given) => (optionMap(given, []), null),
  statistics: () => ({ quantiles: [0.25, 0.5, 0.75] }),
  fit(statistics) {
    const [low, median, high] = statistics.quantiles ?? []
    finite(statistics, { median, 'interquartile range': (high ?? NaN) - (low ?? NaN) })
    return { median: median as number, iqr: (high as number) - (low as number) }
  },
  apply: (value, fitted) => applyAffine(value, affine(fitted)),
  onnx: (graph, value, fitted) => emitAffine(graph, value, fitted.map(affine)),
  describe: ({ median, iqr }) =>
    `scale robust (median ${figure(median)}, ${iqr === 0 ? 'IQR 0: not divided' : `IQR ${figure(iqr)}`})`,
}
