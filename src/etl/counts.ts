/**
 * Rows, counts, means, deviations and ranges of a table's parts, added up in the order of files. What a part's figures
 * are is the engine's to read; those of a file that is still there are taken from the memo: the same bits, as they are
 * the same sums.
 */
import { eachPart, type Memo } from '../core/memo.js'
import type { ColumnStatistics } from './engine.js'
import { aggregate, call, col, type Expr, missing, num, when } from './expr.js'
import type { Histogram } from './histogram.js'
import type { Parts } from './parts.js'
import type { Relation } from './relation.js'
import { combine, NO_MOMENTS, numberOf, sampleDeviation, type Moments, type Wanted } from './statistics.js'

export interface Counted {
  rows: number
  moments: Moments
  min: number | undefined
  max: number | undefined
}

/** One row group's rows, then for each column its figures: those of `figuresOf`, null where there is none. */
export type Partial = readonly [rows: number, ...(readonly (number | null)[])[]]

/** From here on a square may be infinite: DuckDB's variance refuses those values, with no word of the column; others' is not a number. */
export const TOO_LARGE = 1e150
const squarable = (value: Expr): Expr => call('lt', call('abs', value), num(TOO_LARGE))

export const hasMean = ({ request }: Wanted): boolean => request.mean === true || request.stddev === true
/** Whether the range tells that all values are squarable, so that not each need be compared. */
export const isRanged = ({ request }: Wanted): boolean => request.stddev === true && request.range === true

/**
 * What is asked of each column, in the order of a partial.
 * @param isSure false leaves it to the range to say that values were too large
 */
export function figuresOf(want: Wanted, isSure: boolean): readonly Expr[] {
  const { request, column, type } = want
  const number = numberOf(column, type)
  const isTrusted = !isSure && isRanged(want)
  return [
    aggregate('count', [col(column)]),
    ...(hasMean(want) ? [aggregate('avg', [number])] : []),
    ...(request.stddev === true
      ? [
          aggregate('var_pop', [isTrusted ? number : when(squarable(number), number, missing('number'))]),
          isTrusted ? aggregate('count', [col(column)]) : aggregate('count_if', [squarable(number)]),
        ]
      : []),
    ...(request.range === true ? [aggregate('min', [number]), aggregate('max', [number])] : []),
  ]
}

/**
 * Facts for each wanted column.
 * @param text the likeness of the parts as the engine's SQL: what the figures are made by
 * @param read for each file of the relation its partials, in order
 * @returns also the rows of each part, and how many of the parts were read
 */
export async function countPass(
  parts: Parts,
  wanted: readonly Wanted[],
  memo: Memo | undefined,
  text: string,
  read: (relation: Relation) => Promise<readonly (readonly Partial[])[]>,
): Promise<{ readonly counted: readonly Counted[]; readonly partRows: readonly number[]; readonly made: number }> {
  const about = [
    'counts',
    1,
    text,
    wanted.map(({ type, request: { mean, stddev, range } }) => [type, mean ?? false, stddev ?? false, range ?? false]),
  ]
  const { values, made } = await eachPart<readonly Partial[]>(memo, about, parts.names, async (absent, done) => {
    const found = await read(parts.only(absent))
    // of what is no table of ours all files are one part
    for (const [i, index] of absent.entries()) await done(index, absent.length === 1 ? found.flat() : (found[i] ?? []))
  })
  const counted = wanted.map((): Counted => ({ rows: 0, moments: NO_MOMENTS, min: undefined, max: undefined }))
  for (const [rows, ...columns] of values.flat())
    for (const [i, want] of wanted.entries()) {
      const facts = counted[i]
      if (facts !== undefined) add(facts, want, rows, columns[i] ?? [])
    }
  const partRows = values.map((partials) => partials.reduce((sum, [rows]) => sum + rows, 0))
  return { counted, partRows, made }
}

function add(facts: Counted, want: Wanted, rows: number, figures: readonly (number | null)[]): void {
  const left = [...figures]
  const next = (): number | undefined => left.shift() ?? undefined
  const count = next() ?? 0
  const mean = hasMean(want) ? next() : undefined
  const [variance, ordinary] = want.request.stddev === true ? [next(), next()] : []
  const [min, max] = want.request.range === true ? [next(), next()] : []
  facts.rows += rows
  // the deviation of what has none is not that of the rest
  const squares = (ordinary ?? count) < count ? Infinity : (variance ?? 0) * count
  facts.moments = combine(facts.moments, { count, mean: mean ?? 0, squares })
  if (min !== undefined && (facts.min === undefined || min < facts.min)) facts.min = min
  if (max !== undefined && (facts.max === undefined || max > facts.max)) facts.max = max
}

/** Of a column that asks for it: values by falling count, ties by bytes, and how many there are. */
export interface Frequent {
  readonly values: readonly { readonly value: string; readonly count: number }[]
  readonly distinct: number
}

/** What was asked for, of what was found by index in `wanted`, and nothing else. */
export function describe(
  wanted: readonly Wanted[],
  counted: readonly Counted[],
  ordered: readonly (readonly number[])[],
  frequent: ReadonlyMap<number, Frequent>,
  drawn: ReadonlyMap<number, Histogram>,
): ReadonlyMap<string, ColumnStatistics> {
  const rows = counted[0]?.rows ?? 0
  return new Map(
    wanted.map(({ request }, i): [string, ColumnStatistics] => {
      const { moments, min, max } = counted[i] ?? { moments: NO_MOMENTS }
      const histogram = drawn.get(i)
      const listed = frequent.get(i)
      const any = moments.count > 0
      return [
        request.name,
        {
          rows,
          missing: rows - moments.count,
          ...(request.mean === true && any ? { mean: moments.mean } : {}),
          ...(request.stddev === true ? { stddev: sampleDeviation(moments) } : {}),
          ...(request.range === true && min !== undefined && max !== undefined ? { min, max } : {}),
          ...(histogram === undefined ? {} : { histogram }),
          ...(request.quantiles !== undefined && any ? { quantiles: ordered[i] ?? [] } : {}),
          ...(request.values === undefined ? {} : { values: listed?.values.slice(0, request.values) ?? [] }),
          ...(request.distinct === true || (request.distinct === 'few' && listed !== undefined)
            ? { distinct: listed?.distinct ?? 0 }
            : {}),
        },
      ]
    }),
  )
}
