/** `clip`: values below or above a bound become the bound; missing stays missing. `{clip: [0, 100]}`, null for no bound. */
import { doubles } from '../core/onnx/graph.js'
import { call, num, when } from '../etl/expr.js'
import { fault, finiteNumber, optionMap } from './options.js'
import { NUMBERS, type Transform, asNumber, figure } from './transform.js'

export interface Clip {
  readonly low: number | null
  readonly high: number | null
}

export const clip: Transform<Clip, Clip> = {
  name: 'clip',
  version: 1,
  accepts: NUMBERS,
  result: () => 'number',
  options(given) {
    const map = Array.isArray(given)
      ? { low: given[0] as unknown, high: given[1] as unknown }
      : optionMap(given, ['low', 'high'])
    if (Array.isArray(given) && given.length !== 2) throw fault('clip takes [low, high]', given)
    const low = map['low'] == null ? null : finiteNumber('low', map['low'])
    const high = map['high'] == null ? null : finiteNumber('high', map['high'])
    if (low === null && high === null) throw fault('clip needs a bound: [low, high]', given)
    if (low !== null && high !== null && low > high) throw fault('low must not be above high', given)
    return { low, high }
  },
  statistics: () => ({}),
  fit: (_statistics, options) => options,
  apply(value, { low, high }) {
    // CASE, since least() and greatest() leave NULL out
    let expr = asNumber(value)
    const x = expr
    if (high !== null) expr = when(call('gt', x, num(high)), num(high), expr)
    if (low !== null) expr = when(call('lt', x, num(low)), num(low), expr)
    return [{ expr, kind: 'number', suffix: value.suffix }]
  },
  onnx(graph, { value }, fitted) {
    // comparisons, since Max and Min choose freely between 0 and -0
    const low = graph.constant(doubles(fitted.map((column) => column.low ?? -Infinity)))
    const high = graph.constant(doubles(fitted.map((column) => column.high ?? Infinity)))
    const capped = graph.node('Where', [graph.node('Greater', [value, high]), high, value])
    return [{ value: graph.node('Where', [graph.node('Less', [value, low]), low, capped]), kind: 'number' }]
  },
  describe: ({ low, high }) =>
    `clip to ${low === null ? 'no lower bound' : figure(low)} .. ${high === null ? 'no upper bound' : figure(high)}`,
}
