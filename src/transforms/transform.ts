/** One transform, three executions: fitted from statistics, applied as an SQL expression, written as ONNX nodes. */
import type { ErrorCode } from '../core/errors.js'
import type { GraphBuilder, Value } from '../core/onnx/graph.js'
import type { ColumnType } from '../core/schema.js'
import type { ColumnStatistics, StatisticsRequest } from '../etl/engine.js'
import { cast, type Expr } from '../etl/expr.js'

/** What flows between a column's steps. `number` is a double with NULL/NaN for missing; `category` an index 0..size-1. */
export type FeatureKind = ColumnType | 'category'

/** Kinds that are doubles in ONNX and are cast to doubles in SQL: booleans count as 0 and 1. */
export const NUMBERS: readonly FeatureKind[] = ['number', 'integer', 'boolean']

/** An SQL value between steps. */
export interface SqlFeature {
  readonly expr: Expr
  readonly kind: FeatureKind
  /** Added to the column's name for the feature's name; '' for the column itself. */
  readonly suffix: string
  /** category: number of indices. */
  readonly size?: number
  /** Takes no further steps (an indicator). */
  readonly final?: true
}

/** An ONNX value between steps: k columns side by side, [N, k]. number: double; category: int64; text: string. */
export interface OnnxFeature {
  readonly value: Value
  readonly kind: FeatureKind
}

/** What options get where the file says nothing. */
export interface StepDefaults {
  /** How many values of a text column are kept apart. */
  readonly maxCategories: number
}

/**
 * A step of a column. `Options` is what the file says, `Fitted` JSON data. For every row `apply` and `onnx` give the
 * same value: bit for bit for arithmetic, within 1e-6 where a library function (ln) is involved. `options` and `fit`
 * throw StepFault, which the caller turns into an error that names column and step.
 */
export interface Transform<Options, Fitted> {
  readonly name: string
  /** Part of the key of every stage that fits or applies it. */
  readonly version: number
  readonly accepts: readonly FeatureKind[]
  /** True if columns cannot share nodes (a table each): `onnx` is called with one column at a time. */
  readonly perColumn?: true
  /** The kind that a value of this kind becomes. */
  result(kind: FeatureKind): FeatureKind
  /** Checks what stands after the step's name; undefined or null for the bare name. */
  options(given: unknown, kind: FeatureKind, defaults: StepDefaults): Options
  /** What it must know of the training rows; asked of the value as the steps before left it. */
  statistics(options: Options, kind: FeatureKind): Omit<StatisticsRequest, 'name' | 'expr'>
  fit(statistics: ColumnStatistics, options: Options, kind: FeatureKind): Fitted
  /**
   * For a step that leaves every number as it is and puts one in place of the missing: that one. Statistics of what it
   * makes follow from those of what it takes, so the next step is fitted in the same pass.
   */
  fills?(fitted: Fitted): number | undefined
  /** Usually one feature; several for date parts or an indicator. Those not `final` take the following steps. */
  apply(value: SqlFeature, fitted: Fitted): readonly SqlFeature[]
  /**
   * Writes the nodes for k columns at once (fitted[j] is column j's): as few nodes as k columns can share. Gives the
   * features of `apply`, in the same order.
   */
  onnx(graph: GraphBuilder, value: OnnxFeature, fitted: readonly Fitted[]): readonly OnnxFeature[]
  /** In words, for the run's report. */
  describe(fitted: Fitted): string
}

/** A step's complaint; column and step are added by who knows them. */
export class StepFault extends Error {
  constructor(
    readonly code: ErrorCode,
    message: string,
    readonly hint?: string,
  ) {
    super(message)
  }
}

/** The SQL value as a double. */
export function asNumber(value: SqlFeature): Expr {
  return value.kind === 'number' ? value.expr : cast(value.expr, 'number')
}

/** A number for people: seven significant digits. */
export function figure(value: number): string {
  return String(Number(value.toPrecision(7)))
}

/** Steps as the file names them: `standard`, or `{clip: [0, 100]}`. */
export type StepSpec = string | Readonly<Record<string, unknown>>

export interface FittedStep {
  readonly transform: string
  readonly version: number
  /** One for each feature that the step took: several after `date_parts`. */
  readonly fitted: readonly unknown[]
  /** Not asked for: put in because the chain needed it. */
  readonly added?: true
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
  /** Columns that could not become features by the defaults, with the reason. */
  readonly excluded?: readonly { readonly name: string; readonly type: ColumnType; readonly reason: string }[]
}
