/** (x - center) / scale, the arithmetic that all scalers share. A scale of 0 marks a constant column: always 0. */
import { doubles, type GraphBuilder, type Value } from '../core/onnx/graph.js'
import type { ColumnStatistics } from '../etl/engine.js'
import { call, num } from '../etl/expr.js'
import { type OnnxFeature, type SqlFeature, StepFault, asNumber } from './transform.js'

export interface Affine {
  readonly center: number
  readonly scale: number
}

/** Throws where statistics that scaling needs are absent (no value at all) or not finite. */
export function finite(statistics: ColumnStatistics, values: Readonly<Record<string, number | undefined>>): void {
  if (statistics.rows === statistics.missing) throw noValues(statistics)
  for (const [name, value] of Object.entries(values))
    if (value === undefined || !Number.isFinite(value))
      throw new StepFault(
        'MR_TRANSFORM_NOT_FINITE',
        `the ${name} of its training rows is ${value}; it must be finite`,
        'put {clip: [low, high]} before this step, or take the infinite values out of the data',
      )
}

export function noValues(statistics: ColumnStatistics): StepFault {
  return new StepFault(
    'MR_TRANSFORM_NO_VALUES',
    `no value in any of its ${statistics.rows} training rows; at least one is needed`,
    'leave the column out (features.exclude), or start with {impute: {strategy: constant, value: ...}}',
  )
}

/**
 * ONNX Runtime drops `x - c` and `x / s` where c is 0 and s is 1 *as singles* (its NoopElimination), so constants that
 * near are made exact, for SQL too.
 */
function snapped({ center, scale }: Affine): Affine {
  return { center: snappedOffset(center), scale: Math.fround(scale) === 1 ? 1 : scale }
}

export const snappedOffset = (offset: number): number => (Math.fround(offset) === 0 ? 0 : offset)

export function applyAffine(value: SqlFeature, affine: Affine): readonly SqlFeature[] {
  const { center, scale } = snapped(affine)
  const x = asNumber(value)
  // Div, not a multiplication by the reciprocal: the same bits as the ONNX node
  const expr = scale === 0 ? num(0) : call('div', call('sub', x, num(center)), num(scale))
  return [{ expr, kind: 'number', suffix: value.suffix }]
}

export function emitAffine(graph: GraphBuilder, input: OnnxFeature, affine: readonly Affine[]): readonly OnnxFeature[] {
  const columns = affine.map(snapped)
  const centered = graph.node('Sub', [input.value, graph.constant(doubles(columns.map(({ center }) => center)))])
  const divisors = columns.map(({ scale }) => (scale === 0 ? 1 : scale))
  let value: Value = graph.node('Div', [centered, graph.constant(doubles(divisors))])
  if (columns.some(({ scale }) => scale === 0)) {
    const constant = Uint8Array.from(columns, ({ scale }) => Number(scale === 0))
    const mask = graph.constant({ type: 'bool', dims: [columns.length], data: constant })
    value = graph.node('Where', [mask, graph.constant(doubles([0], [])), value])
  }
  return [{ value, kind: 'number' }]
}
