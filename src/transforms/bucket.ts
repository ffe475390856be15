/**
 * `bucket`: a number becomes the bucket between edges that it lies in, as a category. A value equal to an edge belongs to
 * the bucket above it; missing has the last index of its own. Edges are the file's, or quantiles of the training rows:
 * equal ones are one, and none is at the minimum, below which no training row lies.
 */
import { doubles, int64s } from '../core/onnx/graph.js'
import { call, type Expr, int, num, when } from '../etl/expr.js'
import { noValues } from './affine.js'
import { fault, finiteNumber, optionMap, wholeNumber } from './options.js'
import { type Transform, asNumber, figure } from './transform.js'

const USUAL_BUCKETS = 10
/** Each edge is a comparison that names the value, in SQL's text and in the model's memory for each row. */
const MOST_BUCKETS = 1000
/** Significant digits of an edge between quantiles. */
const DIGITS = 15
/** ONNX TensorProto.DataType, for Cast. */
const INT64 = 7n

export type BucketOptions = { readonly quantiles: number } | { readonly edges: readonly number[] }

export interface BucketFitted {
  /** Ascending, finite; none is one bucket. */
  readonly edges: readonly number[]
  /** Not given by the file. */
  readonly areQuantiles: boolean
}

function checkedEdges(given: unknown): readonly number[] {
  if (!Array.isArray(given) || given.length === 0 || given.length >= MOST_BUCKETS)
    throw fault(`edges are a list of 1 to ${MOST_BUCKETS - 1} numbers`, given)
  const edges = given.map((edge) => finiteNumber('an edge', edge))
  if (edges.some((edge, i) => i > 0 && !(edge > (edges[i - 1] as number))))
    throw fault('edges must be ascending, each once', given)
  return edges
}

/** How many edges are not above the value: nested halves, so that a thousand edges cost ten comparisons. */
function bucketOf(value: Expr, edges: readonly number[], from = 0, to = edges.length): Expr {
  if (from >= to) return int(from)
  const middle = (from + to) >> 1
  const isBelow = call('lt', value, num(edges[middle] as number))
  return when(isBelow, bucketOf(value, edges, from, middle), bucketOf(value, edges, middle + 1, to))
}

export const bucket: Transform<BucketOptions, BucketFitted> = {
  name: 'bucket',
  version: 1,
  accepts: ['number', 'integer'],
  result: () => 'category',
  options(given) {
    if (Array.isArray(given)) return { edges: checkedEdges(given) }
    const map = typeof given === 'number' ? { quantiles: given } : optionMap(given, ['quantiles', 'edges'])
    if ('edges' in map && 'quantiles' in map) throw fault('give either quantiles or edges', given)
    if ('edges' in map) return { edges: checkedEdges(map['edges']) }
    return { quantiles: wholeNumber('quantiles', map['quantiles'] ?? USUAL_BUCKETS, 2, MOST_BUCKETS) }
  },
  statistics(options) {
    if ('edges' in options) return {}
    const { quantiles } = options
    return { range: true, quantiles: Array.from({ length: quantiles - 1 }, (_, i) => (i + 1) / quantiles) }
  },
  fit(statistics, options) {
    if ('edges' in options) return { edges: options.edges, areQuantiles: false }
    if (statistics.rows === statistics.missing) throw noValues(statistics)
    const { min = NaN, max = NaN, quantiles = [] } = statistics
    // between two equal values interpolation may be off in the last digit, above or below them
    const rounded = quantiles.map((edge) => Number(edge.toPrecision(DIGITS)))
    const edges = [...new Set(rounded)].filter((edge) => edge > min && edge <= max && Number.isFinite(edge))
    return { edges: edges.sort((a, b) => a - b), areQuantiles: true }
  },
  apply(value, { edges }) {
    const x = asNumber(value)
    const expr = when(call('is_missing', x), int(edges.length + 1), bucketOf(x, edges))
    return [{ expr, kind: 'category', suffix: value.suffix, size: edges.length + 2 }]
  },
  onnx(graph, { value }, fitted) {
    const most = Math.max(1, ...fitted.map(({ edges }) => edges.length))
    // NaN is above no value: columns of fewer edges are filled up with it
    const edges = fitted.flatMap((column) => Array.from({ length: most }, (_, i) => column.edges[i] ?? NaN))
    const each = graph.node('Unsqueeze', [value, graph.constant(int64s([2]))])
    const isAbove = graph.node('GreaterOrEqual', [each, graph.constant(doubles(edges, [fitted.length, most]))])
    const counts = graph.node('Cast', [isAbove], { to: INT64 })
    const index = graph.node('ReduceSum', [counts, graph.constant(int64s([2]))], { keepdims: 0n })
    const last = graph.constant(int64s(fitted.map((column) => column.edges.length + 1)))
    return [{ value: graph.node('Where', [graph.node('IsNaN', [value]), last, index]), kind: 'category' }]
  },
  describe({ edges, areQuantiles }) {
    const shown = edges.slice(0, 10).map(figure).join(', ')
    const list = `${shown}${edges.length > 10 ? ', …' : ''}`
    const how = areQuantiles ? ' by quantiles' : ''
    return `bucket (${edges.length + 1}${how}${edges.length === 0 ? '' : `, from ${list} on`}; one index for missing)`
  },
}
