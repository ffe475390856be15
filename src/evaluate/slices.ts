/** Groups of rows by the values of a column, for scores given apart. */
import { MillraceError, nearest } from '../core/errors.js'
import { MISSING_TIME, type Field } from '../core/schema.js'
import type { RecordBatch, Vector } from '../core/table.js'

export interface Slice {
  readonly column: string
  readonly value: string
  /** Row numbers, rising. */
  readonly rows: Uint32Array
}

/** More values than this share one slice, `(other)`. */
const MOST_VALUES = 20
/** Numbers with so few values are taken as they are, not by quartile. */
const FEW_NUMBERS = 8

/**
 * The slices of `columns`: text and booleans by value, the most frequent first (ties alphabetical); numbers of more
 * than 8 values and times by quartile, rising; what is missing as `(missing)`. At most 20 a column.
 * @throws MR_EVALUATION_COLUMN for a column that `rows` lacks
 */
export function sliceRows(rows: RecordBatch, columns: readonly string[]): Slice[] {
  return columns.flatMap((name) => {
    const index = rows.schema.findIndex((field) => field.name === name)
    if (index < 0) {
      const names = rows.schema.map((field) => field.name)
      const near = nearest(name, names)
      throw new MillraceError(
        'MR_EVALUATION_COLUMN',
        `evaluation.slices names ${JSON.stringify(name)}, no such column`,
        {
          hint: near === undefined ? `columns: ${names.join(', ')}` : `did you mean ${JSON.stringify(near)}?`,
        },
      )
    }
    return grouped(name, keysOf(rows.schema[index]!, rows.columns[index]!), rows.rows)
  })
}

/** A text per row, and whether the texts have an order of their own (their first index in `ordered`). */
function keysOf(field: Field, vector: Vector): { key: (row: number) => string; ordered?: readonly string[] } {
  if (vector instanceof BigInt64Array) {
    const values = Float64Array.from(vector, (time) => (time === MISSING_TIME ? NaN : Number(time)))
    return byQuartile(values, (time) => new Date(time / 1000).toISOString().replace(/T00:00:00\.000Z$/, ''))
  }
  if (!(vector instanceof Float64Array)) return { key: (row) => (vector[row] === '' ? '(missing)' : vector[row]!) }
  if (field.type === 'boolean')
    return { key: (row) => (Number.isNaN(vector[row]!) ? '(missing)' : vector[row] === 0 ? 'false' : 'true') }
  const distinct = new Set<number>()
  for (const value of vector) {
    if (!Number.isNaN(value)) distinct.add(value)
    if (distinct.size > FEW_NUMBERS) return byQuartile(vector, String)
  }
  const ordered = [...distinct].sort((a, b) => a - b).map(String)
  return { key: (row) => (Number.isNaN(vector[row]!) ? '(missing)' : String(vector[row]!)), ordered }
}

function byQuartile(values: Float64Array, text: (edge: number) => string) {
  const sorted = values.filter((value) => !Number.isNaN(value)).sort()
  const edges: number[] = []
  for (const share of [0.25, 0.5, 0.75]) {
    const edge = sorted[Math.floor(share * sorted.length)]
    if (edge !== undefined && edge > (edges[edges.length - 1] ?? sorted[0]!)) edges.push(edge)
  }
  const [first, last] = [edges[0], edges[edges.length - 1]]
  const ordered =
    first === undefined
      ? ['all']
      : [
          `under ${text(first)}`,
          ...edges.slice(1).map((edge, i) => `${text(edges[i]!)} to under ${text(edge)}`),
          `${text(last!)} or more`,
        ]
  const key = (row: number) => {
    const value = values[row]!
    if (Number.isNaN(value)) return '(missing)'
    let bin = 0
    while (bin < edges.length && value >= edges[bin]!) bin++
    return ordered[bin]!
  }
  return { key, ordered }
}

function grouped(
  column: string,
  { key, ordered }: { key: (row: number) => string; ordered?: readonly string[] },
  rows: number,
): Slice[] {
  const groups = new Map<string, number[]>()
  for (let row = 0; row < rows; row++) {
    const value = key(row)
    const group = groups.get(value)
    if (group === undefined) groups.set(value, [row])
    else group.push(row)
  }
  const rank = (value: string) => (ordered ?? []).indexOf(value)
  const sorted = [...groups].sort(([a, left], [b, right]) => {
    if (ordered !== undefined && rank(a) >= 0 && rank(b) >= 0) return rank(a) - rank(b)
    if (ordered !== undefined && rank(a) !== rank(b)) return rank(b) - rank(a) // missing last
    return right.length - left.length || (a < b ? -1 : 1)
  })
  const kept = sorted.length <= MOST_VALUES ? sorted : sorted.slice(0, MOST_VALUES - 1)
  if (kept.length < sorted.length)
    kept.push([
      `(other: ${sorted.length - kept.length} values)`,
      sorted
        .slice(MOST_VALUES - 1)
        .flatMap(([, group]) => group)
        .sort((a, b) => a - b),
    ])
  return kept.map(([value, group]) => ({ column, value, rows: Uint32Array.from(group) }))
}
