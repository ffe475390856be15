/** What goes to the thread of the prediction log and what comes back, and the columns of its files. */
import type { ModelMetadata } from '../core/documents.js'
import { DUCKDB_TYPES, type Schema } from '../core/schema.js'
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
  /** About what they take in memory. */
  readonly bytes: number
}

/** Rows `from` to `to` of an answered request. */
export interface LogEntry {
  readonly id: string
  /** Microseconds since 1970 UTC. */
  readonly time: bigint
  readonly batch: RecordBatch
  readonly predictions: Predictions
  readonly from: number
  readonly to: number
}

export type LogReply =
  /** The rows are in the thread's open file. */
  | { readonly kind: 'taken'; readonly rows: number; readonly bytes: number }
  | { readonly kind: 'written'; readonly rows: number; readonly path: string }
  | { readonly kind: 'failed'; readonly rows: number; readonly message: string }
  | { readonly kind: 'closed' }

/** How the names of files that are being written end: no reader takes them for data. */
export const TEMPORARY = '.tmp'

export interface LogLayout {
  /** Name and SQL type: the inputs, the answer, `request_id`, `row`, `time`. */
  readonly columns: readonly (readonly [name: string, type: string])[]
  /** Names of the folders for model, version and date. */
  readonly folders: readonly [model: string, version: string, date: string]
}

/**
 * Inputs keep their names. SQL ignores case and has no empty names: one that is empty, or that an input before it has
 * already, gets `_` at its end, and so does a name of the log's own that an input or class has.
 */
export function layoutOf({ inputs, classes }: Pick<LogRows, 'inputs' | 'classes'>): LogLayout {
  const taken = new Set(['', ...inputs.map(({ name }) => name.toLowerCase())])
  const own = (name: string): string => {
    let free = name
    while (taken.has(free.toLowerCase())) free += '_'
    taken.add(free.toLowerCase())
    return free
  }
  const firsts = new Map(inputs.map(({ name }) => [name.toLowerCase(), name]).toReversed() as [string, string][])
  const columns: (readonly [string, string])[] = inputs.map(({ name, type }) => [
    name !== '' && firsts.get(name.toLowerCase()) === name ? name : own(name),
    DUCKDB_TYPES[type],
  ])
  columns.push([own('prediction'), classes.length > 0 ? 'VARCHAR' : 'DOUBLE'])
  for (const name of classes) columns.push([own(`probability_${name}`), 'FLOAT'])
  columns.push([own('request_id'), 'VARCHAR'], [own('row'), 'INTEGER'], [own('time'), 'TIMESTAMP'])
  return { columns, folders: [own('model'), own('version'), own('date')] }
}

/** About the bytes that the rows `from` to `to` of these columns take in memory. */
export function sizeOf(columns: readonly Vector[], from: number, to: number): number {
  let size = 0
  for (const column of columns)
    if (column instanceof Float64Array || column instanceof BigInt64Array) size += 8 * (to - from)
    // a text is a reference, a header, and mostly a byte a letter
    else for (let r = from; r < to; r++) size += 20 + (column[r] as string).length
  return size
}

/** Several requests' rows as one message. All is copied: what a request's own array is part of may be far longer. */
export function gatherRows(
  of: { readonly model: string; readonly version: string; readonly date: string; readonly metadata: ModelMetadata },
  entries: readonly LogEntry[],
  bytes: number,
): LogRows {
  const { inputs, task } = of.metadata
  const rows = entries.reduce((sum, { from, to }) => sum + to - from, 0)
  const places = new Int32Array(rows)
  const times = new BigInt64Array(rows)
  const ids = new Array<string>(rows)
  let at = 0
  for (const { id, time, from, to } of entries)
    for (let r = from; r < to; r++, at++) {
      ids[at] = id
      places[at] = r
      times[at] = time
    }
  const classes = task.kind === 'classification' ? task.classes : []
  const numbers = <T extends Float32Array | Float64Array | BigInt64Array>(
    target: T,
    of: (entry: LogEntry) => Vector | Float32Array | undefined,
    width = 1,
  ): T => {
    let at = 0
    for (const entry of entries) {
      const source = of(entry) as Float64Array
      const part = source.subarray(entry.from * width, entry.to * width)
      ;(target as Float64Array).set(part, at)
      at += part.length
    }
    return target
  }
  const texts = (of: (entry: LogEntry) => readonly string[]): string[] =>
    entries.flatMap((entry) => of(entry).slice(entry.from, entry.to))
  const column = (c: number): Vector => {
    const [first] = entries as [LogEntry]
    const source = ({ batch }: LogEntry): Vector => batch.columns[c] as Vector
    if (source(first) instanceof Float64Array) return numbers(new Float64Array(rows), source)
    if (source(first) instanceof BigInt64Array) return numbers(new BigInt64Array(rows), source)
    return texts((entry) => source(entry) as readonly string[])
  }
  return {
    kind: 'rows',
    ...{ model: of.model, version: of.version, date: of.date, inputs, classes, rows, ids, places, times, bytes },
    columns: inputs.map((_, c) => column(c)),
    ...(classes.length > 0
      ? {
          labels: texts(({ predictions }) => predictions.labels as readonly string[]),
          probabilities: numbers(
            new Float32Array(rows * classes.length),
            ({ predictions }) => predictions.probabilities,
            classes.length,
          ),
        }
      : { values: numbers(new Float64Array(rows), ({ predictions }) => predictions.values) }),
  }
}
