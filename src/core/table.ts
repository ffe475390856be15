/**
 * Columns in memory, a batch at a time. The vectors carry missing values the way the served model takes them (SPEC 7),
 * so a batch goes into ONNX Runtime without conversion: NaN, '' and MISSING_TIME instead of a validity bitmap.
 */
import type { Schema } from './schema.js'

/** number, integer, boolean: Float64Array; text: string[]; timestamp, date: BigInt64Array. */
export type Vector = Float64Array | BigInt64Array | readonly string[]

export interface RecordBatch {
  readonly schema: Schema
  readonly rows: number
  /** One vector per field, in the schema's order, each of `rows` values. */
  readonly columns: readonly Vector[]
}

export interface Dataset {
  readonly schema: Schema
  /** Yields batches in the relation's order; ends early, with MR_CANCELLED, when the signal fires. */
  batches(signal?: AbortSignal): AsyncIterable<RecordBatch>
}
