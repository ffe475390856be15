/**
 * What differs between SQL engines, as tables. The compiler (compile.ts) knows no engine; a dialect is a value of
 * `SqlDialect`, and a second one is a second value.
 *
 * Meaning of the functions, on every engine (lower.ts has already seen to NULLs and types):
 * - `add sub mul div neg abs least greatest`: on integers (64 bit) or doubles; `div` always on doubles
 * - `ln exp sqrt floor`: double to double; `int_div int_mod`: floor, the rest has the divisor's sign
 * - `eq … ge`: NaN equals NaN and is greater than all else; texts compare by UTF-8 bytes
 * - `lower`: ASCII letters only; `trim`: spaces, tabs, line breaks and form feeds; `substr`: from 1, in code points
 * - `md5`: lower-case hex of the UTF-8 bytes; `matches`: found anywhere, a literal of the kind of RE2
 * - `epoch_us`: microseconds since 1970 UTC
 * - casts: number to integer is floor; a whole number below 1e15 becomes text without a point
 */
import type { ColumnType } from '../../core/schema.js'
import type { AggregateFunction, Expr, LiteralValue, ScalarFunction, WindowFunction } from '../expr.js'
import type { Relation } from '../relation.js'

/** `$1`, `$2` … are the arguments; `$*` all of them, joined by `, ` or by what follows: `$* AND *`. Or a text of them. */
export type Template = string | ((...args: readonly string[]) => string)

/** What a value is stored as: the column types, and the two narrow ones for features. */
export type StoredType = ColumnType | 'float32' | 'int32'

export type LoweredFunction = Exclude<ScalarFunction, 'is_missing'>

export interface SqlDialect {
  readonly name: string
  readonly types: Readonly<Record<StoredType, string>>
  readonly functions: Readonly<Record<LoweredFunction, Template>>
  /** `quantile` has its fraction as `$2`. `count` without argument is `count(*)` everywhere. */
  readonly aggregates: Readonly<Record<AggregateFunction, Template>>
  /** `lag` has its number of rows as `$2`, `exact_sum` its power of two. */
  readonly windows: Readonly<Record<WindowFunction, Template>>
  /** How `row_number` becomes a 64-bit integer. */
  readonly rowNumber: Template
  /** How `row_number` and `lag` are ordered where nobody says how; empty where they need not be. */
  readonly anyOrder: string
  /** How `sum` of integers is brought back to 64 bits. */
  readonly integerSum: Template
  /** How the 128-bit integer of `exact_sum` becomes a double: divided by `$2`, its power of two. */
  readonly exactSum: Template
  identifier(name: string): string
  literal(value: Expr & { op: 'literal' }): string
  /** A regular expression of the kind of RE2 as the engine takes it, meaning the same. */
  pattern(re2: string): string
  cast(sql: string, from: ColumnType, to: StoredType, lenient: boolean): string
  position(sql: string, values: readonly string[]): string
  /** Whether a value of type `of` is one of `values`, which are literals of `type`; there is at least one. */
  contains(sql: string, of: ColumnType, values: readonly LiteralValue[], type: ColumnType): string
  /** A whole SELECT that gives exactly the scan's schema: typed, missing values as NULL. */
  scan(relation: Relation & { kind: 'scan' }): string
}

/** Fills a template. Arguments are inserted once, never looked into. */
export function fill(template: Template, args: readonly string[]): string {
  if (typeof template === 'function') return template(...args)
  return template.replace(
    /\$\*(?: ([^*]+) \*)?|\$(\d)/g,
    (_, separator: string | undefined, index: string | undefined) =>
      index === undefined
        ? args.join(separator === undefined ? ', ' : ` ${separator} `)
        : (args[Number(index) - 1] ?? ''),
  )
}
