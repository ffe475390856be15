/**
 * `log`: ln(x + offset); offset 1 by default, as log1p. All training rows must have x + offset > 0. Later rows are held
 * at the edge of the domain: x + offset counts at least as the smaller of 1 and its training minimum.
 */
import { doubles } from '../core/onnx/graph.js'
import { call, num, when } from '../etl/expr.js'
import { finite, snappedOffset } from './affine.js'
import { finiteNumber, optionMap } from './options.js'
import { NUMBERS, StepFault, type Transform, asNumber, figure } from './transform.js'

export interface LogFitted {
  readonly offset: number
  readonly floor: number
}

export const log: Transform<number, LogFitted> = {
  name: 'log',
  version: 1,
  accepts: NUMBERS,
  result: () => 'number',
  options(given) {
    const offset = typeof given === 'number' ? given : optionMap(given, ['offset'])['offset']
    return offset === undefined ? 1 : snappedOffset(finiteNumber('offset', offset))
  },
  statistics: () => ({ range: true }),
  fit(statistics, offset) {
    const { min, max } = statistics
    finite(statistics, { minimum: min, maximum: max })
    const lowest = (min as number) + offset
    if (!(lowest > 0))
      throw new StepFault(
        'MR_TRANSFORM_DOMAIN',
        `the smallest training value is ${min}, plus the offset ${offset} is ${lowest}; ln needs more than 0`,
        `put {clip: [low, high]} before it, or give a larger offset: {log: {offset: ...}}`,
      )
    return { offset, floor: Math.min(1, lowest) }
  },
  apply(value, { offset, floor }) {
    const shifted = call('add', asNumber(value), num(offset))
    const held = when(call('lt', shifted, num(floor)), num(floor), shifted)
    return [{ expr: call('ln', held), kind: 'number', suffix: value.suffix }]
  },
  onnx(graph, { value }, fitted) {
    const shifted = graph.node('Add', [value, graph.constant(doubles(fitted.map(({ offset }) => offset)))])
    const floor = graph.constant(doubles(fitted.map((column) => column.floor)))
    const held = graph.node('Where', [graph.node('Less', [shifted, floor]), floor, shifted])
    return [{ value: graph.node('Log', [held]), kind: 'number' }]
  },
  describe: ({ offset, floor }) => `log (ln(x + ${figure(offset)}), x + ${figure(offset)} at least ${figure(floor)})`,
}
