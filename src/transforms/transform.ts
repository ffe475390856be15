/** One transform, three executions: fitted from statistics, applied as an SQL expression, written as ONNX nodes. */
import type { GraphBuilder, Value } from '../core/onnx/graph.js'
import type { ColumnType } from '../core/schema.js'
import type { ColumnStatistics, StatisticsRequest } from '../etl/engine.js'
import type { Expr } from '../etl/expr.js'

/** What flows between a column's steps. `number` is a double with NULL/NaN for missing; `category` an index 0..size-1. */
export type FeatureKind = ColumnType | 'category'

/** An SQL value between steps. */
export interface SqlFeature {
  readonly expr: Expr
  readonly kind: FeatureKind
  /** Added to the column's name for the feature's name; '' for the column itself. */
  readonly suffix: string
  /** category: number of indices. */
  readonly size?: number
}

/** An ONNX value between steps: k columns side by side, [N, k]. number: double; category: int64; text: string. */
export interface OnnxFeature {
  readonly value: Value
  readonly kind: FeatureKind
}

/**
 * A step of a column. `Options` is what the file says, `Fitted` JSON data. For every row `apply` and `onnx` give the
 * same value: bit for bit for arithmetic, within 1e-6 where a library function (ln) is involved.
 */
export interface Transform<Options, Fitted> {
  readonly name: string
  /** Part of the key of every stage that fits or applies it. */
  readonly version: number
  readonly accepts: readonly FeatureKind[]
  /** What it must know of the training rows; asked of the value as the steps before left it. */
  statistics(options: Options, kind: FeatureKind): Omit<StatisticsRequest, 'name' | 'expr'>
  fit(statistics: ColumnStatistics, options: Options, kind: FeatureKind): Fitted
  /** Usually one feature; several for date parts or an indicator. The first takes the following steps. */
  apply(value: SqlFeature, fitted: Fitted): readonly SqlFeature[]
  /** Writes the nodes for k columns at once (fitted[j] is column j's): as few nodes as k columns can share. */
  onnx(graph: GraphBuilder, value: OnnxFeature, fitted: readonly Fitted[]): readonly OnnxFeature[]
  /** In words, for the run's report. */
  describe(fitted: Fitted): string
}

/** Steps as the file names them: `standard`, or `{clip: [0, 100]}`. */
export type StepSpec = string | Readonly<Record<string, unknown>>

export interface FittedStep {
  readonly transform: string
  readonly version: number
  readonly fitted: unknown
}

export interface FittedColumn {
  readonly name: string
  readonly type: ColumnType
  readonly steps: readonly FittedStep[]
  readonly isDefault: boolean
  readonly numeric: readonly string[]
  readonly categories: readonly { readonly name: string; readonly size: number }[]
}

/** All that features are made of; JSON. The order of `numeric` and `categories` is the order of a shard's columns. */
export interface FeaturePlan {
  readonly columns: readonly FittedColumn[]
  readonly numeric: readonly string[]
  readonly categories: readonly { readonly name: string; readonly size: number }[]
}
