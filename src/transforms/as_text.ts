/**
 * `as_text`: whole numbers (booleans as 0 and 1) as decimal text, so that they can be categories. Beyond 2^53, where a
 * double no longer tells neighbours apart, the value counts as missing.
 */
import { doubles, texts } from '../core/onnx/graph.js'
import { call, cast, missing, num, when } from '../etl/expr.js'
import { optionMap } from './options.js'
import { type Transform, asNumber } from './transform.js'

const LARGEST = 2 ** 53
/** ONNX TensorProto.DataType, for Cast. */
const INT64 = 7n
const STRING = 8n

export const asText: Transform<null, null> = {
  name: 'as_text',
  version: 1,
  accepts: ['integer', 'boolean'],
  result: () => 'text',
  options: (given) => (optionMap(given, []), null),
  statistics: () => ({}),
  fit: () => null,
  apply(value) {
    const x = asNumber(value)
    const whole = cast(cast(x, 'integer'), 'text')
    const expr = when(call('le', call('abs', x), num(LARGEST)), whole, missing('text'))
    return [{ expr, kind: 'text', suffix: value.suffix }]
  },
  onnx(graph, { value }) {
    // NaN compares false: missing and too large take the same way
    const sound = graph.node('LessOrEqual', [graph.node('Abs', [value]), graph.constant(doubles([LARGEST], []))])
    const filled = graph.node('Where', [sound, value, graph.constant(doubles([0], []))])
    const whole = graph.node('Cast', [graph.node('Cast', [filled], { to: INT64 })], { to: STRING })
    return [{ value: graph.node('Where', [sound, whole, graph.constant(texts([''], []))]), kind: 'text' }]
  },
  describe: () => 'as text',
}
