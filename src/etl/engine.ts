/** What Millrace asks of an engine. DuckDB implements it inside the process; a cluster engine implements the same. */
import type { Schema } from '../core/schema.js'
import type { Dataset } from '../core/table.js'
import type { Expr } from './expr.js'
import type { Histogram } from './histogram.js'
import type { Relation, Source } from './relation.js'

export interface CompiledQuery {
  readonly sql: string
  /** Output columns, in order. */
  readonly schema: Schema
}

/** Compiles relations to one engine's SQL: the same relation always gives the same text. */
export interface Dialect {
  readonly name: string
  supports(op: string): boolean
  compile(relation: Relation): CompiledQuery
}

/** Rows done so far; `total` is 0 when not known. */
export type Progress = (done: { readonly rows: number; readonly total: number; readonly fraction: number }) => void

export interface Target {
  /** A folder that does not exist yet; files are written into it. */
  readonly folder: string
  readonly format: 'parquet' | 'csv' | 'json'
  readonly compression?: 'snappy' | 'zstd' | 'gzip' | 'none'
  /** Parquet: a few percent larger for a third less work, for tables that are written by the way. */
  readonly quick?: boolean
  /** Writes one folder `column=value` per value, rows in the relation's order in each. */
  readonly partitionBy?: readonly string[]
  /**
   * All values of `partitionBy`, as text, that rows may have, each once: an engine then need not look for them. Those that
   * no row has give no folder; a row with others is an error.
   */
  readonly partitionValues?: readonly (readonly (string | null)[])[]
  /** Parquet: `perhapsInfinite` of the files is told. */
  readonly tellInfinite?: boolean
}

/** What `write` left: files relative to the target's folder, in a stable order. */
export interface Written {
  readonly schema: Schema
  readonly rows: number
  readonly files: readonly {
    readonly path: string
    readonly rows: number
    readonly bytes: number
    /** Of a partitioned table: the values of `partitionBy`, as text. */
    readonly partition?: readonly (string | null)[]
    /** Columns of numbers that may hold a NaN or an infinity, by the file's own statistics; absent for none. */
    readonly perhapsInfinite?: readonly string[]
  }[]
}

/** Exact facts about the values of one expression over the rows of a relation; missing values left out. */
export interface ColumnStatistics {
  /** Rows, and of these the missing ones. */
  readonly rows: number
  readonly missing: number
  readonly mean?: number
  /** Sample standard deviation; 0 for fewer than two values. */
  readonly stddev?: number
  readonly min?: number
  readonly max?: number
  /** Of columns with a finite range: bins of equal width, and exact counts. */
  readonly histogram?: Histogram
  /** In the order of the fractions asked for; linear interpolation, exact. */
  readonly quantiles?: readonly number[]
  /** Distinct values as text by descending count, ties by UTF-8 bytes; at most `limit`. */
  readonly values?: readonly { readonly value: string; readonly count: number }[]
  /** Absent too where only `few` are counted, and there are more. */
  readonly distinct?: number
}

export interface StatisticsRequest {
  readonly name: string
  readonly expr: Expr
  readonly mean?: boolean
  readonly stddev?: boolean
  readonly range?: boolean
  /** With the range. */
  readonly histogram?: boolean
  /** Fractions in [0, 1]. */
  readonly quantiles?: readonly number[]
  /** How many of the most frequent values to list. */
  readonly values?: number
  /** `few`: may be absent where there are more than about a thousand, which no engine can merge over files. */
  readonly distinct?: boolean | 'few'
}

/** What happens where files of a source have different columns or types. */
export interface DriftRules {
  /** What a file lacks is missing in its rows, and types widen; else MR_SOURCE_DRIFT. */
  readonly fill?: boolean
  /** Columns whose types a person declares: they differ in no file. */
  readonly declared?: readonly string[]
}

export interface Inferred {
  readonly source: Source
  readonly schema: Schema
  /** How files differ, in words; none where they do not. */
  readonly notes: readonly string[]
}

export interface Engine extends AsyncDisposable {
  readonly dialect: Dialect
  /** e.g. `duckdb 1.5.5`. */
  readonly version: string
  /**
   * How many files of a table one query is best asked about, where each gives a result of its own: 1 where queries cost
   * nothing, so that what is done stays done and files are read side by side; many where each query has to be planned.
   */
  readonly filesAtOnce: number
  /**
   * Types of all columns, from all rows: exact, not sampled. Also finds the CSV dialect. Throws MR_SOURCE_* with
   * file and line where the files cannot be read as what they are called, MR_SOURCE_DRIFT where they differ.
   */
  inferSchema(source: Source, signal?: AbortSignal, drift?: DriftRules): Promise<Inferred>
  query(relation: Relation, signal?: AbortSignal): Dataset
  /** Row objects, for small results: numbers, strings, bigint for `integer`, null for missing. */
  rows(relation: Relation, signal?: AbortSignal): Promise<readonly Readonly<Record<string, unknown>>[]>
  /** The same bytes for the same relation, whatever the number of threads (reference: two or more) and the memory. */
  write(relation: Relation, target: Target, progress?: Progress, signal?: AbortSignal): Promise<Written>
  /** All requests in as few passes as the engine can; the same bits on every run and for every number of threads. */
  statistics(
    relation: Relation,
    requests: readonly StatisticsRequest[],
    signal?: AbortSignal,
  ): Promise<ReadonlyMap<string, ColumnStatistics>>
}
