/**
 * `impute`: a missing value becomes the training rows' mean, median or mode (of equally frequent numbers the smallest,
 * of texts the first in byte order), or a constant. `indicator` adds `<column>_missing`, 1 where it was missing.
 * With `drop` training rows that miss the column are left out (`dropsRows`; who reads rows has to), and a row that cannot
 * be, of another split or in serving, gets the median or, for texts and booleans, the mode.
 */
import { type GraphBuilder, doubles, texts } from '../core/onnx/graph.js'
import type { ColumnStatistics } from '../etl/engine.js'
import { settled } from '../etl/statistics.js'
import { call, num, text, when } from '../etl/expr.js'
import { finite, noValues } from './affine.js'
import { choice, fault, finiteNumber, optionMap } from './options.js'
import { type FeatureKind, NUMBERS, type OnnxFeature, type SqlFeature, StepFault, type Transform } from './transform.js'
import { asNumber, figure } from './transform.js'

const STRATEGIES = ['mean', 'median', 'mode', 'constant', 'drop'] as const
type Strategy = (typeof STRATEGIES)[number]
/** How many equally frequent numbers are looked through for the smallest. */
const MOST_TIES = 1000
/** ONNX TensorProto.DataType, for Cast. */
const DOUBLE = 11n

export interface ImputeOptions {
  readonly strategy: Strategy
  readonly value?: number | string
  readonly indicator: boolean
}

export interface ImputeFitted {
  readonly strategy: Strategy
  readonly value: number | string
  readonly indicator: boolean
}

function options(given: unknown, kind: FeatureKind): ImputeOptions {
  if (typeof given === 'string') return options({ strategy: given }, kind)
  if (typeof given === 'number' || typeof given === 'boolean') return options({ value: given }, kind)
  const map = optionMap(given, ['strategy', 'value', 'indicator'])
  const allowed = hasMedian(kind) ? STRATEGIES : (['mode', 'constant', 'drop'] as const)
  const usual = 'value' in map ? 'constant' : (allowed as readonly Strategy[]).includes('median') ? 'median' : 'mode'
  const strategy = choice<Strategy>(`strategy of a ${kind} column`, map['strategy'] ?? usual, allowed)
  const indicator = map['indicator'] ?? false
  if (typeof indicator !== 'boolean') throw fault('indicator must be true or false', indicator)
  if (strategy === 'constant') return { strategy, value: constant(map['value'], kind), indicator }
  if ('value' in map) throw fault(`value goes with the strategy constant only (strategy is ${strategy})`, map['value'])
  return { strategy, indicator }
}

function constant(value: unknown, kind: FeatureKind): number | string {
  if (kind === 'boolean' && typeof value === 'boolean') return Number(value)
  if (kind !== 'text') return finiteNumber('value', value)
  if (typeof value !== 'string' || value === '') throw fault('value must be a text that is not empty', value)
  return value
}

/** Equally frequent numbers come in the order of their text: look for the smallest among them. */
function smallestMode({ values = [], distinct = 0 }: ColumnStatistics): number {
  const top = values[0]?.count
  const ties = values.filter(({ count }) => count === top)
  if (ties.length === values.length && distinct > values.length)
    throw new StepFault(
      'MR_TRANSFORM_OPTIONS',
      `strategy mode: more than ${ties.length} values are equally frequent, so none is the mode`,
      'use {impute: median}',
    )
  return ties.map(({ value }) => Number(value)).reduce((least, value) => (value < least ? value : least))
}

/** Whether an impute with these options costs the training rows that miss the column. */
export function dropsRows(checked: unknown): boolean {
  return (checked as ImputeOptions).strategy === 'drop'
}

const hasMedian = (kind: FeatureKind): boolean => kind === 'number' || kind === 'integer'

/** What `drop` gives rows that stay. */
function valueStrategy(strategy: Strategy, kind: FeatureKind): Strategy {
  if (strategy !== 'drop') return strategy
  return hasMedian(kind) ? 'median' : 'mode'
}

export const impute: Transform<ImputeOptions, ImputeFitted> = {
  name: 'impute',
  version: 1,
  accepts: [...NUMBERS, 'text'],
  result: (kind) => (kind === 'text' ? 'text' : 'number'),
  options,
  statistics({ strategy: asked }, kind) {
    const strategy = valueStrategy(asked, kind)
    if (strategy === 'constant') return {}
    if (strategy === 'mean') return { mean: true }
    if (strategy === 'median') return { quantiles: [0.5] }
    return kind === 'text' ? { values: 1 } : { values: MOST_TIES, distinct: true }
  },
  fit(statistics, { strategy, value, indicator }, kind) {
    if (value !== undefined) return { strategy, value, indicator }
    if (statistics.rows === statistics.missing) throw noValues(statistics)
    if (kind === 'text') return { strategy, value: statistics.values?.[0]?.value ?? '', indicator }
    const by = valueStrategy(strategy, kind)
    const found =
      by === 'mean' ? statistics.mean : by === 'median' ? statistics.quantiles?.[0] : smallestMode(statistics)
    finite(statistics, { [by]: found })
    return { strategy, value: by === 'mean' ? settled(found as number, found as number) : (found as number), indicator }
  },
  fills: ({ value }) => (typeof value === 'number' ? value : undefined),
  apply(feature, { value, indicator }) {
    const isText = typeof value === 'string'
    const x = isText ? feature.expr : asNumber(feature)
    const absent = call('is_missing', x)
    const expr = isText ? when(absent, text(value), x) : call('coalesce', x, num(value))
    const filled: SqlFeature = { expr, kind: isText ? 'text' : 'number', suffix: feature.suffix }
    if (!indicator) return [filled]
    const flag = when(absent, num(1), num(0))
    return [filled, { expr: flag, kind: 'number', suffix: `${feature.suffix}_missing`, final: true }]
  },
  onnx(graph, feature, fitted) {
    const { absent, filled } =
      feature.kind === 'text' ? fillText(graph, feature, fitted) : fillNumbers(graph, feature, fitted)
    if (fitted[0]?.indicator !== true) return [filled]
    return [filled, { value: graph.node('Cast', [absent], { to: DOUBLE }), kind: 'number' }]
  },
  describe({ strategy, value, indicator }) {
    const shown = typeof value === 'number' ? figure(value) : JSON.stringify(value)
    const words =
      strategy === 'drop' ? `drop training rows without it (other rows: ${shown})` : `impute ${strategy} (${shown})`
    return `${words}${indicator ? ' with indicator' : ''}`
  },
}

interface Filled {
  /** bool [N, k] */
  readonly absent: string
  readonly filled: OnnxFeature
}

function fillNumbers(graph: GraphBuilder, { value }: OnnxFeature, fitted: readonly ImputeFitted[]): Filled {
  const absent = graph.node('IsNaN', [value])
  const constants = graph.constant(doubles(fitted.map((column) => column.value as number)))
  return { absent, filled: { value: graph.node('Where', [absent, constants, value]), kind: 'number' } }
}

function fillText(graph: GraphBuilder, { value }: OnnxFeature, fitted: readonly ImputeFitted[]): Filled {
  const absent = graph.node('Equal', [value, graph.constant(texts([''], []))])
  const constants = graph.constant(texts(fitted.map((column) => column.value as string)))
  return { absent, filled: { value: graph.node('Where', [absent, constants, value]), kind: 'text' } }
}
