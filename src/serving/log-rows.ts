/** What goes to the thread of the prediction log and what comes back, and the columns of its files. */
import type { ModelMetadata } from '../core/documents.js'
import type { ColumnType, Schema } from '../core/schema.js'
import type { RecordBatch, Vector } from '../core/table.js'
import type { Predictions } from './predictor.js'

export interface LogThreadData {
  readonly folder: string
  readonly rows: number
  readonly bytes: number
  readonly ms: number
}

/** Rows of one version on one day (UTC). */
export interface LogRows extends Predictions {
  readonly kind: 'rows'
  readonly model: string
  readonly version: string
  readonly date: string
  readonly inputs: Schema
  /** Empty for regression. */
  readonly classes: readonly string[]
  readonly columns: readonly Vector[]
  /** One for each row: the request's id, the row's place in it, microseconds since 1970 UTC. */
  readonly ids: readonly string[]
  readonly places: Int32Array
  readonly times: BigInt64Array
}

export type LogReply =
  /** The rows are in the thread's open file. */
  | { readonly kind: 'taken'; readonly rows: number }
  | { readonly kind: 'written'; readonly rows: number; readonly path: string }
  | { readonly kind: 'failed'; readonly rows: number; readonly message: string }
  | { readonly kind: 'closed' }

/** How the names of files that are being written end: no reader takes them for data. */
export const TEMPORARY = '.tmp'

const SQL_TYPE: Readonly<Record<ColumnType, string>> = {
  number: 'DOUBLE',
  integer: 'BIGINT',
  boolean: 'BOOLEAN',
  text: 'VARCHAR',
  timestamp: 'TIMESTAMP',
  date: 'DATE',
}

export interface LogLayout {
  /** Name and SQL type: the inputs, the answer, `request_id`, `row`, `time`. */
  readonly columns: readonly (readonly [name: string, type: string])[]
  /** Names of the folders for model, version and date. */
  readonly folders: readonly [model: string, version: string, date: string]
}

/**
 * Inputs keep their names; a name of the log's own that an input or class has already (case is ignored) gets `_` at its
 * end. Empty text is a missing value, as everywhere.
 */
export function layoutOf({ inputs, classes }: Pick<LogRows, 'inputs' | 'classes'>): LogLayout {
  const taken = new Set(inputs.map(({ name }) => name.toLowerCase()))
  const own = (name: string): string => {
    let free = name
    while (taken.has(free.toLowerCase())) free += '_'
    taken.add(free.toLowerCase())
    return free
  }
  const columns: (readonly [string, string])[] = inputs.map(({ name, type }) => [name, SQL_TYPE[type]])
  columns.push([own('prediction'), classes.length > 0 ? 'VARCHAR' : 'DOUBLE'])
  for (const name of classes) columns.push([own(`probability_${name}`), 'FLOAT'])
  columns.push([own('request_id'), 'VARCHAR'], [own('row'), 'INTEGER'], [own('time'), 'TIMESTAMP'])
  return { columns, folders: [own('model'), own('version'), own('date')] }
}

/** Several requests' rows as one message. */
export function gatherRows(
  of: { readonly model: string; readonly version: string; readonly date: string; readonly metadata: ModelMetadata },
  requests: readonly {
    readonly id: string
    readonly time: bigint
    readonly batch: RecordBatch
    readonly predictions: Predictions
  }[],
): LogRows {
  const { inputs, task } = of.metadata
  const rows = requests.reduce((sum, { batch }) => sum + batch.rows, 0)
  const places = new Int32Array(rows)
  const times = new BigInt64Array(rows)
  const ids = new Array<string>(rows)
  let at = 0
  for (const { id, time, batch } of requests)
    for (let r = 0; r < batch.rows; r++, at++) {
      ids[at] = id
      places[at] = r
      times[at] = time
    }
  const answers = requests.map(({ predictions }) => predictions)
  const classification = task.kind === 'classification'
  return {
    kind: 'rows',
    ...{ model: of.model, version: of.version, date: of.date, inputs, rows, ids, places, times },
    classes: classification ? task.classes : [],
    columns: inputs.map((_, c) =>
      joined(
        requests.map(({ batch }) => batch.columns[c] as Vector),
        rows,
      ),
    ),
    ...(classification
      ? {
          labels: answers.flatMap(({ labels }) => labels ?? []),
          probabilities: concatenated(
            new Float32Array(rows * task.classes.length),
            answers.map(({ probabilities }) => probabilities ?? new Float32Array(0)),
          ),
        }
      : {
          values: concatenated(
            new Float64Array(rows),
            answers.map(({ values }) => values ?? new Float64Array(0)),
          ),
        }),
  }
}

/** Always copied: what a request's own array is part of may be far longer, and would go to the thread whole. */
function joined(vectors: readonly Vector[], rows: number): Vector {
  if (vectors[0] instanceof Float64Array) return concatenated(new Float64Array(rows), vectors as Float64Array[])
  if (vectors[0] instanceof BigInt64Array) return concatenated(new BigInt64Array(rows), vectors as BigInt64Array[])
  return (vectors as (readonly string[])[]).flat()
}

function concatenated<T extends Float32Array | Float64Array | BigInt64Array>(
  target: T,
  parts: readonly (T | Float32Array | Float64Array)[],
): T {
  let at = 0
  for (const part of parts) {
    ;(target as Float64Array).set(part as Float64Array, at)
    at += part.length
  }
  return target
}
