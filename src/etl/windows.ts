/**
 * Windows as relations: columns made of the earlier rows of the same entity.
 *
 * A row at time t sees, of the rows with its value of `by`,
 * - with `over`: those with a time in [t - delay - over, t - delay); never its own instant, so rows of one instant do not
 *   see each other;
 * - with `rows`: the last so many before it in the order of time, then of place in the source.
 *
 * A row whose `by` or time is missing has no windows and is in none. Sums and means are of fixed-point integers, so that
 * they are exact, and the same bits in whatever order an engine adds them up.
 */
import type { WindowDocument } from '../core/documents.js'
import { MillraceError } from '../core/errors.js'
import type { ColumnType, Schema } from '../core/schema.js'
import type { ColumnStatistics, StatisticsRequest } from './engine.js'
import { call, cast, col, type Expr, type Frame, missing, type Named, num, type OrderKey, when } from './expr.js'
import { project, type Relation, select, windowed } from './relation.js'

/** Values of the largest magnitude have so many bits in fixed point: 2^40 of them still fit 127. */
const VALUE_BITS = 86

/** The type of a window's column: that of `of` for a lag of text, else number. */
export function windowType({ compute, of, reads }: WindowDocument): ColumnType {
  return compute === 'lag' && reads.find(({ name }) => name === of)?.type === 'text' ? 'text' : 'number'
}

/** The request for what `scaled` wants to know: ranges of the columns that are summed, each once. */
export function rangeRequests(windows: readonly WindowDocument[]): readonly StatisticsRequest[] {
  const names = new Set(windows.flatMap(({ of, compute }) => (of !== undefined && sums(compute) ? [of] : [])))
  return [...names].map((name) => ({ name, expr: cast(col(name), 'number'), range: true }))
}

/**
 * The windows with the scale of their sums: fine enough that what is lost lies 2^-86 below the largest value. A scale that
 * is there already stays, unless the values are too large for it. Throws MR_WINDOW_COLUMN for infinite values.
 */
export function scaled(
  windows: readonly WindowDocument[],
  ranges: ReadonlyMap<string, ColumnStatistics>,
): readonly WindowDocument[] {
  return windows.map((window) => {
    const { name, of = '', compute, scale } = window
    if (!sums(compute)) return window
    const { min = 0, max = 0 } = ranges.get(of) ?? {}
    const largest = Math.max(Math.abs(min), Math.abs(max))
    if (!Number.isFinite(largest))
      throw new MillraceError(
        'MR_WINDOW_COLUMN',
        `window ${name}: '${of}' has infinite values, which have no ${compute}`,
        {
          hint: `take those rows out: data.validation_rules.value_ranges: {${of}: [low, high]}`,
        },
      )
    const bits = largest === 0 ? 0 : Math.floor(Math.log2(largest)) + 1
    const power = Math.min(1023, VALUE_BITS - bits)
    // the caller's rows may be larger than those that the scale was made for: there is room for 2^20 times as large
    return { ...window, scale: scale !== undefined && Math.log2(scale) <= power + 20 ? scale : 2 ** power }
  })
}

/**
 * The relation with one more column for each window, in their order. The order of rows is not defined afterwards: sort. Windows of one
 * `by` are made together, from one sort.
 * @param place what orders rows of the same time: together unique
 */
export function withWindows(input: Relation, windows: readonly WindowDocument[], place: readonly OrderKey[]): Relation {
  let relation = input
  for (const by of new Set(windows.map((window) => window.by))) {
    const some = windows.filter((window) => window.by === by)
    const parts = new Parts(new Set(relation.schema.map(({ name }) => name.toLowerCase())))
    const finished = some.map((window): Named => ({
      name: window.name,
      expr: guarded(window, finish(window, parts, relation.schema, place)),
    }))
    const kept = relation.schema.map(({ name }) => ({ name, expr: col(name) }))
    relation = project(windowed(relation, parts.columns), [...kept, ...finished])
  }
  return select(
    relation,
    [...input.schema, ...windows].map(({ name }) => name),
  )
}

/** Window functions that columns are made of, each computed once under a name that no column has. */
class Parts {
  private readonly known = new Map<string, Named>()
  private next = 0

  constructor(private readonly taken: ReadonlySet<string>) {}

  get columns(): readonly Named[] {
    return [...this.known.values()]
  }

  add(expr: Expr): Expr {
    const key = JSON.stringify(expr, (_, value: unknown) => (typeof value === 'bigint' ? String(value) : value))
    let part = this.known.get(key)
    if (part === undefined) {
      let name: string
      do name = `__window${this.next++}`
      while (this.taken.has(name))
      this.known.set(key, (part = { name, expr }))
    }
    return col(part.name)
  }
}

function finish(window: WindowDocument, parts: Parts, schema: Schema, place: readonly OrderKey[]): Expr {
  const { compute, of, rows = 1, scale = 1 } = window
  const frame = frameOf(window)
  const time = timeOf(window.timestamp, schema)
  const part = (fn: 'count' | 'min' | 'max' | 'lag' | 'exact_sum', args: readonly Expr[], params?: readonly number[]) =>
    parts.add({
      op: 'window',
      fn,
      args,
      partitionBy: [col(window.by)],
      orderBy: frame?.unit === 'range' ? [{ expr: time }] : [{ expr: time }, ...place],
      ...(params === undefined ? {} : { params }),
      ...(frame === undefined ? {} : { frame }),
    })
  const args = of === undefined ? [] : [col(of)]
  const number = (expr: Expr): Expr => (windowType(window) === 'number' ? cast(expr, 'number') : expr)
  switch (compute) {
    case 'count':
      return number(part('count', args))
    case 'sum':
      return call('coalesce', part('exact_sum', args, [scale]), num(0))
    case 'mean':
      return call('div', part('exact_sum', args, [scale]), part('count', args))
    case 'min':
    case 'max':
      return number(part(compute, args))
    case 'lag':
      return number(part('lag', args, [rows]))
    default:
      throw new MillraceError('MR_INTERNAL_BUG', `window ${window.name} computes ${compute}`)
  }
}

function frameOf({ compute, over, rows = 1, delay = 0 }: WindowDocument): Frame | undefined {
  if (compute === 'lag') return undefined
  if (over === undefined) return { unit: 'rows', from: BigInt(rows), to: 1n }
  // times are whole microseconds: before t - delay is at the latest one of them earlier
  return { unit: 'range', from: BigInt(delay) + BigInt(over), to: BigInt(delay) + 1n }
}

function timeOf(name: string, schema: Schema): Expr {
  const type = schema.find((field) => field.name === name)?.type
  return type === 'timestamp' || type === 'date' ? call('epoch_us', col(name)) : col(name)
}

function guarded(window: WindowDocument, value: Expr): Expr {
  const lost = call('or', call('is_missing', col(window.by)), call('is_missing', col(window.timestamp)))
  return when(lost, missing(windowType(window)), value)
}

const sums = (compute: string): boolean => compute === 'sum' || compute === 'mean'
