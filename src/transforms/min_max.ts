/** `min_max`: (x - min) / (max - min), 0..1 on the training rows, not clipped beyond. A constant column becomes zeros. */
import { applyAffine, emitAffine, finite } from './affine.js'
import { optionMap } from './options.js'
import { NUMBERS, type Transform, figure } from './transform.js'

export interface MinMaxFitted {
  readonly min: number
  readonly max: number
}

const affine = ({ min, max }: MinMaxFitted) => ({ center: min, scale: max - min })

export const minMax: Transform<null, MinMaxFitted> = {
  name: 'min_max',
  version: 1,
  accepts: NUMBERS,
  result: () => 'number',
  options: (given) => (optionMap(given, []), null),
  statistics: () => ({ range: true }),
  fit(statistics) {
    const { min, max } = statistics
    finite(statistics, { minimum: min, maximum: max, range: (max ?? NaN) - (min ?? NaN) })
    return { min: min as number, max: max as number }
  },
  apply: (value, fitted) => applyAffine(value, affine(fitted)),
  onnx: (graph, value, fitted) => emitAffine(graph, value, fitted.map(affine)),
  describe: ({ min, max }) =>
    min === max
      ? `scale min_max (constant ${figure(min)}: zeros)`
      : `scale min_max (min ${figure(min)}, max ${figure(max)})`,
}
