/** Scalar, aggregate and window expressions: immutable nodes that know no SQL. A dialect compiles them. */
import type { ColumnType } from '../core/schema.js'

/** Every function a dialect must have an entry for; see sql/dialect.ts for the meaning of each. */
export type ScalarFunction =
  // arithmetic on doubles; div gives NULL for x/0, ln NULL for x <= 0
  | 'add'
  | 'sub'
  | 'mul'
  | 'div'
  | 'neg'
  | 'abs'
  | 'ln'
  | 'exp'
  | 'sqrt'
  | 'floor'
  | 'least'
  | 'greatest'
  // on integers; both floor
  | 'int_div'
  | 'int_mod'
  // comparison and logic; `is_missing` is NULL or NaN or ''
  | 'eq'
  | 'ne'
  | 'lt'
  | 'le'
  | 'gt'
  | 'ge'
  | 'and'
  | 'or'
  | 'not'
  | 'is_null'
  | 'is_missing'
  | 'is_nan'
  | 'coalesce'
  | 'nullif'
  // text
  | 'concat'
  | 'lower'
  | 'trim'
  | 'substr'
  | 'md5'
  | 'matches'
  // time: microseconds since 1970 of a timestamp or date, as an integer
  | 'epoch_us'

export type AggregateFunction =
  | 'count'
  | 'count_if'
  /** of several values: of their combinations */
  | 'count_distinct'
  | 'sum'
  | 'avg'
  | 'min'
  | 'max'
  | 'stddev_samp'
  | 'var_pop'
  /** exact, interpolated; params[0] is the fraction */
  | 'quantile'

export type WindowFunction =
  | 'row_number'
  | 'count'
  | 'sum'
  | 'avg'
  | 'min'
  | 'max'
  | 'lag'
  /** Of doubles, in fixed point (value * params[0], rounded, 128 bits): the same bits in whatever order it is added up. */
  | 'exact_sum'

export type LiteralValue = string | number | bigint | boolean | null

/**
 * Which rows of its partition a window function sees, as distances before the current row; `from` is the farther end,
 * both ends are in it. `rows`: numbers of rows; `range`: distances of the one order key, an ascending integer; a row whose
 * key is missing is in the frame of none whose key is there.
 */
export interface Frame {
  readonly unit: 'rows' | 'range'
  readonly from: bigint | 'unbounded'
  readonly to: bigint
}

export interface OrderKey {
  readonly expr: Expr
  readonly descending?: boolean
  /** Always written out in SQL. Default: last. */
  readonly nulls?: 'first' | 'last'
}

export type Expr =
  | { readonly op: 'column'; readonly name: string }
  /** Numbers of type `number` are emitted with an exponent (1.5e0), so that engines read a double. */
  | { readonly op: 'literal'; readonly value: LiteralValue; readonly type: ColumnType }
  | { readonly op: 'call'; readonly fn: ScalarFunction; readonly args: readonly Expr[] }
  | {
      readonly op: 'case'
      readonly branches: readonly { readonly when: Expr; readonly then: Expr }[]
      readonly otherwise: Expr
    }
  /** `float32` is for features: rounds to the nearest single. `lenient`: NULL where it cannot be cast. */
  | {
      readonly op: 'cast'
      readonly value: Expr
      readonly to: ColumnType | 'float32' | 'int32'
      readonly lenient?: boolean
    }
  /** Position of a text in a list (0-based), NULL if absent; row-wise and order-keeping on every engine. */
  | { readonly op: 'position'; readonly value: Expr; readonly values: readonly string[] }
  | { readonly op: 'in'; readonly value: Expr; readonly values: readonly LiteralValue[]; readonly type: ColumnType }
  | {
      readonly op: 'aggregate'
      readonly fn: AggregateFunction
      readonly args: readonly Expr[]
      readonly params?: readonly number[]
      readonly filter?: Expr
    }
  | {
      readonly op: 'window'
      readonly fn: WindowFunction
      readonly args: readonly Expr[]
      readonly partitionBy: readonly Expr[]
      readonly orderBy: readonly OrderKey[]
      /** lag: [rows back], 1 if absent; exact_sum: [power of two]. */
      readonly params?: readonly number[]
      readonly frame?: Frame
    }

export interface Named {
  readonly name: string
  readonly expr: Expr
}

export const col = (name: string): Expr => ({ op: 'column', name })
export const num = (value: number): Expr => ({ op: 'literal', value, type: 'number' })
export const int = (value: number | bigint): Expr => ({ op: 'literal', value: BigInt(value), type: 'integer' })
export const text = (value: string): Expr => ({ op: 'literal', value, type: 'text' })
export const bool = (value: boolean): Expr => ({ op: 'literal', value, type: 'boolean' })
export const missing = (type: ColumnType): Expr => ({ op: 'literal', value: null, type })
export const call = (fn: ScalarFunction, ...args: readonly Expr[]): Expr => ({ op: 'call', fn, args })
export const when = (condition: Expr, then: Expr, otherwise: Expr): Expr => ({
  op: 'case',
  branches: [{ when: condition, then }],
  otherwise,
})
export const cast = (value: Expr, to: ColumnType | 'float32' | 'int32', lenient = false): Expr => ({
  op: 'cast',
  value,
  to,
  lenient,
})
export const position = (value: Expr, values: readonly string[]): Expr => ({ op: 'position', value, values })
export const aggregate = (fn: AggregateFunction, args: readonly Expr[], params: readonly number[] = []): Expr => ({
  op: 'aggregate',
  fn,
  args,
  params,
})
