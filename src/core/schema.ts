/** Columns and their types, as every room names them. */

/**
 * - `number`: 64-bit float; missing is NaN in memory, NULL in SQL.
 * - `integer`: whole numbers; in memory and in a model's input a 64-bit float too (exact to 2^53).
 * - `boolean`: in a model's input 0 or 1 as a float.
 * - `text`: UTF-8; missing is '' everywhere (empty text *is* missing).
 * - `timestamp`: int64 microseconds since 1970-01-01 UTC; missing is the smallest int64.
 * - `date`: as a timestamp at midnight UTC.
 */
export type ColumnType = 'number' | 'integer' | 'boolean' | 'text' | 'timestamp' | 'date'

/** What DuckDB calls them: the engine's and the prediction log's. */
export const DUCKDB_TYPES: Readonly<Record<ColumnType, string>> = {
  number: 'DOUBLE',
  integer: 'BIGINT',
  boolean: 'BOOLEAN',
  text: 'VARCHAR',
  timestamp: 'TIMESTAMP',
  date: 'DATE',
}

export interface Field {
  readonly name: string
  readonly type: ColumnType
}

export type Schema = readonly Field[]

/** What a model's classes, and a task's, are. Classes are in ascending order. */
export type Task =
  | { readonly kind: 'classification'; readonly classes: readonly string[]; readonly positive?: string | undefined }
  | { readonly kind: 'regression' }

/** The smallest int64: "missing" for timestamps. */
export const MISSING_TIME = -(2n ** 63n)
