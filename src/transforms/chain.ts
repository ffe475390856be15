/** Walks a fitted column's steps as SQL; what the plan, the expressions and the graph have in common. */
import { call, cast, col, missing, when } from '../etl/expr.js'
import type { Field } from '../core/schema.js'
import { fittedTransform } from './catalog.js'
import type { FittedColumn, SqlFeature } from './transform.js'

/** The raw column as the first step takes it: NaN in a number column is missing, as NULL is. */
export function head({ name, type }: Field): SqlFeature {
  const x = col(name)
  const expr = type === 'number' ? when(call('is_missing', x), missing('number'), cast(x, 'number')) : x
  return { expr, kind: type, suffix: '' }
}

/** Features that take the next step, in order. */
export function live(features: readonly SqlFeature[]): readonly SqlFeature[] {
  return features.filter((feature) => feature.final !== true)
}

/** Replaces each live feature by what `step` makes of it; the i-th live one is called with i. */
export function advance(
  features: readonly SqlFeature[],
  step: (feature: SqlFeature, index: number) => readonly SqlFeature[],
): readonly SqlFeature[] {
  let index = 0
  return features.flatMap((feature) => (feature.final === true ? [feature] : step(feature, index++)))
}

/** All features of a column, in order: each `number` or `category`. */
export function sqlFeatures(column: FittedColumn): readonly SqlFeature[] {
  let features: readonly SqlFeature[] = [head(column)]
  for (const step of column.steps) {
    const transform = fittedTransform(step, column.name)
    features = advance(features, (feature, index) => transform.apply(feature, step.fitted[index]))
  }
  return features
}
