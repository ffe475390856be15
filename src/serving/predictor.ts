/** Raw rows in, predictions out, through the one model file. */
import type { ModelMetadata } from '../core/documents.js'
import type { RecordBatch } from '../core/table.js'

/** Predictions of a batch, in the order of its rows. */
export interface Predictions {
  readonly rows: number
  /** classification: class names by the model's threshold; regression: undefined */
  readonly labels?: readonly string[]
  /** classification: row-major [rows, classes] */
  readonly probabilities?: Float32Array
  /** regression */
  readonly values?: Float32Array | Float64Array
}

export interface Predictor extends AsyncDisposable {
  readonly metadata: ModelMetadata
  /** The batch's columns are the model's inputs, found by name; further columns are ignored. */
  predict(rows: RecordBatch, signal?: AbortSignal): Promise<Predictions>
}
